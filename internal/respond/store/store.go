// Package store puts a new key pair where programs look for it: Secrets Manager,
// SSM's Parameter Store, the secrets of GitHub Actions, a profile in a shared
// credentials file, or a file of its own.
//
// A Store is told what to do in small steps, so that whoever drives it can write
// down each one before it is done. What it must remember between steps is State,
// which holds versions and hashes and never a secret: another process can go on
// from it. Nothing here reads the environment or makes a key pair.
package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/keyquench/keyquench/internal/awsapi"
	"github.com/keyquench/keyquench/rules"

	"github.com/keyquench/keyquench/internal/form"
)

// Store is a place for a key pair. Its methods are called by one goroutine, in
// the order Check, Put, Get, Promote or Restore. In another process Resume stands
// before them all.
//
// Each method may be called again after it failed, or when it is not known
// whether it was carried out: what has been done already is seen and not done
// twice. After Put or Promote failed, Restore takes back what was done of it.
type Store interface {
	// Name is the place as the user wrote it. It holds no secret.
	Name() string
	// Calls lists the API calls and changes of files that Accounts, Check, Put and
	// Promote will make, for a plan: those that write first, so that the first names
	// the deed. After Check it says of each whether something is replaced or made.
	Calls() []string
	// Accounts are the AWS accounts that Put and Promote write into, each once and
	// in order: those of the credentials, or of an ARN. None is for places that are
	// not in AWS. It only reads, and may be called at any time.
	Accounts(ctx context.Context) ([]string, error)
	// Check reads, and only reads: whether the place is there and fit to take a
	// pair. It remembers for Restore what is there. After Resume it keeps what it
	// was told instead.
	Check(ctx context.Context) error
	// Put writes the pair. The token names the case that does it: a second Put of
	// the same pair with the same token changes nothing.
	Put(ctx context.Context, key rules.Key, token string) error
	// Promote makes the pair the one that programs get. Where Put has done that
	// already, there is nothing to do.
	Promote(ctx context.Context) error
	// Get reads back the pair with that key ID. ok is false when another pair is
	// there, none, or the place cannot be read back. After Resume of a state from
	// before Put, Get is how a Store learns that a Put of the run that was stopped
	// arrived; Restore takes back nothing that it does not know to be ours.
	Get(ctx context.Context, keyID string) (key rules.Key, ok bool, err error)
	// Restore puts the place back as it was at Check. An error says what is left
	// and where. What others have changed since is left alone.
	Restore(ctx context.Context) error
	// State is what another process needs to go on, without secrets. It changes
	// with every step, Check being the first.
	State() (json.RawMessage, error)
	// Resume takes a State of the same place.
	Resume(state json.RawMessage) error
}

// Options are what the stores need of their surroundings. Only what a place needs
// is looked at.
type Options struct {
	Credentials aws.CredentialsProvider // of the operator, for Secrets Manager and SSM
	Region      string                  // of the secret or parameter; an ARN's own comes first
	Reach       awsapi.Reach

	GitHubToken rules.Secret
	GitHubURL   string       // "" is https://api.github.com/; http only on this machine
	GitHub      *http.Client // nil is one that obeys no environment

	CredentialsFile string // the shared credentials file, for profiles

	// Force lets a file be overwritten, and be written where Git would take it up.
	Force bool

	Timeout time.Duration                              // of one call; 0 is 15 seconds
	Sleep   func(context.Context, time.Duration) error // between tries; nil is the real one
}

// kinds are the places there are, in the order in which they are named to a user.
var kinds = []struct {
	name, form string
	parse      func(spec, rest string, o Options) (Store, error)
}{
	{"secretsmanager", "secretsmanager:NAME-OR-ARN[#ID_FIELD,SECRET_FIELD]", parseSecretsManager},
	{"ssm", "ssm:/PATH/NAME[#ID_FIELD,SECRET_FIELD] or ssm:/PATH/ID,/PATH/SECRET", parseParameters},
	{"github", "github:OWNER/REPO[@ENVIRONMENT][:ID_NAME,SECRET_NAME] or github:ORG/", parseGitHub},
	{"profile", "profile:NAME", parseProfile},
	{"file", "file:PATH", parseFile},
}

// maxSpec is above the longest place there is: two parameters of 1,011 characters.
const maxSpec = 4 << 10

// Parse finds the place that a user wrote. It calls nobody. The error is one of
// usage.
func Parse(spec string, o Options) (Store, error) {
	if len(spec) > maxSpec || strings.ContainsFunc(spec, unicode.IsControl) {
		return nil, specError(spec, "too long, or it holds control characters", "")
	}
	kind, rest, _ := strings.Cut(spec, ":")
	for _, k := range kinds {
		if k.name == kind {
			return k.parse(spec, rest, o)
		}
	}
	var forms []string
	for _, k := range kinds {
		forms = append(forms, k.form)
	}
	return nil, specError(spec, "no such kind of place", "write "+strings.Join(forms, ", "))
}

// specError is an error about a place that a user wrote.
func specError(spec, what, hint string) error {
	return &Error{Op: fmt.Sprintf("store %q", awsapi.Clean(spec, 200)), Err: errors.New(what), hint: hint}
}

// Names that keys have by default, in JSON and in files.
var defaultFields = [2]string{"aws_access_key_id", "aws_secret_access_key"}

// cutFields takes "#ID,SECRET" off a place.
func cutFields(spec, rest string) (place string, fields [2]string, err error) {
	place, list, ok := strings.Cut(rest, "#")
	if !ok {
		return place, defaultFields, nil
	}
	fields, ok = twoNames(list)
	if !ok {
		return "", fields, specError(spec, "two different fields are needed after #", "write #ID_FIELD,SECRET_FIELD")
	}
	return place, fields, nil
}

// twoNames splits "A,B" into two names that are not the same.
func twoNames(list string) (names [2]string, ok bool) {
	a, b, ok := strings.Cut(list, ",")
	a, b = strings.TrimSpace(a), strings.TrimSpace(b)
	return [2]string{a, b}, ok && a != "" && b != "" && a != b && !strings.Contains(b, ",")
}

// What a pair consists of. It comes from a server's answer and goes into files,
// so nothing that has a meaning in any of them may be in it.
var (
	idForm     = form.New(`^[A-Z0-9]{16,128}$`)
	secretForm = form.New(`^[A-Za-z0-9/+=]{16,128}$`)
)

// checkPair tells whether key is a pair that can be put anywhere.
func checkPair(key rules.Key) error {
	switch {
	case !key.Token.IsZero():
		return errors.New("a key with a session token lasts for hours only: only long-term pairs are stored")
	case !idForm.MatchString(key.ID):
		return errors.New("the key ID is not one of AWS")
	case !secretForm.MatchString(key.Secret.Reveal()):
		return errors.New("the secret is not one of AWS")
	}
	return nil
}

// pairOf makes what was read into a pair, if its ID is the one looked for.
func pairOf(id, secret, want string) (rules.Key, bool) {
	key := rules.Key{ID: id, Secret: rules.NewSecret(secret)}
	if id != want || checkPair(key) != nil {
		return rules.Key{}, false
	}
	return key, true
}

// resume reads a state of a store's. Nothing of it is kept if it is none.
func resume[T any](name string, state json.RawMessage) (into T, err error) {
	d := json.NewDecoder(strings.NewReader(string(state)))
	d.DisallowUnknownFields()
	if err := d.Decode(&into); err != nil {
		return *new(T), &Error{Store: name, Op: "read what was remembered", Err: errors.New("it is not a state of this place"), hint: "look at the case with: keyquench ledger show"}
	}
	return into, nil
}
