package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/keyquench/keyquench/internal/verify"
	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/scanner"
)

// questions are the keys to ask about: the candidates of each key ID together, in
// the order in which the IDs came.
type questions struct {
	groups  [][]rules.Key
	at      map[string]int
	unasked []verify.Verdict // of what has no key ID
	problem error            // why this may not be all
}

func (q *questions) add(k rules.Key) {
	if q.at == nil {
		q.at = map[string]int{}
	}
	i, ok := q.at[k.ID]
	if !ok {
		i = len(q.groups)
		q.at[k.ID] = i
		q.groups = append(q.groups, nil)
	}
	q.groups[i] = append(q.groups[i], k)
}

// addFinding adds every pair that a finding comes with.
func (q *questions) addFinding(f *scanner.Finding) {
	if f.Key.ID == "" {
		return
	}
	q.add(f.Key)
	for _, c := range f.Secrets {
		q.add(rules.Key{ID: f.Key.ID, Secret: c.Secret, Token: f.Key.Token})
	}
}

// spread pairs every secret of a temporary key with every session token that was
// found with it: they may stand in places of their own.
func (q *questions) spread() {
	for i, group := range q.groups {
		for _, a := range group {
			for _, b := range group {
				if a.Token != b.Token && !a.Secret.IsZero() && !b.Token.IsZero() && len(q.groups[i]) < maxPairs {
					q.groups[i] = append(q.groups[i], rules.Key{ID: a.ID, Secret: a.Secret, Token: b.Token})
				}
			}
		}
	}
}

// maxPairs bounds the pairs of one key ID; the checker tries fewer.
const maxPairs = 256

// withoutID is the verdict of what cannot be asked about.
func withoutID(kind, user string) verify.Verdict {
	switch {
	case kind == rules.Credential.String() && rules.ValidKeyID(user):
		return verify.Verdict{Reason: "a password of one service, which has no check; it ends with the key " + user}
	case kind == rules.Credential.String():
		return verify.Verdict{Reason: "a credential of one service: STS has no check for it"}
	case kind == rules.SessionToken.String():
		return verify.Verdict{Reason: "a session token without its key cannot be asked about"}
	}
	return verify.Verdict{Reason: "the key ID is not known: a secret alone cannot be asked about"}
}

// maxLine bounds a line of findings: a key that stands in ten thousand places
// has one of a few megabytes.
const maxLine = 64 << 20

// findingLine is what is read of a line that scan --format json wrote.
type findingLine struct {
	Type, Kind, User string
	KeyID            string `json:"key_id"`
	Secret, Token    string
	Complete         bool
}

// readFindings reads JSON lines from the file that args name.
func (p *program) readFindings(args []string, q *questions) error {
	in, name := p.in, "standard input"
	if len(args) == 1 && args[0] != "-" {
		file, err := os.Open(args[0])
		if err != nil {
			// What was meant for another place can be a secret: it is not repeated.
			return hinted{fmt.Errorf("open the file of findings: %w", cause(err)), "keyquench verify FILE; one key is verified by --key-id ID --secret-stdin"}
		}
		defer file.Close()
		in, name = file, args[0]
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	masked, ended := 0, false
	for n := 1; lines.Scan(); n++ {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		var f findingLine
		if err := json.Unmarshal(line, &f); err != nil || f.Type != "finding" && f.Type != "summary" {
			return hinted{fmt.Errorf("%s:%d: not a line of scan --format json", name, n), "keyquench scan --format json --show-secrets | keyquench verify -"}
		}
		if f.Type == "summary" {
			ended = true
			if !f.Complete {
				q.problem = hinted{errors.New("the scan that wrote these findings did not read everything"), "see what it skipped, and scan again"}
			}
			continue
		}
		if f.addTo(q) {
			masked++
		}
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return hinted{fmt.Errorf("read %s: a line is longer than %d bytes", name, maxLine), "keyquench scan --format json writes such files"}
	case err != nil:
		return fmt.Errorf("read %s: %w", name, cause(err))
	case !ended:
		q.problem = hinted{errors.New("the findings have no summary: their end is missing"), "scan again, and let it finish"}
	}
	q.spread()
	if masked > 0 {
		p.tell(hinted{
			fmt.Errorf("%d of the findings have their secret masked: of these only the key ID is known", masked),
			"keyquench scan --verify, or keyquench scan --format json --show-secrets | keyquench verify -",
		})
	}
	return nil
}

// stars are what a report writes in the place of a secret, or behind its first
// characters.
var stars = rules.NewSecret("-").Masked()

// addTo adds the key of a line; masked tells that its secret was not written.
func (f *findingLine) addTo(q *questions) (masked bool) {
	open := func(text string) rules.Secret {
		if strings.HasSuffix(text, stars) {
			masked = true
			return rules.Secret{}
		}
		return rules.NewSecret(text)
	}
	k := rules.Key{ID: f.KeyID, Secret: open(f.Secret), Token: open(f.Token)}
	if k.ID == "" {
		q.unasked = append(q.unasked, withoutID(f.Kind, f.User))
		return masked
	}
	q.add(k)
	return masked
}
