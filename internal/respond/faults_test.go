package respond

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyquench/keyquench/internal/awstest"
	"github.com/keyquench/keyquench/rules"
)

// journey is a deed as the tests of faults do it again and again.
type journey struct {
	name  string
	setup func(*scene)
	do    func(*scene, *shelf) (Outcome, error)
	// done tells what is wrong with the account when the deed is done.
	done func(*scene, *shelf) string
	// given are the states that an error may leave.
	given []State
}

func journeys() []journey {
	rotated := func(s *scene, p *shelf) string {
		if s.status(s.key.ID) != inactive || s.status(p.pair.ID) != active || len(s.user.Keys()) != 2 {
			return fmt.Sprintf("keys %+v, stored %s", s.user.Keys(), p.pair.ID)
		}
		return ""
	}
	rotate := func(leaked bool) func(*scene, *shelf) (Outcome, error) {
		return func(s *scene, p *shelf) (Outcome, error) {
			return s.do(Rotate, Target{ID: s.key.ID}, Arguments{Store: p, StoreSpecs: []string{"shelf:x"}, Leaked: leaked})
		}
	}
	return []journey{
		{
			"kill", func(*scene) {},
			func(s *scene, _ *shelf) (Outcome, error) {
				return s.do(Kill, Target{ID: s.key.ID, Key: s.key}, Arguments{})
			},
			func(s *scene, _ *shelf) string {
				if got := s.status(s.key.ID); got != inactive {
					return "the key is " + got
				}
				return ""
			},
			[]State{"", Unchanged, Partly, Inactive},
		},
		{"rotate", func(*scene) {}, rotate(false), rotated, []State{"", Unchanged, Partly}},
		{"rotate, leaked", func(*scene) {}, rotate(true), rotated, []State{"", Unchanged, Partly, Inactive}},
		{
			"isolate", func(s *scene) {
				s.user.Key()
				s.user.SetPassword()
				s.user.ServiceCredential(awstest.CodeCommit)
			},
			func(s *scene, _ *shelf) (Outcome, error) { return s.do(Isolate, Target{ID: s.key.ID}, Arguments{}) },
			func(s *scene, _ *shelf) string {
				if s.status(s.key.ID) != inactive || s.user.Keys()[1].Active || s.user.HasPassword() || s.user.Policies()[isolateName] == "" || s.user.ServiceCredentials()[0].Active {
					return world(s)
				}
				return ""
			},
			[]State{"", Unchanged, Partly, Isolated},
		},
		undoJourney(),
	}
}

// undoJourney isolates a user without faults, and puts it back with them.
func undoJourney() journey {
	var id, was string
	return journey{
		"undo", func(s *scene) {
			s.user.Key()
			s.user.SetPassword()
			s.user.ServiceCredential(awstest.CodeCommit)
			was = world(s)
			out, err := s.do(Isolate, Target{ID: s.key.ID}, Arguments{})
			if err != nil {
				s.t.Fatal(err)
			}
			id = out.Case
			s.aws.ForgetCalls()
		},
		func(s *scene, _ *shelf) (Outcome, error) {
			ctx := s.context
			if ctx == nil {
				ctx = context.Background()
			}
			r := s.responder()
			p, err := r.PlanUndo(ctx, id, Target{}, Arguments{Password: func(string, rules.Secret) error { return nil }})
			if err != nil {
				return Outcome{}, err
			}
			return r.Apply(ctx, p, Consent{Yes: true})
		},
		func(s *scene, _ *shelf) string {
			if got := world(s); got != was {
				return got + "\nbefore: " + was
			}
			return ""
		},
		[]State{"", Unchanged, Partly},
	}
}

// At every call, every fault: what is reported is true, nothing is lost, and the
// same command finishes the deed.
func TestFaultsAtEveryCall(t *testing.T) {
	faults := map[string]awstest.Fault{
		"never arrives": awstest.Lost(), "answer lost": awstest.LostAfter(),
		"500": awstest.Broken(), "500 after the deed": awstest.BrokenAfter(),
		"throttled": awstest.Throttle(), "denied": awstest.Refuse(403, "AccessDenied", "not authorized"),
		"garbage": awstest.Say(200, "text/html", "<html>hello</html>"), "silent after the deed": awstest.SilentAfter(),
	}
	for _, j := range journeys() {
		s := newScene(t)
		j.setup(s)
		if out, err := j.do(s, &shelf{}); err != nil {
			t.Fatalf("%s without faults = %+v, %v", j.name, out, err)
		}
		for i, c := range s.aws.Calls() {
			for name, fault := range faults {
				if strings.HasPrefix(name, "silent") && !changes(c) {
					continue // the client's patience is tested once; it takes time
				}
				j.withFault(t, i+1, name, fault)
			}
		}
	}
}

func (j journey) withFault(t *testing.T, n int, name string, fault awstest.Fault) {
	t.Helper()
	s := newScene(t)
	s.options.Timeout = time.Second
	if fault.Hang {
		s.options.Timeout = 100 * time.Millisecond
	}
	s.options.Confirm = 3 * time.Second
	j.setup(s)
	before := world(s)
	place := &shelf{}
	s.aws.Inject(awstest.Nth(n, fault))
	out, err := j.do(s, place)
	s.aws.Inject(nil)
	at := fmt.Sprintf("%s, call %d %s", j.name, n, name)
	switch {
	case err == nil && j.done(s, place) != "":
		t.Errorf("%s: reported as done (%s), and %s", at, out.State, j.done(s, place))
	case err != nil && !slices.Contains(j.given, out.State):
		t.Errorf("%s: state %q with error %v", at, out.State, err)
	case err != nil && out.State == Unchanged && world(s) != before:
		t.Errorf("%s: %v, reported as unchanged, and it is %s\nbefore: %s", at, err, world(s), before)
	}
	j.strays(s, at, place)
	if err == nil {
		return
	}
	again, err2 := j.do(s, place)
	if err2 != nil || j.done(s, place) != "" {
		t.Errorf("%s: after %v, once more = %+v, %v; %s", at, err, again, err2, j.done(s, place))
	}
	j.strays(s, at, place)
}

// strays finds active keys that nobody has.
func (j journey) strays(s *scene, at string, place *shelf) {
	s.t.Helper()
	if !strings.HasPrefix(j.name, "rotate") {
		return
	}
	for _, k := range s.user.Keys() {
		if k.ID != s.key.ID && k.ID != place.pair.ID && k.ID != place.pending.ID {
			s.t.Errorf("%s: nobody has the secret of %s", at, k.ID)
		}
	}
}

// Stopped between any two calls, the same command goes on.
func TestStoppedAtEveryCall(t *testing.T) {
	for _, j := range journeys() {
		for n := 1; ; n++ {
			s := newScene(t)
			j.setup(s)
			place := &shelf{}
			ctx, stop := context.WithCancel(context.Background())
			hit := false
			count := 0
			s.aws.Inject(func(awstest.Call) awstest.Fault {
				if count++; count == n {
					hit = true
					return awstest.Fault{Then: stop}
				}
				return awstest.Fault{}
			})
			_, err := s.doIn(ctx, j, place)
			s.aws.Inject(nil)
			stop()
			if !hit {
				break
			}
			if err == nil && j.done(s, place) != "" {
				t.Errorf("%s, stopped at call %d: reported as done, and %s", j.name, n, j.done(s, place))
			}
			if _, err := j.do(s, place); err != nil || j.done(s, place) != "" {
				t.Errorf("%s, stopped at call %d, once more: %v; %s", j.name, n, err, j.done(s, place))
			}
			j.strays(s, fmt.Sprintf("%s, stopped at call %d", j.name, n), place)
		}
	}
}

// doIn does a journey in a context of its own.
func (s *scene) doIn(ctx context.Context, j journey, place *shelf) (Outcome, error) {
	s.context = ctx
	defer func() { s.context = nil }()
	return j.do(s, place)
}
