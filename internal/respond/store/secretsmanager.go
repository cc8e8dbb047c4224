package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/keyquench/keyquench/internal/awsapi"
	"github.com/keyquench/keyquench/rules"

	"github.com/keyquench/keyquench/internal/form"
)

var (
	// regionForm keeps a region fit to become a part of a host name.
	regionForm = form.New(`^[a-z]{2,5}(-[a-z]{1,12}){1,3}-[0-9]{1,2}$`)
	secretName = form.New(`^[A-Za-z0-9/_+=.@-]{1,512}$`)
)

// Stages of a secret's versions that AWS gives a meaning to.
const (
	current  = "AWSCURRENT"
	pending  = "AWSPENDING"
	previous = "AWSPREVIOUS"
)

// maxSecretValue is AWS's limit for the value of a secret.
const maxSecretValue = 64 << 10

// secretsManager keeps the pair in two fields of a secret that is a JSON object.
// A new version is put beside the present one as AWSPENDING; Promote moves
// AWSCURRENT to it. Restore moves the stages back; the version stays behind
// without a stage, and AWS clears it away.
type secretsManager struct {
	spec, id, region string
	fields           [2]string
	api              *secretsmanager.Client
	calls            caller
	owner            owner
	seen             secretState
	resumed          bool
}

// secretState is where the stages stood at Check, and our version.
type secretState struct {
	ARN      string
	Current  string
	Pending  string `json:",omitempty"`
	Previous string `json:",omitempty"`
	Ours     string `json:",omitempty"`
}

func parseSecretsManager(spec, rest string, o Options) (Store, error) {
	place, fields, err := cutFields(spec, rest)
	if err != nil {
		return nil, err
	}
	s := &secretsManager{spec: spec, id: place, region: o.Region, fields: fields, calls: newCaller(o, awsProblem)}
	if a, err := arn.Parse(place); err == nil {
		name, ok := strings.CutPrefix(a.Resource, "secret:")
		if a.Service != "secretsmanager" || !ok || !secretName.MatchString(name) {
			return nil, specError(spec, "that is not the ARN of a secret", "copy it from the secret's page")
		}
		if !accountForm.MatchString(a.AccountID) {
			return nil, specError(spec, "that is not the ARN of a secret: it names no account", "copy it from the secret's page")
		}
		s.region, s.owner.account = a.Region, a.AccountID
	} else if !secretName.MatchString(place) {
		return nil, specError(spec, "that is not the name or ARN of a secret", "names have letters, digits and /_+=.@-")
	}
	cfg, err := awsParts(spec, s.region, o)
	if err != nil {
		return nil, err
	}
	s.api = secretsmanager.New(secretsmanager.Options{
		Region: cfg.Region, Credentials: cfg.Credentials, HTTPClient: cfg.HTTPClient,
		BaseEndpoint: cfg.BaseEndpoint, Retryer: aws.NopRetryer{},
	})
	s.owner.ask(cfg, s.calls)
	return s, nil
}

func (s *secretsManager) Name() string { return s.spec }

func (s *secretsManager) Calls() []string {
	from := ""
	if s.seen.Current != "" {
		from = " RemoveFromVersionId=" + s.seen.Current
	}
	list := []string{
		fmt.Sprintf("secretsmanager:PutSecretValue SecretId=%s VersionStages=[%s] (fields %s and %s, the others as they are)", s.id, pending, s.fields[0], s.fields[1]),
		"secretsmanager:UpdateSecretVersionStage SecretId=" + s.id + " VersionStage=" + current + " MoveToVersionId=(the new one)" + from,
		"secretsmanager:DescribeSecret SecretId=" + s.id,
		"secretsmanager:GetSecretValue SecretId=" + s.id + " VersionStage=" + current,
	}
	if s.owner.account == "" {
		list = append(list, whoCall)
	}
	return list
}

func (s *secretsManager) fail(op string, err error, hint string) error {
	return &Error{Store: s.spec, Op: op, Err: err, hint: hint}
}

// Accounts implements Store.
func (s *secretsManager) Accounts(ctx context.Context) ([]string, error) {
	return s.owner.accounts(ctx, s.spec)
}

// Check implements Store.
func (s *secretsManager) Check(ctx context.Context) error {
	const op = "read the secret"
	stages, arn, err := s.look(ctx)
	if err != nil {
		return err
	}
	if s.resumed {
		if arn != s.seen.ARN {
			return s.fail(op, errors.New("this is another secret than the case began with"), "")
		}
		return nil
	}
	if stages[current] == "" {
		return s.fail(op, errors.New("it has no value yet, so there would be none to go back to"), "give it a value first: aws secretsmanager put-secret-value")
	}
	if p := stages[pending]; p != "" && p != stages[current] && !strings.HasPrefix(p, versionMark) {
		return s.fail(op, fmt.Errorf("a rotation by somebody else is under way: version %s is %s", p, pending), "let it end, or cancel it: aws secretsmanager cancel-rotate-secret")
	}
	text, version, err := s.value(ctx, "", current)
	if err != nil {
		return s.fail(op, err, "")
	}
	if version != stages[current] {
		return s.fail(op, errors.New("it changes at this moment"), "try again")
	}
	if _, _, err := getFields(text.Reveal(), s.fields); err != nil {
		return s.fail(op, err, "make its value a JSON object with fields for the pair, or put the pair into another secret")
	}
	s.seen = secretState{ARN: arn, Current: stages[current], Pending: stages[pending], Previous: stages[previous]}
	return nil
}

// look reads which version has which stage.
func (s *secretsManager) look(ctx context.Context) (stages map[string]string, arn string, err error) {
	const op = "read the secret"
	out, err := get(ctx, s.calls, func(ctx context.Context) (*secretsmanager.DescribeSecretOutput, error) {
		return s.api.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &s.id})
	})
	switch {
	case isMissing(err):
		return nil, "", s.fail(op, err, "make it first: aws secretsmanager create-secret, with a JSON object as its value; or look whether the region is right: "+s.region)
	case err != nil:
		return nil, "", s.fail(op, err, "")
	case aws.ToString(out.Name) != s.id && !strings.HasPrefix(aws.ToString(out.ARN), s.id):
		return nil, "", s.fail(op, errors.New("the answer is about another secret"), "")
	case out.DeletedDate != nil:
		return nil, "", s.fail(op, errors.New("it is marked for deletion"), "take that back: aws secretsmanager restore-secret")
	case aws.ToString(out.OwningService) != "":
		return nil, "", s.fail(op, errors.New("it belongs to a service of AWS, which alone writes it: "+awsapi.Clean(*out.OwningService, 40)), "")
	case aws.ToString(out.PrimaryRegion) != "" && *out.PrimaryRegion != s.region:
		return nil, "", s.fail(op, errors.New("this is a copy of a secret in another region, and only that one can be written: "+awsapi.Clean(*out.PrimaryRegion, 40)), "name the secret there")
	}
	stages = map[string]string{}
	for version, list := range out.VersionIdsToStages {
		for _, stage := range list {
			stages[stage] = version
		}
	}
	return stages, aws.ToString(out.ARN), nil
}

// value reads a version, by its ID or by its stage.
func (s *secretsManager) value(ctx context.Context, version, stage string) (text rules.Secret, id string, err error) {
	in := &secretsmanager.GetSecretValueInput{SecretId: &s.id}
	if version != "" {
		in.VersionId = &version
	} else {
		in.VersionStage = &stage
	}
	out, err := get(ctx, s.calls, func(ctx context.Context) (*secretsmanager.GetSecretValueOutput, error) {
		return s.api.GetSecretValue(ctx, in)
	})
	if err != nil {
		return text, "", err
	}
	if out.SecretString == nil {
		return text, "", errNoObject
	}
	return rules.NewSecret(*out.SecretString), aws.ToString(out.VersionId), nil
}

// versionMark begins the ID of every version that keyquench puts, so that a run
// that finds one knows whose it is.
const versionMark = "keyquench-"

// versionID names the version that a case puts for a key. AWS takes the token of
// a call for it, 32 to 64 characters, and carries out each token once.
func versionID(token, keyID string) string {
	sum := sha256.Sum256([]byte(token + "\x00" + keyID))
	return versionMark + hex.EncodeToString(sum[:20])
}

// Put implements Store.
func (s *secretsManager) Put(ctx context.Context, key rules.Key, token string) error {
	const op = "put the pair"
	if err := checkPair(key); err != nil {
		return s.fail(op, err, "")
	}
	ours := versionID(token, key.ID)
	text, version, err := s.value(ctx, "", current)
	if err != nil {
		return s.fail(op, err, "")
	}
	if version != s.seen.Current && version != ours {
		return s.fail(op, errors.New("somebody else has changed the secret since it was looked at"), "try again")
	}
	next, err := setFields(text.Reveal(), s.fields, [2]string{key.ID, key.Secret.Reveal()})
	switch {
	case err != nil:
		return s.fail(op, err, "")
	case len(next) > maxSecretValue:
		return s.fail(op, fmt.Errorf("the value would be longer than %d bytes, which is AWS's limit", maxSecretValue), "put the pair into a secret of its own")
	case version == ours:
		if next != text.Reveal() {
			return s.fail(op, errors.New("the version of this case holds another pair"), "begin a new case")
		}
		s.seen.Ours = ours
		return nil
	}
	return s.put(ctx, ours, rules.NewSecret(next))
}

// put makes the version, and sees to it that it is the pending one.
func (s *secretsManager) put(ctx context.Context, ours string, value rules.Secret) error {
	const op = "put the pair"
	staged := false
	err := s.calls.do(ctx, value, func(ctx context.Context) error {
		out, err := s.api.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{
			SecretId: &s.id, ClientRequestToken: &ours, VersionStages: []string{pending}, SecretString: aws.String(value.Reveal()),
		})
		if err != nil {
			return err
		}
		if aws.ToString(out.VersionId) != ours {
			return errors.New("the answer names another version than was asked for")
		}
		for _, stage := range out.VersionStages {
			staged = staged || stage == pending
		}
		return nil
	}, func(ctx context.Context) (bool, error) {
		out, err := s.api.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &s.id})
		if err != nil {
			return false, err
		}
		for _, stage := range out.VersionIdsToStages[ours] {
			staged = staged || stage == pending
		}
		return staged, nil
	})
	s.seen.Ours = ours // also if it failed: Restore looks whether it is there
	if err != nil {
		return s.fail(op, err, "")
	}
	if !staged { // the token was used before, and its stage moved away since
		stages, _, err := s.look(ctx)
		if err != nil {
			return err
		}
		return s.move(ctx, op, pending, ours, stages[pending])
	}
	return nil
}

// Get implements Store.
func (s *secretsManager) Get(ctx context.Context, keyID string) (rules.Key, bool, error) {
	stages, _, err := s.look(ctx)
	if err != nil {
		return rules.Key{}, false, err
	}
	for _, stage := range []string{pending, current} {
		if stages[stage] == "" {
			continue
		}
		text, version, err := s.value(ctx, stages[stage], "")
		if isMissing(err) || errors.Is(err, errNoObject) {
			continue
		}
		if err != nil {
			return rules.Key{}, false, s.fail("read back the pair", err, "")
		}
		values, ok, err := getFields(text.Reveal(), s.fields)
		if err != nil || !ok {
			continue
		}
		if key, ok := pairOf(values[0], values[1], keyID); ok {
			if strings.HasPrefix(version, versionMark) {
				s.seen.Ours = version
			}
			return key, true, nil
		}
	}
	return rules.Key{}, false, nil
}

// State implements Store.
func (s *secretsManager) State() (json.RawMessage, error) { return json.Marshal(s.seen) }

// Resume implements Store.
func (s *secretsManager) Resume(state json.RawMessage) error {
	seen, err := resume[secretState](s.spec, state)
	if err != nil {
		return err
	}
	s.seen, s.resumed = seen, seen.Current != ""
	return nil
}
