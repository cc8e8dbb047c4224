package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyquench/keyquench/rules"
)

func must(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func (w *world) holds(t *testing.T, key rules.Key) {
	t.Helper()
	if id, secret := w.pair(); id != key.ID || secret != key.Secret.Reveal() {
		t.Errorf("programs get %q %v, want the new pair; there is\n%q", id, rules.NewSecret(secret), w.all())
	}
}

func (w *world) isAs(t *testing.T, before map[string]string) {
	t.Helper()
	if now := w.all(); !maps.Equal(now, before) {
		t.Errorf("there is\n%q\nwant as before\n%q", now, before)
	}
}

// restored checks what Restore did: all as before, or an error that says what is left.
func (w *world) restored(t *testing.T, err error, possible bool, before map[string]string) {
	t.Helper()
	if possible {
		if err != nil {
			t.Errorf("Restore: %v", err)
		}
		w.isAs(t, before)
		return
	}
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Left() == "" || e.Hint() == "" {
		t.Errorf("Restore = %v, want an error that says what is left", err)
	}
}

func TestThereAndBack(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		s, key, before := w.open(t), keyOf(3), w.all()
		must(t, "Check", s.Check(t.Context()))
		w.isAs(t, before)
		if err := s.Restore(t.Context()); err != nil {
			t.Errorf("Restore before Put: %v", err)
		}
		w.isAs(t, before)
		must(t, "Put", s.Put(t.Context(), key, "case-1"))
		put := w.all()
		must(t, "Put again", s.Put(t.Context(), key, "case-1"))
		w.isAs(t, put)
		got, ok, err := s.Get(t.Context(), key.ID)
		if err != nil || ok != w.readable || ok && got != key {
			t.Errorf("Get = %v, %v, %v", got, ok, err)
		}
		if _, ok, err := s.Get(t.Context(), keyOf(4).ID); ok || err != nil {
			t.Errorf("Get of another = %v, %v", ok, err)
		}
		must(t, "Promote", s.Promote(t.Context()))
		must(t, "Promote again", s.Promote(t.Context()))
		w.holds(t, key)
		must(t, "Put after Promote", s.Put(t.Context(), key, "case-1"))
		w.holds(t, key)
		for range 2 {
			w.restored(t, s.Restore(t.Context()), w.reversible, before)
		}
	})
}

func TestTheFilesOthersStay(t *testing.T) {
	w := profileWorld(t)
	s, key := w.open(t), keyOf(3)
	must(t, "Check", s.Check(t.Context()))
	must(t, "Put", s.Put(t.Context(), key, ""))
	data, _ := os.ReadFile(w.opts.CredentialsFile)
	want := strings.Replace(fmt.Sprintf(someFile, key.ID, key.Secret.Reveal()), "aws_session_token = gone\r\n", "", 1)
	if string(data) != want {
		t.Errorf("the file is\n%q\nwant\n%q", data, want)
	}
}

// Another process goes on from each state, or takes back.
func TestAnotherProcess(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		first, key, before := w.open(t), keyOf(3), w.all()
		must(t, "Check", first.Check(t.Context()))
		early := w.reopen(t, first)
		must(t, "Put", first.Put(t.Context(), key, "case-1"))

		// The state is of before Put, as after a kill in the middle of it.
		must(t, "Check of a resumed", early.Check(t.Context()))
		if _, ok, err := early.Get(t.Context(), key.ID); ok != w.readable || err != nil {
			t.Errorf("Get = %v, %v", ok, err)
		}
		must(t, "Put once more", early.Put(t.Context(), key, "case-1"))
		second := w.reopen(t, early)
		must(t, "Promote", second.Promote(t.Context()))
		w.holds(t, key)
		third := w.reopen(t, second)
		w.restored(t, third.Restore(t.Context()), w.elsewhere, before)
		if w.elsewhere {
			w.restored(t, w.reopen(t, third).Restore(t.Context()), true, before)
		}
	})
}

// The same Store is told what it said itself, as when a plan is applied at once.
func TestResumeOfItself(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		s, key, before := w.open(t), keyOf(3), w.all()
		empty, err := s.State()
		must(t, "State", err)
		must(t, "Resume of a state before Check", s.Resume(empty))
		must(t, "Check", s.Check(t.Context()))
		state, err := s.State()
		must(t, "State", err)
		must(t, "Resume", s.Resume(state))
		must(t, "Put", s.Put(t.Context(), key, "case-1"))
		must(t, "Promote", s.Promote(t.Context()))
		w.holds(t, key)
		if err := s.Resume([]byte(`{"Nonsense":1}`)); err == nil {
			t.Error("Resume took nonsense")
		}
		w.restored(t, s.Restore(t.Context()), w.reversible, before)
	})
}

// Killed in the middle of Put, then taken back, without and with another Put.
func TestTakenBackByAnother(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		first, key, before := w.open(t), keyOf(3), w.all()
		must(t, "Check", first.Check(t.Context()))
		must(t, "Restore of nothing", w.reopen(t, first).Restore(t.Context()))
		w.isAs(t, before)
		state := w.reopen(t, first)
		must(t, "Put", first.Put(t.Context(), key, "case-1"))
		if _, _, err := state.Get(t.Context(), key.ID); err != nil {
			t.Fatalf("Get: %v", err)
		}
		err := state.Restore(t.Context())
		// Without reading back it cannot be told who made a secret of GitHub's.
		w.restored(t, err, w.elsewhere && w.readable, before)
	})
}

func TestOthersAreNotOverwritten(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		if w.meddle == nil {
			t.Skip("GitHub cannot tell what is in a secret, and nobody can compare")
		}
		s, key := w.open(t), keyOf(3)
		must(t, "Check", s.Check(t.Context()))
		w.meddle()
		theirs := w.all()
		if err := s.Put(t.Context(), key, "case-1"); err == nil {
			t.Error("Put went well over what somebody else changed")
		}
		w.isAs(t, theirs)

		s = w.open(t)
		if strings.HasPrefix(w.name, "file k.") || strings.HasPrefix(w.name, "file a") {
			if err := s.Check(t.Context()); err == nil {
				t.Error("Check took a file that is there")
			}
			return
		}
		must(t, "Check of what they wrote", s.Check(t.Context()))
		must(t, "Put", s.Put(t.Context(), key, "case-2"))
		must(t, "Promote", s.Promote(t.Context()))
		w.meddle()
		theirs = w.all()
		if err := s.Restore(t.Context()); err == nil {
			t.Error("Restore went well over what somebody else changed")
		}
		w.isAs(t, theirs)
	})
}

// Every call goes wrong in every way, once and for good.
func TestFaultsAtEachCall(t *testing.T) {
	for i, open := range worlds {
		w := open(t)
		if w.flaky == nil {
			continue // a file: see TestKilledBeforeRename
		}
		s, key := w.open(t), keyOf(3)
		must(t, "Check", s.Check(t.Context()))
		must(t, "Put", s.Put(t.Context(), key, "case-1"))
		must(t, "Promote", s.Promote(t.Context()))
		calls := w.flaky.called()
		if len(calls) < 3 {
			t.Fatalf("the journey to %s makes %d calls", w.spec, len(calls))
		}
		for n := 1; n <= len(calls); n++ {
			for what := refuse; what <= garbage; what++ {
				for _, forGood := range []bool{false, true} {
					t.Run(fmt.Sprintf("%d %s %v %v", i, calls[n-1], what, forGood), func(t *testing.T) {
						if what == mute {
							t.Parallel() // it waits more than it works
						}
						faulty(t, open(t), n, what, forGood)
					})
				}
			}
		}
	}
}

func faulty(t *testing.T, w *world, n int, what fault, forGood bool) {
	if what == mute {
		w.opts.Timeout = 30 * time.Millisecond
	}
	s, key, before := w.open(t), keyOf(3), w.all()
	w.flaky.reset(func(_ string, i int) fault {
		if i == n || forGood && i > n {
			return what
		}
		return fine
	})
	err := s.Check(t.Context())
	put := false
	if err == nil {
		put = true
		if err = s.Put(t.Context(), key, "case-1"); err == nil {
			err = s.Promote(t.Context())
		}
	}
	w.flaky.reset(nil)
	if err != nil {
		checkError(t, err, key)
		if !put {
			w.isAs(t, before)
			return
		}
		restore := s.Restore(t.Context())
		if w.reversible {
			w.restored(t, restore, true, before)
		} else if !maps.Equal(w.all(), before) {
			w.restored(t, restore, false, before)
		}
		// And what was begun can be ended.
		again := w.open(t)
		must(t, "Check again", again.Check(t.Context()))
		must(t, "Put again", again.Put(t.Context(), key, "case-1"))
		must(t, "Promote again", again.Promote(t.Context()))
	} else if what == refuse || forGood && what != garbage && what != failAfter && what != cutAfter && what != mute {
		t.Errorf("all went well with %v at call %d", what, n)
	}
	w.holds(t, key)
}

// checkError looks at what a user is told.
func checkError(t *testing.T, err error, key rules.Key) {
	t.Helper()
	text := err.Error()
	if _, ok := errors.AsType[*Error](err); !ok {
		t.Errorf("error %q is no *Error", text)
	}
	if strings.ContainsAny(text, "\x1b\r") || len(text) > 2000 {
		t.Errorf("error %q is not fit for a terminal", text)
	}
	_, secret := oldPair()
	for _, s := range []string{key.Secret.Reveal(), secret, gitHubToken} {
		if strings.Contains(text, s) {
			t.Errorf("an error holds a secret: %q", strings.ReplaceAll(text, s, "SECRET"))
		}
	}
}

func TestNoSecretIsShown(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		s, key := w.open(t), keyOf(3)
		must(t, "Check", s.Check(t.Context()))
		must(t, "Put", s.Put(t.Context(), key, "case-1"))
		state, err := s.State()
		must(t, "State", err)
		shown := fmt.Sprintf("%s\n%s\n%q\n%+v\n%#v", s.Name(), state, s.Calls(), s, s)
		if data, err := json.Marshal(s); err == nil {
			shown += string(data)
		}
		_, old := oldPair()
		for _, secret := range []string{key.Secret.Reveal(), old, gitHubToken} {
			if strings.Contains(shown, secret) {
				t.Errorf("a secret is shown:\n%s", strings.ReplaceAll(shown, secret, "SECRET"))
			}
		}
		if !json.Valid(state) || len(s.Calls()) == 0 || s.Name() != w.spec {
			t.Errorf("State = %s, Calls = %q, Name = %q", state, s.Calls(), s.Name())
		}
	})
}

func TestPairsThatAreNone(t *testing.T) {
	good := keyOf(3)
	for name, key := range map[string]rules.Key{
		"no secret":        {ID: good.ID},
		"no ID":            {Secret: good.Secret},
		"a line break":     {ID: good.ID, Secret: rules.NewSecret(good.Secret.Reveal() + "\nx")},
		"a quote":          {ID: good.ID + `"`, Secret: good.Secret},
		"a session's":      {ID: good.ID, Secret: good.Secret, Token: rules.NewSecret("t")},
		"lower case in ID": {ID: strings.ToLower(good.ID), Secret: good.Secret},
	} {
		each(t, func(t *testing.T, w *world) {
			s, before := w.open(t), w.all()
			must(t, "Check", s.Check(t.Context()))
			err := s.Put(t.Context(), key, "case-1")
			if err == nil {
				t.Fatalf("Put took a pair with %s", name)
			}
			checkError(t, err, good)
			w.isAs(t, before)
		})
	}
}

func TestEndOfContext(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		if w.flaky == nil {
			t.Skip("files are not waited for")
		}
		s, before := w.open(t), w.all()
		must(t, "Check", s.Check(t.Context()))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Put(ctx, keyOf(3), "case-1"); !errors.Is(err, context.Canceled) {
			t.Errorf("Put = %v, want the end of the context", err)
		}
		must(t, "Restore", s.Restore(t.Context()))
		w.isAs(t, before)
	})
}

// Any order of steps, by any number of processes, ends as before or with the pair.
func TestRandomJourneys(t *testing.T) {
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 1))
		each(t, func(t *testing.T, w *world) {
			s, key, before := w.open(t), keyOf(3), w.all()
			must(t, "Check", s.Check(t.Context()))
			var steps []string
			for range 8 {
				var err error
				switch step := r.IntN(6); step {
				case 0, 1:
					steps, err = append(steps, "put"), s.Put(t.Context(), key, "case-1")
				case 2:
					steps = append(steps, "promote")
					_ = s.Promote(t.Context()) // an error before Put
				case 3:
					if w.reversible && (w.elsewhere || !slices.Contains(steps, "resume")) {
						steps, err = append(steps, "restore"), s.Restore(t.Context())
					}
				case 4:
					steps = append(steps, "get")
					_, _, err = s.Get(t.Context(), key.ID)
				case 5:
					steps = append(steps, "resume")
					s = w.reopen(t, s)
				}
				if err != nil {
					t.Fatalf("after %q: %v", steps, err)
				}
			}
			must(t, fmt.Sprintf("Put after %q", steps), s.Put(t.Context(), key, "case-1"))
			must(t, "Promote", s.Promote(t.Context()))
			w.holds(t, key)
			if w.elsewhere {
				w.restored(t, s.Restore(t.Context()), true, before)
			}
		})
	}
}
