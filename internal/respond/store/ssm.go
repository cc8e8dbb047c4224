package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/keyquench/keyquench/rules"

	"github.com/keyquench/keyquench/internal/form"
)

var parameterName = form.New(`^/?[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*$`)

const (
	// maxParameterName is AWS's limit for the name of a parameter.
	maxParameterName = 1011
	// maxDescribed bounds the pages of an answer about one parameter.
	maxDescribed = 50
)

// parameters keep the pair in one SecureString that is a JSON object, or in two
// parameters. Parameter Store counts versions and keeps the values of old ones:
// Restore writes the value of the version that was seen at Check once more.
type parameters struct {
	spec    string
	names   []string
	fields  [2]string // of the JSON object, if there is one name
	api     *ssm.Client
	calls   caller
	owner   owner
	seen    []parameterState
	resumed bool
}

// parameterState is what Check saw of one parameter. Version 0 is for one that
// was not there. Ours is known by a hash of the value, not by its version: a call
// that fails may still make one later. The value has the pair in it, so nobody
// finds it by trying.
type parameterState struct {
	Name    string
	Version int64
	Wrote   string `json:",omitempty"` // the hash of what Put wrote
	Back    int64  `json:",omitempty"` // the version that Restore made

	Type, KeyID, Tier, DataType, AllowedPattern, Description, Policies string `json:",omitempty"`
}

func parseParameters(spec, rest string, o Options) (Store, error) {
	place, fields, err := cutFields(spec, rest)
	if err != nil {
		return nil, err
	}
	s := &parameters{spec: spec, names: []string{place}, fields: fields, calls: newCaller(o, awsProblem)}
	if strings.Contains(place, ",") {
		two, ok := twoNames(place)
		if !ok || strings.Contains(rest, "#") {
			return nil, specError(spec, "two parameters with different names are needed, and no fields", "write ssm:/PATH/ID,/PATH/SECRET")
		}
		s.names = two[:]
	}
	for _, name := range s.names {
		if !parameterName.MatchString(name) || len(name) > maxParameterName {
			return nil, specError(spec, "that is not the name of a parameter", "names have letters, digits and _.- between slashes")
		}
	}
	cfg, err := awsParts(spec, o.Region, o)
	if err != nil {
		return nil, err
	}
	s.api = ssm.New(ssm.Options{
		Region: cfg.Region, Credentials: cfg.Credentials, HTTPClient: cfg.HTTPClient,
		BaseEndpoint: cfg.BaseEndpoint, Retryer: aws.NopRetryer{},
	})
	s.owner.ask(cfg, s.calls)
	return s, nil
}

func (s *parameters) Name() string { return s.spec }

func (s *parameters) Calls() (list []string) {
	var reads []string
	for i, name := range s.names {
		reads = append(reads, "ssm:GetParameter Name="+name+" WithDecryption=true")
		if s.seen == nil || s.seen[i].Version > 0 {
			reads = append(reads, "ssm:DescribeParameters Name="+name)
		}
		put := "ssm:PutParameter Name=" + name
		switch {
		case s.seen == nil:
			put += " Overwrite=true"
		case s.seen[i].Version == 0:
			put += " Type=" + s.seen[i].Type + " Overwrite=false (made: it is not there yet)"
		default:
			put += fmt.Sprintf(" Type=%s Overwrite=true (version %d stays in its history)", s.seen[i].Type, s.seen[i].Version)
		}
		list = append(list, put)
	}
	return append(append(list, reads...), whoCall)
}

func (s *parameters) fail(op string, err error, hint string) error {
	return &Error{Store: s.spec, Op: op, Err: err, hint: hint}
}

// parameter is the value of one version.
type parameter struct {
	value   rules.Secret
	version int64 // 0: not there
	kind    types.ParameterType
}

// is tells whether a parameter is as Check saw it.
func (state parameterState) is(p parameter) bool {
	return p.version == state.Version || p.version == state.Back && p.version > 0
}

// isOurs tells whether a parameter is as Put wrote it.
func (state parameterState) isOurs(p parameter) bool {
	return p.version > 0 && state.Wrote != "" && hashOf(p.value.Reveal()) == state.Wrote
}

// read gives the newest version of a parameter, or the one asked for.
func (s *parameters) read(ctx context.Context, name string, version int64) (p parameter, err error) {
	full := name
	if version > 0 {
		full += ":" + strconv.FormatInt(version, 10)
	}
	out, err := get(ctx, s.calls, func(ctx context.Context) (*ssm.GetParameterOutput, error) {
		return s.api.GetParameter(ctx, &ssm.GetParameterInput{Name: &full, WithDecryption: aws.Bool(true)})
	})
	if isMissing(err) && version == 0 {
		return parameter{}, nil
	}
	if err != nil {
		return parameter{}, err
	}
	if out.Parameter == nil || aws.ToString(out.Parameter.Name) != name || out.Parameter.Value == nil || out.Parameter.Version < 1 {
		return parameter{}, errors.New("the answer is not about " + full)
	}
	return parameter{rules.NewSecret(*out.Parameter.Value), out.Parameter.Version, out.Parameter.Type}, nil
}

// Accounts implements Store.
func (s *parameters) Accounts(ctx context.Context) ([]string, error) {
	return s.owner.accounts(ctx, s.spec)
}

// Check implements Store.
func (s *parameters) Check(ctx context.Context) error {
	var seen []parameterState
	for i, name := range s.names {
		op := "read " + name
		p, err := s.read(ctx, name, 0)
		if err != nil {
			return s.fail(op, err, "")
		}
		if s.resumed {
			continue
		}
		state := parameterState{Name: name, Version: p.version, Type: string(types.ParameterTypeSecureString)}
		if p.version > 0 {
			if err := s.fit(i, p); err != nil {
				return s.fail(op, err, "put the pair into a parameter of type SecureString of its own")
			}
			if state, err = s.describe(ctx, name, p); err != nil {
				return s.fail(op, err, "")
			}
		}
		seen = append(seen, state)
	}
	if !s.resumed {
		s.seen = seen
	}
	return nil
}

// fit tells whether a parameter can take its part of the pair. The ID alone may
// stand in the open.
func (s *parameters) fit(i int, p parameter) error {
	if p.kind != types.ParameterTypeSecureString && (p.kind != types.ParameterTypeString || len(s.names) == 1 || i == 1) {
		return errors.New("it is of a type that is not encrypted, so a secret may not stand in it")
	}
	if len(s.names) == 1 {
		_, _, err := getFields(p.value.Reveal(), s.fields)
		return err
	}
	return nil
}

// describe reads what a parameter has beside its value: PutParameter would set it
// to defaults, its KMS key above all.
func (s *parameters) describe(ctx context.Context, name string, p parameter) (parameterState, error) {
	in := &ssm.DescribeParametersInput{
		ParameterFilters: []types.ParameterStringFilter{{Key: aws.String("Name"), Option: aws.String("Equals"), Values: []string{name}}},
	}
	// A page may be empty and yet name a next one.
	for range maxDescribed {
		out, err := get(ctx, s.calls, func(ctx context.Context) (*ssm.DescribeParametersOutput, error) {
			return s.api.DescribeParameters(ctx, in)
		})
		if err != nil {
			return parameterState{}, err
		}
		for _, m := range out.Parameters {
			if aws.ToString(m.Name) != name {
				continue
			}
			if m.Version != 0 && m.Version != p.version {
				return parameterState{}, errors.New("it changes at this moment: try again")
			}
			state := parameterState{
				Name: name, Version: p.version, Type: string(p.kind), KeyID: aws.ToString(m.KeyId), Tier: string(m.Tier),
				DataType: aws.ToString(m.DataType), AllowedPattern: aws.ToString(m.AllowedPattern), Description: aws.ToString(m.Description),
			}
			var policies []string
			for _, policy := range m.Policies {
				policies = append(policies, aws.ToString(policy.PolicyText))
			}
			if len(policies) > 0 {
				state.Policies = "[" + strings.Join(policies, ",") + "]"
			}
			return state, nil
		}
		if in.NextToken = out.NextToken; aws.ToString(in.NextToken) == "" {
			break
		}
	}
	return parameterState{}, errors.New("its KMS key cannot be told: DescribeParameters does not name it")
}

// Get implements Store.
func (s *parameters) Get(ctx context.Context, keyID string) (rules.Key, bool, error) {
	var values [2]string
	versions := make([]int64, len(s.names))
	for i, name := range s.names {
		p, err := s.read(ctx, name, 0)
		if err != nil {
			return rules.Key{}, false, s.fail("read back "+name, err, "")
		}
		if p.version == 0 {
			return rules.Key{}, false, nil
		}
		values[i], versions[i] = p.value.Reveal(), p.version
		if len(s.names) == 1 {
			var ok bool
			if values, ok, err = getFields(p.value.Reveal(), s.fields); err != nil || !ok {
				return rules.Key{}, false, nil
			}
		}
		if values[0] != keyID {
			return rules.Key{}, false, nil
		}
		if i < len(s.seen) && !s.seen[i].is(p) {
			s.seen[i].Wrote = hashOf(p.value.Reveal())
		} else if i < len(s.seen) && i > 0 && s.seen[0].Wrote != "" {
			return rules.Key{}, false, nil // stopped between the two: the secret is still that of the old pair
		}
	}
	key, ok := pairOf(values[0], values[1], keyID)
	return key, ok, nil
}

// State implements Store.
func (s *parameters) State() (json.RawMessage, error) { return json.Marshal(s.seen) }

// Resume implements Store.
func (s *parameters) Resume(state json.RawMessage) error {
	seen, err := resume[[]parameterState](s.spec, state)
	if err != nil {
		return err
	}
	for i, p := range seen {
		if len(seen) != len(s.names) || p.Name != s.names[i] {
			return s.fail("read what was remembered", errors.New("it is about other parameters"), "name the same as the case began with")
		}
	}
	s.seen, s.resumed = seen, len(seen) > 0
	return nil
}
