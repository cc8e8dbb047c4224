package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/keyquench/keyquench/rules"
)

// Put implements Store. Of two parameters the one with the ID is first: if the
// run is stopped between them, the ID tells whose the half is.
func (s *parameters) Put(ctx context.Context, key rules.Key, _ string) error {
	if err := checkPair(key); err != nil {
		return s.fail("put the pair", err, "")
	}
	if s.seen == nil {
		return s.fail("put the pair", errors.New("it was not looked at before"), "")
	}
	for i, name := range s.names {
		if err := s.putOne(ctx, i, key); err != nil {
			return s.fail("write "+name, err, "")
		}
	}
	return nil
}

func (s *parameters) putOne(ctx context.Context, i int, key rules.Key) error {
	state := &s.seen[i]
	p, err := s.read(ctx, state.Name, 0)
	if err != nil {
		return err
	}
	value, err := s.next(i, p, key)
	if err != nil {
		return err
	}
	switch {
	case p.version > 0 && value == p.value && state.is(p):
		return nil // it was there before
	case p.version > 0 && value != p.value && !state.is(p), p.version == 0 && !state.is(p) && state.Wrote == "":
		return errors.New("somebody else has changed it since it was looked at")
	}
	state.Wrote = hashOf(value.Reveal()) // also if it fails: it may be done all the same
	if p.version > 0 && value == p.value {
		return nil
	}
	_, err = s.write(ctx, *state, value, p.version)
	return err
}

// next is what a parameter is to hold.
func (s *parameters) next(i int, p parameter, key rules.Key) (rules.Secret, error) {
	pair := [2]string{key.ID, key.Secret.Reveal()}
	if len(s.names) == 2 {
		return rules.NewSecret(pair[i]), nil
	}
	text := p.value.Reveal()
	if p.version == 0 {
		text = "{}"
	}
	text, err := setFields(text, s.fields, pair)
	return rules.NewSecret(text), err
}

// write makes a new version with a value and gives its number, 0 if none is known
// to be made. was is the number of the version before.
func (s *parameters) write(ctx context.Context, state parameterState, value rules.Secret, was int64) (made int64, err error) {
	in := &ssm.PutParameterInput{
		Name: &state.Name, Value: aws.String(value.Reveal()), Type: types.ParameterType(state.Type), Overwrite: aws.Bool(was > 0),
		KeyId: given(state.KeyID), Tier: types.ParameterTier(state.Tier), DataType: given(state.DataType),
		AllowedPattern: given(state.AllowedPattern), Description: given(state.Description), Policies: given(state.Policies),
	}
	err = s.calls.do(ctx, value, func(ctx context.Context) error {
		out, err := s.api.PutParameter(ctx, in)
		if err == nil {
			made = out.Version
		}
		return err
	}, func(ctx context.Context) (bool, error) {
		out, err := s.api.GetParameter(ctx, &ssm.GetParameterInput{Name: &state.Name, WithDecryption: aws.Bool(true)})
		if err != nil || out.Parameter == nil {
			return false, err
		}
		if out.Parameter.Version == was || rules.NewSecret(aws.ToString(out.Parameter.Value)) != value {
			return false, nil
		}
		made = out.Parameter.Version
		return true, nil
	})
	return made, err
}

// given leaves out what is not set.
func given(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// Promote implements Store: the newest version is the one that programs get.
func (s *parameters) Promote(context.Context) error { return nil }

// Restore implements Store.
func (s *parameters) Restore(ctx context.Context) error {
	var all []error
	for i := len(s.seen) - 1; i >= 0; i-- {
		state := &s.seen[i]
		p, err := s.read(ctx, state.Name, 0)
		if err == nil {
			err = s.restoreOne(ctx, state, p)
		}
		if err != nil {
			all = append(all, &Error{
				Store: s.spec, Op: "put " + state.Name + " back", Err: err,
				left: fmt.Sprintf("version %d is its newest, version %d was before", p.version, state.Version),
				hint: "look at it: aws ssm get-parameter-history --name " + state.Name,
			})
		}
	}
	return errors.Join(all...)
}

func (s *parameters) restoreOne(ctx context.Context, state *parameterState, p parameter) error {
	switch {
	case state.is(p):
		return nil
	case p.version == 0:
		return errors.New("somebody else has deleted it since")
	case state.Version == 0 && state.isOurs(p):
		return s.remove(ctx, state.Name)
	case state.Version == 0:
		return errors.New("somebody else has changed it since")
	}
	old, err := s.read(ctx, state.Name, state.Version)
	if err != nil {
		return fmt.Errorf("read version %d: %w", state.Version, err)
	}
	if p.value == old.value { // put back already, by this or by hand
		state.Back = p.version
		return nil
	}
	if !state.isOurs(p) {
		return errors.New("somebody else has changed it since")
	}
	state.Back, err = s.write(ctx, *state, old.value, p.version)
	return err
}

func (s *parameters) remove(ctx context.Context, name string) error {
	err := s.calls.do(ctx, rules.Secret{}, func(ctx context.Context) error {
		_, err := s.api.DeleteParameter(ctx, &ssm.DeleteParameterInput{Name: &name})
		return err
	}, nil)
	if isMissing(err) {
		return nil // the try before this one did it
	}
	return err
}
