package respond

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/keyquench/keyquench/rules"
)

// newKey makes a key. The answer holds its secret, once: when the answer is lost,
// so is the key, and it is deleted.
func (a *run) newKey(ctx context.Context, i int) error {
	user := a.p.Steps[i].User
	if in, meant := a.h.intents[i]; meant {
		if err := a.orphan(ctx, i, in); err != nil {
			return err
		}
	}
	keys, err := a.s.keys(ctx, user)
	if err != nil {
		return err
	}
	if err := a.intend(ctx, i, intent{Keys: ids(keys)}); err != nil {
		return err
	}
	from := a.Now()
	var out *iam.CreateAccessKeyOutput
	for try := 1; ; try++ {
		out, err = a.s.iam.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: named(user)})
		if err == nil || !again(err) || try == tries {
			break
		}
		if err := a.orphan(ctx, i, a.h.intents[i]); err != nil {
			return err
		}
		if _, meant := a.h.intents[i]; !meant { // that one was deleted
			if err := a.intend(ctx, i, intent{Keys: ids(keys)}); err != nil {
				return err
			}
		}
		if a.Sleep(ctx, firstWait<<try) != nil {
			break
		}
	}
	if err == nil && (out.AccessKey == nil || !rules.AnyKeyID(aws.ToString(out.AccessKey.AccessKeyId)) || aws.ToString(out.AccessKey.SecretAccessKey) == "") {
		err = errors.New("iam:CreateAccessKey: the answer holds no key")
	}
	if err != nil {
		how := resultFailed
		if failed(err).Again() {
			how = resultUnknown
		}
		if failed(err).Code == "LimitExceeded" {
			err = &Error{"user " + user + " has as many keys as it can have", "run it again: it shows both, to choose from", failure("iam:CreateAccessKey", err)}
		} else {
			err = a.denied(failure("iam:CreateAccessKey", err))
		}
		return errors.Join(err, a.outcome(ctx, i, result{Result: how, Error: err.Error()}, from))
	}
	a.pair = rules.Key{ID: *out.AccessKey.AccessKeyId, Secret: rules.NewSecret(*out.AccessKey.SecretAccessKey)}
	a.out.NewKey = a.pair.ID
	return a.outcome(ctx, i, result{Result: resultDone, State: a.pair.ID}, from)
}

func ids(keys []KeyState) (list []string) {
	for _, k := range keys {
		list = append(list, k.ID)
	}
	return list
}

// orphanTime is how far from the intent, by AWS's clock, a key may have been made
// to be taken for ours: the call follows its intent at once, and is tried for
// seconds.
const orphanTime = 30 * time.Second

// orphan deletes a key that we made without getting its secret: exactly one that
// was not there before, made within seconds of our call, and never used. Anything
// else may be somebody else's, and a person has to look.
func (a *run) orphan(ctx context.Context, i int, in intent) error {
	user := a.p.Steps[i].User
	keys, err := a.s.keys(ctx, user)
	if err != nil {
		return err
	}
	var fresh []KeyState
	for _, k := range keys {
		if !slices.Contains(in.Keys, k.ID) {
			fresh = append(fresh, k)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	k := fresh[0]
	at, _, err := a.s.lastUse(ctx, k.ID)
	if err != nil {
		return err
	}
	if len(fresh) > 1 || !at.IsZero() || k.Created.Sub(in.at.Add(a.s.skew)).Abs() > orphanTime {
		return &Error{
			fmt.Sprintf("user %s has a new key %s, and it is not certain that keyquench made it", user, k.ID),
			"look at who uses it (CloudTrail, CreateAccessKey); delete it by hand if nobody does, and run the same command again", nil,
		}
	}
	a.out.Left = append(a.out.Left, "look that nobody misses "+k.ID+": it was made by a call of keyquench's whose answer was lost, and is deleted")
	return a.drop(ctx, i, k.ID)
}

// drop deletes a new key whose secret nobody has, and writes that down.
func (a *run) drop(ctx context.Context, i int, id string) error {
	from := a.Now()
	st := noKeyStep(a.p.Steps[i].User, id, active)
	if err := a.keep.write(ctx, a.p, KindIntent, intent{Step: i, Op: opNoKey, Actor: a.s.how, Calls: st.Calls, Keys: a.h.intents[i].Keys}); err != nil {
		return unwritten("stopped, since the next step", err)
	}
	if _, _, err := a.act(ctx, i, st); err != nil {
		return err
	}
	if err := a.outcome(ctx, i, result{Result: resultLost, State: id}, from); err != nil {
		return err
	}
	a.h.forget(i)
	return nil
}

// recover gets the new key's pair back in a run that goes on: from where it was
// stored. If it was not, nobody has its secret, and another one is made.
func (a *run) recover(ctx context.Context) error {
	if !a.pair.Secret.IsZero() {
		return nil
	}
	i := slices.IndexFunc(a.p.Steps, func(s Step) bool { return s.Op == opNewKey })
	id := a.h.results[i].State
	key, ok, err := a.p.args.Store.Get(ctx, id)
	if err != nil {
		return err
	}
	if ok {
		a.pair, a.out.NewKey = key, id
		return nil
	}
	if err := a.drop(ctx, i, id); err != nil {
		return err
	}
	return errAnother
}

// errAnother sends the steps back to where a new key is made.
var errAnother = errors.New("the new key is lost")
