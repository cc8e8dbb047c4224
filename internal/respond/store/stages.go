package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/keyquench/keyquench/rules"
)

// Promote implements Store.
func (s *secretsManager) Promote(ctx context.Context) error {
	const op = "make the new version the current one"
	stages, _, err := s.look(ctx)
	if err != nil {
		return err
	}
	switch {
	case s.seen.Ours == "":
		return s.fail(op, errors.New("there is none yet"), "")
	case stages[current] == s.seen.Ours:
		return nil
	case stages[current] != s.seen.Current:
		return s.fail(op, fmt.Errorf("somebody else has made %s the current one", stages[current]), "look at the secret, then try again")
	}
	return s.move(ctx, op, current, s.seen.Ours, stages[current])
}

// Restore implements Store.
func (s *secretsManager) Restore(ctx context.Context) error {
	if s.seen.Current == "" {
		return nil // nothing was seen, so nothing was put
	}
	// One stage after the other: AWS moves AWSPREVIOUS by itself when AWSCURRENT moves.
	for _, back := range []struct{ stage, to string }{{current, s.seen.Current}, {pending, s.seen.Pending}, {previous, s.seen.Previous}} {
		stages, _, err := s.look(ctx)
		if err != nil {
			return s.leftStage(err, back.stage)
		}
		at := stages[back.stage]
		switch {
		case at == back.to:
		case s.isOurs(at):
			if err := s.move(ctx, "put the secret back", back.stage, back.to, at); err != nil {
				return s.leftStage(err, back.stage)
			}
		case back.stage == current:
			err := fmt.Errorf("somebody else has made %s the current version since", at)
			return &Error{Store: s.spec, Op: "put the secret back", Err: err, left: "its stages are as they are now", hint: "look at its versions: aws secretsmanager list-secret-version-ids"}
		case back.stage == previous && at != s.seen.Current, back.stage == pending && at != "":
			// Others have moved it on since, and it means nothing to programs.
		default:
			if err := s.move(ctx, "put the secret back", back.stage, back.to, at); err != nil {
				return s.leftStage(err, back.stage)
			}
		}
	}
	return nil
}

// isOurs tells whether this case has made a version. One that a stopped run put
// is known by its mark: it is not among those that were there before.
func (s *secretsManager) isOurs(version string) bool {
	if s.seen.Ours != "" {
		return version == s.seen.Ours
	}
	return strings.HasPrefix(version, versionMark) && version != s.seen.Current && version != s.seen.Pending && version != s.seen.Previous
}

func (s *secretsManager) leftStage(err error, stage string) error {
	what := "put the secret back"
	if e, ok := errors.AsType[*Error](err); ok {
		what, err = e.Op, e.Err
	}
	return &Error{
		Store: s.spec, Op: what, Err: err,
		left: fmt.Sprintf("%s may still be on version %s", stage, s.seen.Ours), hint: "run undo again, or: aws secretsmanager update-secret-version-stage",
	}
}

// move gives a stage to a version, or takes it away if to is "".
func (s *secretsManager) move(ctx context.Context, op, stage, to, from string) error {
	in := &secretsmanager.UpdateSecretVersionStageInput{SecretId: &s.id, VersionStage: &stage}
	if to != "" {
		in.MoveToVersionId = &to
	}
	if from != "" {
		in.RemoveFromVersionId = &from
	}
	err := s.calls.do(ctx, rules.Secret{}, func(ctx context.Context) error {
		_, err := s.api.UpdateSecretVersionStage(ctx, in)
		return err
	}, func(ctx context.Context) (bool, error) {
		out, err := s.api.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &s.id})
		if err != nil {
			return false, err
		}
		at := ""
		for version, stages := range out.VersionIdsToStages {
			for _, name := range stages {
				if name == stage {
					at = version
				}
			}
		}
		return at == to, nil
	})
	if err != nil {
		return s.fail(op, err, "")
	}
	return nil
}
