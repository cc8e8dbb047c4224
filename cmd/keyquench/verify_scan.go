package main

import (
	"context"
	"fmt"

	"github.com/keyquench/keyquench/internal/report"
	"github.com/keyquench/keyquench/internal/verify"
	"github.com/keyquench/keyquench/scanner"
)

// asking is what scan --verify does beside the scan: it keeps the findings, and
// asks about their keys when all have been found, since the secret of one can
// stand with another. A nil one does nothing.
type asking struct {
	p       *program
	checker *verify.Checker
	kept    []scanner.Finding
	found   map[string]*verify.Verdict // by key ID, or by fingerprint
	list    []verify.Verdict
	ledger  string // the file into which live keys are written
}

// asking is nil without --verify.
func (p *program) asking(f *scanFlags) (*asking, error) {
	if !f.verify {
		return nil, nil
	}
	c, err := p.checker(&f.aws)
	if err != nil {
		return nil, err
	}
	return &asking{p: p, checker: c, found: map[string]*verify.Verdict{}, ledger: f.ledger}, nil
}

func (a *asking) keep(f scanner.Finding) {
	if a != nil {
		a.kept = append(a.kept, f)
	}
}

// ask finds out the verdicts.
func (a *asking) ask(ctx context.Context) {
	if a == nil {
		return
	}
	var q questions
	for i := range a.kept {
		q.addFinding(&a.kept[i])
	}
	q.spread()
	a.list = a.checker.CheckAll(ctx, q.groups)
	a.p.recordLive(ctx, a.ledger, a.list)
	for i := range a.list {
		a.found[q.groups[i][0].ID] = &a.list[i]
	}
	for i := range a.kept {
		if f := &a.kept[i]; f.Key.ID == "" {
			v := withoutID(f.Rule.Kind.String(), f.User)
			v.At = a.p.now()
			a.found[f.Fingerprint] = &v
		}
	}
}

// verdict is what is known of the key of a finding.
func (a *asking) verdict(f *scanner.Finding) *verify.Verdict {
	if f.Key.ID != "" {
		return a.found[f.Key.ID]
	}
	return a.found[f.Fingerprint]
}

// summarize tells how many keys are in which state.
func (a *asking) summarize(quiet bool) {
	if a != nil && !quiet && len(a.list) > 0 {
		fmt.Fprintln(a.p.errOut, report.VerdictSummary(a.list))
	}
}
