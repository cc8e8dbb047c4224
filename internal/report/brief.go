package report

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"

	"github.com/keyquench/keyquench/scanner"
)

// Gate is what a scan stands before and can stop.
type Gate uint8

// The gates.
const (
	// AtCommit is before a commit, on the committer's machine.
	AtCommit Gate = iota
	// AtPush is before a push, on the pusher's machine.
	AtPush
	// AtServer is where a push arrives; who reads the report is far away.
	AtServer
	// ByHand is a check that somebody asked for.
	ByHand
)

// maxBrief is how many keys a brief report names.
const maxBrief = 3

// gateText is what is told at a gate.
type gateText struct {
	stopped string // what finding keys comes to
	take    string // how a key is taken out
	pushed  string // when and how it is turned off; %s is its ID
	pass    string // how to go on, and what that means
	failed  string // what not reading everything comes to
	unread  string // how to go on then
}

var gates = [...]gateText{
	AtCommit: {
		stopped: "this commit was stopped",
		take:    "Take it out of the file, git add the file, and commit again.",
		pushed:  "Was it ever pushed or shown to anybody? Then turn it off first: keyquench kill %s",
		pass:    "git commit --no-verify skips this check. The checks at the push and in the pull request will find it.",
		failed:  "this commit was not checked",
		unread:  "git commit --no-verify commits without the check",
	},
	AtPush: {
		stopped: "this push was stopped",
		take:    "Take it out of the commit (git commit --amend, or git rebase -i) and push again: a new commit that deletes it is not enough.",
		pushed:  "Was it ever pushed or shown to anybody? Then turn it off first: keyquench kill %s",
		pass:    "git push --no-verify skips this check. The check of the pull request will find it, and then it has leaked.",
		failed:  "this push was not checked",
		unread:  "git push --no-verify pushes without the check",
	},
	AtServer: {
		stopped: "this push is refused",
		take:    "Take it out of the commit (git commit --amend, or git rebase -i) and push again: a new commit that deletes it is not enough.",
		pushed:  "It has left your machine. Turn it off if this server is not yours alone: keyquench kill %s",
		pass:    "Nothing of this push was kept. Who runs this server can take it without the check.",
		failed:  "this push is refused, as it could not be checked",
		unread:  "tell who runs this server",
	},
	ByHand: {
		stopped: "the check failed",
		take:    "Take it out of the file. What is committed already stays in the history: keyquench scan tells since when.",
		pushed:  "Was it ever pushed or shown to anybody? Then turn it off first: keyquench kill %s",
		pass:    "The hooks stop what is new; this looked at all the files.",
		failed:  "not everything was checked",
		unread:  "keyquench scan names all of it",
	},
}

// brief writes six lines for whoever wants to commit or to push.
type brief struct {
	text
	gate Gate
}

// NewBrief writes to somebody who was stopped on the way to a commit or a push:
// what was found, where, and what to do, in six lines for one key, and nothing
// when nothing was found and everything was read.
func NewBrief(w io.Writer, g Gate, o Options) Writer {
	return &brief{text{w: w, o: o, look: newPalette(o.Color)}, g}
}

// Close writes the report.
func (b *brief) Close(sum scanner.Summary) error {
	b.o.settle(&sum)
	b.veil = newVeil(b.list, &b.o)
	var out bytes.Buffer
	if len(b.list) > 0 {
		b.stopped(&out)
	}
	if sum.Incomplete() {
		b.unread(&out, &sum)
	}
	_, err := b.w.Write(out.Bytes())
	return err
}

func (b *brief) stopped(out *bytes.Buffer) {
	say := func(s string) { fmt.Fprintf(out, "keyquench: %s\n", s) }
	g, n := gates[b.gate], len(b.list)
	say(b.look.leak(fmt.Sprintf("%s: %d AWS %s", g.stopped, n, plural(n, "key", "keys"))))
	// Those that work without more come first.
	slices.SortStableFunc(b.list, func(x, y scanner.Finding) int { return cmp.Compare(briefRank(&x), briefRank(&y)) })
	for i := range b.list[:min(n, maxBrief)] {
		f := &b.list[i]
		line := "  " + b.look.bold(b.where(f.First())) + "  " + headline(f)
		if !f.Key.Secret.IsZero() {
			line += " " + Clean(b.o.secret(f.Key.Secret))
		}
		if c := f.First().Commit; c != nil && f.First().Kind != scanner.CommitText {
			line += ", in commit " + digits(c.ID)
		}
		out.WriteString(line + "\n")
	}
	if n > maxBrief {
		fmt.Fprintf(out, "  and %d more\n", n-maxBrief)
	}
	id := Clean(b.list[0].Key.ID)
	if id == "" || n > 1 {
		id = "KEY-ID"
	}
	say(g.take)
	say(fmt.Sprintf(g.pushed, id))
	say(`No key, or one that opens nothing? Write "keyquench:allow" and why on its line.`)
	say(g.pass)
}

// briefRank puts pairs before lone halves.
func briefRank(f *scanner.Finding) int {
	if kindOf(f) == "pair" {
		return 0
	}
	return 1
}

// unread names the first thing that was not read.
func (b *brief) unread(out *bytes.Buffer, sum *scanner.Summary) {
	g := gates[b.gate]
	why, try := "", g.unread
	if skips := sortedSkips(sum); len(skips) > 0 {
		why = ": " + b.veil.skipLine(skips[0])
		if sum.Skipped > 1 {
			why += fmt.Sprintf(", and %s more", group(sum.Skipped-1))
		}
		try = (&summary{o: b.o}).nextStep(skips) + "; " + try
	} else if list := gaps(sum); len(list) > 0 {
		why = ": " + list[0].text
		try = list[0].try + "; " + try
	}
	fmt.Fprintf(out, "keyquench: %s%s\nkeyquench: try: %s\n", g.failed, why, try)
}
