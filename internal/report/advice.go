package report

import (
	"fmt"
	"strings"

	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/scanner"
)

// tally is what the advice depends on.
type tally struct {
	count       int
	first       string // the first key ID that lasts
	lasting     int    // how many last
	temporary   bool
	lone, other bool
	canaries    int
	signed      int // IDs that stand in signed requests only
	live        int // that AWS was seen to take
	over        int // that AWS no longer takes
}

func (t *tally) note(f *scanner.Finding, o *Options) {
	t.count++
	if f.Canary != "" {
		t.canaries++
	}
	if o.isLive(f) {
		t.live++
	}
	switch {
	case o.over(f):
		t.over++
	case f.Signed:
		t.signed++
	case isTemporary(f.Key.ID):
		t.temporary = true
	case f.Key.ID != "":
		if t.lasting == 0 {
			t.first = f.Key.ID
		}
		t.lasting++
	case f.Rule.Kind == rules.SecretKey:
		t.lone = true
	default:
		t.other = true
	}
}

// step is one thing to do: lines of a terminal's width, and the command that
// does it, or "".
type step struct {
	lines   []string
	command string
}

// text is the step as one paragraph.
func (s step) text() string { return strings.Join(s.lines, " ") }

func (t *tally) steps(scope Scope) (steps []step) {
	if scope == Staged {
		return t.beforeCommit()
	}
	say := func(lines ...string) { steps = append(steps, step{lines: lines}) }
	if t.lasting > 0 {
		steps = append(steps, step{
			[]string{
				"Deactivate the key in IAM, before anything else and without waiting for a review",
				"(keyquench kill " + t.key() + " does it, with a record and a way back):",
			}, t.deactivate(),
		})
	}
	if t.temporary {
		say("A temporary key (ASIA…) ends by itself within 36 hours and cannot be deactivated: until",
			"then, revoke the active sessions of its role in IAM.")
	}
	if t.lone {
		say("A secret key was found without its ID: find out whose it is from the place it",
			"stands in, and deactivate that key.")
	}
	if t.other {
		say("Reset the passwords and tokens of single services where they were issued.")
	}
	if t.signed > 0 {
		say("A key ID in a signed request gives nothing away but the ID: see that the request itself",
			"has expired, and that its key is one you know.")
	}
	if t.signed == t.count {
		return steps
	}
	if t.over > 0 {
		say("A key that AWS no longer takes may have been used before: find out who turned it off, and",
			"whether it can be turned on again.")
	}
	say("Look in CloudTrail at what was done with it since the date above, then issue a new key",
		"and delete the old one.")
	say("Only then clean the repository. Deleting the line or the commit is not enough: clones,",
		"forks and caches keep it, and whoever has seen the key can use it.")
	if t.canaries > 0 {
		say("Do not try a canary key: its use raises an alarm. Tell the people who laid it out.")
	}
	return steps
}

// beforeCommit is what to do while the key is in no commit.
func (t *tally) beforeCommit() []step {
	steps := []step{{
		[]string{"Take it out of the file and stage that, before anything is committed. To unstage the file:"},
		"git restore --staged FILE",
	}}
	if t.lasting == 0 {
		return append(steps, step{lines: []string{"If anybody else may have seen it, replace it where it was issued."}})
	}
	return append(steps, step{[]string{"If anybody else may have seen it, deactivate it in IAM:"}, t.deactivate()})
}

// deactivate is the command for the key, if there is but one.
func (t *tally) deactivate() string { return deactivate(t.key()) }

// key is the ID of the one key that lasts, or what stands for several.
func (t *tally) key() string {
	if t.lasting > 1 {
		return "KEY-ID"
	}
	return Clean(t.first)
}

func deactivate(keyID string) string {
	return "aws iam update-access-key --status Inactive --access-key-id " + Clean(keyID) + " --user-name USER"
}

// advise writes what to do about what was found.
func (t *text) advise() error {
	if t.count == 0 || t.o.Quiet {
		return nil
	}
	var b strings.Builder
	b.WriteString("\n" + t.look.bold("What to do now") + "\n")
	for i, s := range t.steps(t.o.Scope) {
		lines := s.lines
		if s.command != "" {
			lines = append(lines, s.command)
		}
		fmt.Fprintf(&b, "  %d. %s\n", i+1, strings.Join(lines, "\n     "))
	}
	_, err := t.w.Write([]byte(b.String()))
	return err
}
