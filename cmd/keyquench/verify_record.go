package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/keyquench/keyquench/internal/ledger"
	"github.com/keyquench/keyquench/internal/report"
	"github.com/keyquench/keyquench/internal/verify"
	"github.com/spf13/pflag"
)

// kindVerdict is the ledger's entry for a leaked key that AWS calls live. rotate
// turns such a key off before it does anything else.
const kindVerdict = "verdict"

// recordPath is the ledger's file, or "" where there is no place for one: that is
// told when there is something to write.
func (p *program) recordPath(s *pflag.FlagSet) (string, error) {
	path, err := p.ledgerPath(s)
	if _, wrong := errors.AsType[usageError](err); wrong {
		return "", err
	}
	return path, nil
}

// recordLive writes the live keys into the ledger. That it cannot be written
// changes nothing about the keys, so it is said, and no error.
func (p *program) recordLive(ctx context.Context, path string, verdicts []verify.Verdict) {
	err := func() error {
		var l *ledger.Ledger
		for _, v := range verdicts {
			if v.State != verify.Live {
				continue
			}
			if path == "" {
				return errors.New("no home directory: name a file with --ledger")
			}
			if l == nil {
				var err error
				if l, err = ledger.Open(ctx, path, ledger.Options{Now: p.now, Sleep: p.sleep}); err != nil {
					return err
				}
				defer l.Close()
			}
			data, err := json.Marshal(v)
			if err == nil {
				_, err = l.Append(ctx, ledger.Entry{At: v.At, KeyID: v.KeyID, Account: v.Account, Kind: kindVerdict, By: whoami(), Data: data})
			}
			if err != nil {
				return err
			}
		}
		return nil
	}()
	if err != nil {
		fmt.Fprintln(p.errOut, "keyquench: live keys were found, and the ledger does not have them: "+report.Safe(err.Error()))
	}
}
