package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/scanner"
)

// Explain writes why one key is a finding: the rule, what the pair rests on and
// what else came into question, how each place was read, and every place.
func Explain(w io.Writer, f scanner.Finding, o Options) error {
	t := &text{w: w, o: o, look: newPalette(o.Color), full: true, veil: newVeil([]scanner.Finding{f}, &o)}
	var b bytes.Buffer
	b.WriteString(t.look.leak("● "+headline(&f)) + "\n")
	t.row(&b, "rule", Clean(f.Rule.ID+": "+f.Rule.Title))
	if f.Rule.Description != "" {
		t.row(&b, "", Clean(f.Rule.Description))
	}
	t.row(&b, "print", f.Fingerprint+", made of the rule and the key only")
	t.key(&b, &f)
	t.row(&b, "entropy", fmt.Sprintf("%.2f bits a character, of the %s", f.Entropy, measured(&f)))
	t.pairing(&b, &f)
	t.row(&b, "state", o.state(&f))
	if in, known := o.inHead(&f); known {
		t.row(&b, "in HEAD", yesNo(in))
	}
	t.stands(&b, &f)
	for _, step := range readings(&f) {
		t.row(&b, "read", step)
	}
	t.row(&b, "if false", "put this line into a file, and name the file to scan --ignore:")
	t.row(&b, "", f.Fingerprint+"  # why it is none")
	_, err := w.Write(b.Bytes())
	return err
}

// measured is what the entropy is of.
func measured(f *scanner.Finding) string {
	switch kindOf(f) {
	case rules.KeyID.String():
		return "key ID"
	case "pair", rules.SecretKey.String():
		return "secret"
	}
	return "value"
}

// pairing writes the secrets that came into question, best first.
func (t *text) pairing(b *bytes.Buffer, f *scanner.Finding) {
	if f.Key.ID == "" {
		return
	}
	if len(f.Secrets) == 0 {
		t.row(b, "pair", "no secret stands near the ID in any place, or in the files and commits around it")
		return
	}
	for _, c := range f.Secrets {
		verdict := "not believed"
		switch {
		case c.Secret == f.Key.Secret:
			verdict = "believed"
		case c.Score >= rules.PairScore:
			verdict = "possible"
		}
		t.row(b, "pair", fmt.Sprintf("%s: %s scores %d, %d are needed: %s",
			verdict, Clean(t.o.secret(c.Secret)), c.Score, rules.PairScore, Clean(c.Why)))
	}
}

// readings says in words how the places were read, each way once.
func readings(f *scanner.Finding) (list []string) {
	seen := map[string]bool{}
	for i := range f.Places {
		for step := range strings.SplitSeq(f.Places[i].Encoding, ", ") {
			if step == "" || seen[step] {
				continue
			}
			seen[step] = true
			how, ok := forms[step]
			if !ok {
				how = "the content of a container was searched"
			}
			list = append(list, Clean(step)+": "+how)
		}
	}
	return list
}

// forms are the encodings of package rules, in words.
var forms = map[string]string{
	"base64":           "a key ID shows through the base64; the block around it was decoded and searched",
	"hex":              "a key ID shows through the hexadecimal digits; they were decoded and searched",
	"utf-16":           "the text has a zero byte beside each character; they were taken out",
	"percent":          "characters are written as %41",
	"json":             `characters are written as \u0041, \x41 or \/`,
	"html":             "characters are written as &#65;",
	"mixed":            "characters are written with escapes of several kinds",
	"concatenated":     "the string is put together from pieces in quotation marks; they were joined",
	"continued line":   "the line goes on behind a backslash; the lines were joined",
	"quoted-printable": "the line goes on behind an equals sign; the lines were joined",
}
