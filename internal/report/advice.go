package report

import (
	"fmt"
	"strings"
)

// advise writes what to do about what was found.
func (t *text) advise() error {
	if t.count == 0 || t.o.Quiet {
		return nil
	}
	var b strings.Builder
	b.WriteString("\n" + t.look.bold("What to do now") + "\n")
	for i, step := range t.steps() {
		head, rest, _ := strings.Cut(step, "\n")
		fmt.Fprintf(&b, "  %d. %s\n", i+1, head)
		for line := range strings.Lines(rest) {
			b.WriteString("     " + strings.TrimSuffix(line, "\n") + "\n")
		}
	}
	_, err := t.w.Write([]byte(b.String()))
	return err
}

func (t *text) steps() (steps []string) {
	if t.o.Scope == Staged {
		return t.beforeCommit()
	}
	if t.lasting > 0 {
		id := t.first
		if t.lasting > 1 {
			id = "KEY-ID"
		}
		steps = append(steps, "Deactivate the key in IAM, before anything else and without waiting for a review:\n"+
			"aws iam update-access-key --status Inactive --access-key-id "+Clean(id)+" --user-name USER")
	}
	if t.temporary {
		steps = append(steps, "A temporary key (ASIA…) ends by itself within 36 hours and cannot be deactivated: until\n"+
			"then, revoke the active sessions of its role in IAM.")
	}
	if t.lone {
		steps = append(steps, "A secret key was found without its ID: find out whose it is from the place it\n"+
			"stands in, and deactivate that key.")
	}
	if t.other {
		steps = append(steps, "Reset the passwords and tokens of single services where they were issued.")
	}
	steps = append(steps,
		"Look in CloudTrail at what was done with it since the date above, then issue a new key\n"+
			"and delete the old one.",
		"Only then clean the repository. Deleting the line or the commit is not enough: clones,\n"+
			"forks and caches keep it, and whoever has seen the key can use it.")
	if t.canaries > 0 {
		steps = append(steps, "Do not try a canary key: its use raises an alarm. Tell the people who laid it out.")
	}
	return steps
}

// beforeCommit is what to do while the key is in no commit.
func (t *text) beforeCommit() []string {
	steps := []string{"Take it out of the file and stage that, before anything is committed. To unstage the file:\n" +
		"git restore --staged FILE"}
	if t.lasting == 0 {
		return append(steps, "If anybody else may have seen it, replace it where it was issued.")
	}
	id := t.first
	if t.lasting > 1 {
		id = "KEY-ID"
	}
	return append(steps, "If anybody else may have seen it, deactivate it in IAM:\n"+
		"aws iam update-access-key --status Inactive --access-key-id "+Clean(id)+" --user-name USER")
}
