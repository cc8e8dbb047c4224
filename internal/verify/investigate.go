package verify

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/keyquench/keyquench/internal/awsapi"
	"github.com/keyquench/keyquench/rules"
)

const (
	// tries is how often a call is made that brings no answer, and firstWait how
	// long before the second, then twice as long.
	tries     = 3
	firstWait = 500 * time.Millisecond
	// settling is how long AWS can call a right secret wrong after it was asked
	// with another one of the same key ID.
	settling = 5 * time.Second
	// clockNoted is from where on a clock that is wrong is worth a word.
	clockNoted = time.Minute
)

// inquiry is one Check on its way.
type inquiry struct {
	c    *Checker
	lane *lane
	v    Verdict
	home *awsapi.Partition // where the key ID exists, once that is known
	// strange tells that AWS knows the temporary key, but not with every session
	// token that was tried: the right pair may be one that was not.
	strange bool
}

// investigate asks until the state of a key is known, or it is known why not.
// The caller has the turn.
func (c *Checker) investigate(ctx context.Context, l *lane, keys []rules.Key) Verdict {
	q := &inquiry{c: c, lane: l, v: newVerdict(keys[0].ID)}
	left := max(0, len(keys)-c.candidates)
	keys = keys[:len(keys)-left]
	if !q.firstRound(ctx, keys) && !q.secondRound(ctx, keys) {
		q.v.State = WrongSecret
		q.v.Partition = q.home.Name
		q.v.Reason = fmt.Sprintf("AWS has an active key with this ID, and %s", plural(len(keys), "its secret is another", "none of the %d secrets is its own"))
		if q.strange {
			q.v.State = Unknown
			q.v.Reason = "AWS has an active key with this ID, and takes none of the secrets with the session token that it knows"
		}
	}
	if left > 0 && (q.v.State == WrongSecret || q.v.State == Unknown) {
		q.v.State = Unknown
		q.v.Reason += fmt.Sprintf("; %s not tried", plural(left, "one more was", "%d more were"))
	}
	if ctx.Err() != nil && q.v.State == Unknown {
		q.v.Reason = interrupted(ctx)
	}
	if note := clockNote(q.v.Asked); note != "" {
		q.v.Reason = strings.TrimPrefix(q.v.Reason+"; "+note, "; ")
	}
	q.v.At = c.now()
	return q.v
}

// firstRound tries all candidates without waiting. It returns false when the key
// ID exists and each of them was refused.
func (q *inquiry) firstRound(ctx context.Context, keys []rules.Key) (decided bool) {
	for i, k := range keys {
		var refused, trouble []string
		if q.home != nil {
			if q.again(ctx, k, i) {
				return true
			}
			continue
		}
		for _, p := range q.c.partitions {
			switch a := q.ask(ctx, k, p); a.meaning() {
			case noSuchKey:
				refused = append(refused, p.Name)
				continue
			case wrongSecret:
				q.home = &p
			default:
				if q.settles(&a, k, p) {
					return true
				}
				if trouble = append(trouble, p.Name+": "+a.why()); ctx.Err() == nil {
					continue
				}
			}
			break
		}
		switch {
		case q.home != nil:
		case len(trouble) > 0:
			q.v.Reason = "not every partition could be asked: " + strings.Join(trouble, "; ")
			return true
		case !temporary(k.ID):
			q.v.State, q.v.Reason = Gone, "AWS knows no active key with this ID in "+strings.Join(refused, ", ")
			return true
		default:
			// A session that is over is expired. One that AWS does not know was cut
			// short with its user or role, or is no session: a token that was
			// damaged or belongs to another key is refused with the same words.
			q.v.Reason = "AWS does not know this key with this session token in " + strings.Join(refused, ", ") +
				": whoever issued it is gone, or the token is not its own"
		}
	}
	return q.home == nil
}

// again asks the partition where the key ID exists about one more candidate. It
// returns true when nothing more is to be asked.
func (q *inquiry) again(ctx context.Context, k rules.Key, i int) (decided bool) {
	a := q.ask(ctx, k, *q.home)
	switch {
	case a.meaning() == wrongSecret:
		return false
	case a.meaning() == noSuchKey && temporary(k.ID):
		q.strange = true // another session token was the right one
		return false
	case a.meaning() == noSuchKey:
		q.v.Reason = "AWS knew this key ID a moment ago, and does not any more: ask again"
	case !q.settles(&a, k, *q.home):
		q.v.Reason = fmt.Sprintf("AWS has an active key with this ID, and secret %d could not be tried: %s", i+1, a.why())
	}
	return true
}

// secondRound tries them once more, each so long after the one before that AWS
// answers truly. It returns false when each of them was refused again.
func (q *inquiry) secondRound(ctx context.Context, keys []rules.Key) (decided bool) {
	for i, k := range keys {
		if d := q.lane.last.Add(settling).Sub(q.c.now()); d > 0 {
			if err := q.c.sleep(ctx, d); err != nil {
				q.v.Reason = "AWS called the secret wrong, and was not asked a second time"
				return true
			}
		}
		if q.again(ctx, k, i) {
			return true
		}
	}
	return false
}

// settles takes over an answer that decides.
func (q *inquiry) settles(a *Answer, k rules.Key, p awsapi.Partition) bool {
	v := &q.v
	switch m := a.meaning(); {
	case m == taken:
		v.State, v.Partition, v.Secret, v.Reason = Live, p.Name, k.Secret, ""
		v.Account, v.ARN, v.UserID, v.Kind = a.Account, a.ARN, a.UserID, kindOf(a.ARN)
	case m == expired && temporary(k.ID):
		v.State, v.Partition, v.Reason = Expired, p.Name, "AWS says that the session is over"
	case m == denied:
		v.Reason = "the question was forbidden, which says nothing of the key: " + a.why()
	case m == badClock:
		v.Reason = "AWS did not believe the time of the request, though its clock and this machine's agree: " + a.why()
		if a.Skew.Abs() > clockTolerance {
			v.Reason = "AWS did not believe the time of the request: " + a.why()
		}
	default:
		return false
	}
	return true
}

// ask calls until there is an answer, but not more often than it makes sense.
func (q *inquiry) ask(ctx context.Context, k rules.Key, p awsapi.Partition) Answer {
	wait, corrected := firstWait, false
	for try := 1; ; try++ {
		shift := q.c.shift.Load()
		a := q.c.call(ctx, q.lane, k, p)
		q.v.Asked = append(q.v.Asked, a)
		switch m := a.meaning(); {
		case m == badClock && !corrected && q.c.correct(a, shift):
			corrected = true
			continue
		case m != later || try >= tries || ctx.Err() != nil:
			return a
		}
		// Half of the wait is by chance, so that many keys do not come back at once.
		if q.c.sleep(ctx, wait/2+rand.N(wait/2)) != nil {
			return a
		}
		wait *= 2
	}
}

// clockNote names a clock that is wrong, as far as the answers show it.
func clockNote(asked []Answer) string {
	for i := len(asked) - 1; i >= 0; i-- {
		skew := asked[i].Skew
		switch {
		case skew > clockNoted:
			return fmt.Sprintf("this machine's clock is %v behind", skew)
		case skew < -clockNoted:
			return fmt.Sprintf("this machine's clock is %v ahead", -skew)
		}
	}
	return ""
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return fmt.Sprintf(many, n)
}
