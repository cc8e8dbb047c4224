package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/keyquench/keyquench/internal/ignore"
	"github.com/keyquench/keyquench/internal/report"
	"github.com/keyquench/keyquench/scanner"
	"github.com/spf13/cobra"
)

// ignored reads lists of findings that are not to be reported.
func (p *program) ignored(files []textFile) (*ignore.List, error) {
	list := new(ignore.List)
	for _, f := range files {
		if err := p.readIgnored(list, f); err != nil {
			return nil, err
		}
	}
	for _, e := range list.Expired {
		fmt.Fprintf(p.errOut, "keyquench: warning: an entry to ignore has expired on %s: %s\n", e.Until.Format("2006-01-02"), e.Fingerprint)
	}
	return list, nil
}

func (p *program) readIgnored(list *ignore.List, file textFile) error {
	text, err := file.read(file.name)
	if err != nil {
		return usageError{fmt.Sprintf("a list of what to ignore: %v", err), "keyquench baseline > FILE makes one"}
	}
	err = list.Read(file.name, bytes.NewReader(text), p.now())
	if errors.Is(err, ignore.ErrForm) {
		return usageError{err.Error(), "a line is: FINGERPRINT [until YYYY-MM-DD] [# reason]"}
	}
	return err
}

// baselineCommand writes what is found now as a list of what to ignore later.
func (p *program) baselineCommand() *cobra.Command {
	f := scanFlags{format: "text", color: "auto"}
	c := &cobra.Command{
		Use:     "baseline [PATH]",
		Short:   "write a list of all keys there are now, for scan --ignore",
		Long:    baselineHelp,
		Example: baselineExamples,
		Args:    atMostOnePath("baseline"),
		RunE: func(c *cobra.Command, args []string) error {
			return p.onTarget(c, args, &f, func(t *target) error { return p.baseline(c.Context(), t, &f) })
		},
	}
	f.addTarget(c.Flags())
	return c
}

func (p *program) baseline(ctx context.Context, t *target, f *scanFlags) error {
	var entries []ignore.Entry
	sum, err := p.read(ctx, t, f, f.ruleSet(), func(x scanner.Finding) error {
		entries = append(entries, ignore.Entry{Fingerprint: x.Fingerprint, Reason: x.Rule.ID + " " + report.Safe(x.Key.ID)})
		return nil
	})
	if err != nil {
		return err
	}
	if sum.Incomplete() {
		return hinted{errors.New("not everything was read: a baseline of a part would hide nothing and promise much"), "keyquench scan names what was skipped"}
	}
	return ignore.Write(p.out, entries)
}
