package rules_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/rules/rulestest"
)

type holder struct {
	Name   string
	Shown  rules.Secret
	hidden rules.Secret
	Ptr    *rules.Secret
	List   []rules.Secret
	Map    map[string]rules.Secret
	Any    any
	Key    rules.Key
}

type document struct{ Field rules.Secret }

// Whatever prints a Secret, alone or inside something, must not print its text.
func TestSecretIsNeverPrinted(t *testing.T) {
	text := rulestest.Secret(rulestest.Rand(1))
	s := rules.NewSecret(text)
	h := holder{"n", s, s, &s, []rules.Secret{s}, map[string]rules.Secret{"k": s}, s, rules.Key{ID: "x", Secret: s, Token: s}}
	m := rules.Match{Key: h.Key, Secrets: []rules.Candidate{{Secret: s}}}
	var outs []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%t", "%e", "%c", "%U", "%p", "%T", "%50s", "%.3s", "%-10q", "%w", "%!"} {
		for _, v := range []any{s, &s, h, &h, m, &m, []any{s}, errors.Join(fmt.Errorf("wrap: %v", s))} {
			outs = append(outs, fmt.Sprintf(verb, v))
		}
	}
	outs = append(outs, fmt.Sprint(s), fmt.Sprintln(h), s.String())
	var log bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(handler).Info("found", "secret", s, "ptr", &s, "in", h, "key", h.Key, "group", slog.GroupValue(slog.Any("s", s)))
	}
	js, err := json.Marshal(h)
	if err != nil {
		t.Errorf("json.Marshal = %v", err)
	}
	x, err := xml.Marshal(document{s})
	if err != nil {
		t.Errorf("xml.Marshal = %v", err)
	}
	keys, err := json.Marshal(map[rules.Secret]int{s: 1})
	if err != nil {
		t.Errorf("json.Marshal of a map = %v", err)
	}
	outs = append(outs, log.String(), string(js), string(x), string(keys))
	for i, out := range outs {
		low := strings.ToLower(out)
		// Six characters are more than a mask shows; %x shows the text in hex.
		for _, form := range []string{text[4:10], text[34:], fmt.Sprintf("%x", text[4:10]), fmt.Sprintf("% x", text[4:10])} {
			if strings.Contains(low, strings.ToLower(form)) {
				t.Errorf("output %d shows the secret", i)
			}
		}
	}
}

func TestSecretMask(t *testing.T) {
	long := rulestest.Secret(rulestest.Rand(2))
	for _, tt := range []struct{ text, want string }{
		{"", ""},
		{"short", "************"},
		{strings.Repeat("s", 19), "************"},
		{long, long[:4] + "************"},
		{long + long, long[:4] + "************"},
		{"\x1b[2J" + long, "*[2J************"},
	} {
		if got := rules.NewSecret(tt.text).Masked(); got != tt.want {
			t.Errorf("Masked of %d bytes = %q, want %q", len(tt.text), got, tt.want)
		}
	}
}

func TestSecretCompares(t *testing.T) {
	r := rulestest.Rand(3)
	a, b := rulestest.Secret(r), rulestest.Secret(r)
	if rules.NewSecret(a) != rules.NewSecret(strings.Clone(a)) || rules.NewSecret(a) == rules.NewSecret(b) {
		t.Error("== does not compare texts")
	}
	if !rules.NewSecret("").IsZero() || !(rules.Secret{}).IsZero() || rules.NewSecret(a).IsZero() {
		t.Error("IsZero is not what tells an empty text")
	}
	if rules.NewSecret(a).Reveal() != a || (rules.Secret{}).Reveal() != "" {
		t.Error("Reveal is not the text")
	}
	if rules.NewSecret(a).Hash() == rules.NewSecret(b).Hash() || rules.NewSecret(a).Hash() != rules.NewSecret(strings.Clone(a)).Hash() {
		t.Error("Hash does not tell texts apart")
	}
}
