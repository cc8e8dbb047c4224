package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/keyquench/keyquench/internal/respond"
)

// maxCall is how much of a call is shown on its line; a policy's text is longer,
// and JSON has all of it.
const maxCall = 400

// WritePlan shows what would be done.
func WritePlan(w io.Writer, p *respond.Plan) error {
	var b strings.Builder
	head := string(p.Deed) + " " + p.KeyID
	if p.Undoes != "" {
		head = "undo case " + p.Undoes + ", of " + p.KeyID
	}
	fmt.Fprintf(&b, "%s (%s, account %s, %s)\n", head, p.Owner, p.Account, p.Partition)
	for _, passed := range p.Passed {
		fmt.Fprintf(&b, "  not by %s\n", Safe(passed))
	}
	if p.Actor != "" {
		fmt.Fprintf(&b, "  by %s\n", Safe(p.Actor))
	}
	if p.Nothing() {
		b.WriteString("  nothing to change\n")
	}
	n := 0
	for _, s := range p.Steps {
		for _, c := range s.Calls {
			n++
			fmt.Fprintf(&b, "  %2d. %s\n", n, short(c, maxCall))
		}
	}
	for _, note := range p.Notes {
		fmt.Fprintf(&b, "  note: %s\n", Safe(note))
	}
	if p.Protected {
		b.WriteString("  protected: --yes is not enough, type the token\n")
	}
	if !p.Nothing() {
		fmt.Fprintf(&b, "  token: %s\n", p.Token())
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// stateWords say how a deed left the account.
var stateWords = map[respond.State]string{
	respond.Unchanged: "nothing was changed",
	respond.Inactive:  "the key is inactive",
	respond.Dead:      "the key is dead",
	respond.Rotated:   "the key was replaced",
	respond.Waiting:   "the new key is in place, the old one still on",
	respond.Isolated:  "isolated: its owner can do nothing any more",
	respond.Undone:    "put back",
	respond.Partly:    "stopped half way",
}

// WriteOutcome shows what came of a plan.
func WriteOutcome(w io.Writer, p *respond.Plan, o respond.Outcome) error {
	var b strings.Builder
	for _, s := range o.Steps {
		fmt.Fprintf(&b, "  %s: %s", s.Result, short(s.Call, maxCall))
		if s.State != "" && len(s.State) < 80 {
			fmt.Fprintf(&b, " -> %s", Clean(s.State))
		}
		b.WriteByte('\n')
	}
	words := stateWords[o.State]
	switch {
	case p.Deed == respond.Isolate && o.State == respond.Isolated && p.Owner.Role != "":
		words = "revoked: its role's sessions of before now can do nothing any more"
	case p.Deed == respond.Kill && slices.ContainsFunc(p.Notes, func(n string) bool { return strings.Contains(n, "was deleted") }):
		words = "the key is gone"
	case o.Already && o.State == respond.Unchanged:
		words = "there was nothing to change"
	}
	fmt.Fprintf(&b, "%s: %s", p.KeyID, words)
	if o.ReadBack > 0 {
		fmt.Fprintf(&b, "; read back after %s", o.ReadBack.Round(time.Millisecond))
	}
	if o.Refused > 0 {
		fmt.Fprintf(&b, ", refused by STS after %s", o.Refused.Round(time.Millisecond))
	}
	b.WriteByte('\n')
	if o.NewKey != "" {
		fmt.Fprintf(&b, "  new key: %s\n", o.NewKey)
	}
	if o.STS != "" {
		fmt.Fprintf(&b, "  STS: %s\n", Safe(o.STS))
	}
	if o.Case != "" && p.Deed != respond.Undo && o.State != respond.Unchanged {
		fmt.Fprintf(&b, "  case %s: keyquench undo %s puts it back\n", o.Case, o.Case)
	}
	writeAlive(&b, p, o)
	for _, left := range o.Left {
		fmt.Fprintf(&b, "  to do: %s\n", Safe(left))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func writeAlive(b *strings.Builder, p *respond.Plan, o respond.Outcome) {
	if len(o.Alive.Things)+len(o.Alive.Unread) == 0 {
		return
	}
	fmt.Fprintf(b, "  %s also has:\n", p.Owner)
	for _, t := range o.Alive.Things {
		fmt.Fprintf(b, "    %s\n", Clean(t.String()))
	}
	for _, u := range o.Alive.Unread {
		fmt.Fprintf(b, "    not known: %s\n", Safe(u))
	}
}
