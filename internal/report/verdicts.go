package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/keyquench/keyquench/internal/verify"
)

// VerdictFormats are the formats of Verdicts, the default first.
func VerdictFormats() []string { return []string{"text", "json"} }

// Verdicts writes what AWS said of keys without their findings: a block a key
// for a person to read, or as "json" one object a line. Secrets are masked.
func Verdicts(w io.Writer, format string, list []verify.Verdict, o Options) error {
	o.ShowSecrets = false
	t := &text{w: w, o: o, look: newPalette(o.Color)}
	for i := range list {
		var b bytes.Buffer
		if format == "json" {
			if err := verdictJSON(&b, &list[i], &o); err != nil {
				return err
			}
		} else {
			if i > 0 {
				b.WriteByte('\n')
			}
			t.verdict(&b, &list[i])
		}
		if _, err := w.Write(b.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

// VerdictSummary counts the keys by their state, in one line.
func VerdictSummary(list []verify.Verdict) string {
	count := map[verify.State]int{}
	for _, v := range list {
		count[v.State]++
	}
	var parts []string
	for _, s := range []verify.State{verify.Live, verify.Unknown, verify.WrongSecret, verify.Canary, verify.Expired, verify.Gone} {
		if n := count[s]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %s", group(int64(n)), s))
		}
	}
	if len(parts) == 0 {
		return "Verified nothing: there is no key"
	}
	return fmt.Sprintf("Verified %s %s: %s", group(int64(len(list))), plural(len(list), "key", "keys"), strings.Join(parts, ", "))
}

type verdictObject struct {
	Type   string `json:"type"`
	Schema int    `json:"schema"`
	KeyID  string `json:"key_id"`
	jsonVerdict
}

func verdictJSON(b *bytes.Buffer, v *verify.Verdict, o *Options) error {
	var line bytes.Buffer
	e := json.NewEncoder(&line)
	e.SetEscapeHTML(false)
	if err := e.Encode(verdictObject{"verdict", schema, valid(v.KeyID), *jsonOf(v, o.secret)}); err != nil {
		return fmt.Errorf("encode verdict: %w", err)
	}
	b.Write(inert(line.Bytes()))
	return nil
}

// verdict writes one key.
func (t *text) verdict(b *bytes.Buffer, v *verify.Verdict) {
	paint := t.look.bold
	if v.State == verify.Live {
		paint = t.look.leak
	}
	name := Clean(v.KeyID)
	if name == "" {
		name = "a key without an ID"
	}
	b.WriteString(paint("● "+name) + "\n")
	t.row(b, "state", verdictLine(v))
	if v.State != verify.Live && v.Account != "" {
		t.row(b, "account", Clean(v.Account))
	}
	for _, r := range verdictFacts(v) {
		t.row(b, r.Name, r.Value)
	}
	if !v.Secret.IsZero() {
		t.row(b, "secret", Clean(v.Secret.Masked()))
	}
	if v.State != verify.Live {
		for _, line := range answerLines(v.Asked) {
			t.row(b, line.Name, line.Value)
		}
	}
}

// answerLines are the calls that were made, those with the same outcome once.
func answerLines(asked []verify.Answer) (list []row) {
	const most = 8
	var texts []string
	count := map[string]int{}
	for _, a := range asked {
		line := a.Endpoint + ": " + outcome(&a)
		if count[line]++; count[line] == 1 {
			texts = append(texts, line)
		}
	}
	for i, line := range texts[:min(len(texts), most)] {
		name := ""
		if i == 0 {
			name = "asked"
		}
		if n := count[line]; n > 1 {
			line += fmt.Sprintf(" (%d times)", n)
		}
		list = append(list, row{name, short(line, maxAnswer)})
	}
	return list
}

// maxAnswer keeps an answer on two lines of a usual terminal.
const maxAnswer = 160

func outcome(a *verify.Answer) string {
	var parts []string
	if a.Status != 0 {
		parts = append(parts, fmt.Sprint(a.Status))
	}
	for _, s := range []string{a.Code, a.Message} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, " ")
}
