package rules_test

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/rules/rulestest"
)

// The longer name comes first where one begins with another.
var slot = regexp.MustCompile(`\{\{(SECRET64N|SECRET64|SECRETURL|SECRETJSON|SECRETHTML|SECRETU|SECRET|ID64N|ID64|ID|` +
	`PREFIX|ASIA|TOKEN|AROA|AIDA|AGPA|AIPA|ANPA|ANVA|APKA|ASCA|LOWER|UPPER|SMTPURL|SMTP|FILE64WRAP|FILE64|HEXUP|HEX|B64|SHA512|UUID|FILLER)([0-9]*)\}\}`)

// template fills the slots of one sample file. A slot names a kind of value
// and a number: for keys the number of the pair, for noise a length.
type template struct {
	r     *rand.Rand
	pairs map[string]*wantPair
	order []string
}

type wantPair struct{ id, secret, token string }

func (tp *template) pair(n string) *wantPair {
	if p, ok := tp.pairs[n]; ok {
		return p
	}
	p := &wantPair{id: rulestest.KeyID(tp.r, "AKIA"), secret: rulestest.Secret(tp.r)}
	tp.pairs[n] = p
	tp.order = append(tp.order, n)
	return p
}

func (tp *template) fill(text string) string {
	return slot.ReplaceAllStringFunc(text, func(s string) string {
		m := slot.FindStringSubmatch(s)
		name, num := m[1], m[2]
		if v, ok := tp.noise(name, num); ok {
			return v
		}
		return tp.key(name, num)
	})
}

func (tp *template) noise(name, num string) (string, bool) {
	r := tp.r
	n, _ := strconv.Atoi(num)
	switch name {
	case "HEX":
		return rulestest.Text(r, rulestest.HexAlphabet, n), true
	case "HEXUP":
		return strings.ToUpper(rulestest.Text(r, rulestest.HexAlphabet, n)), true
	case "AROA", "AIDA", "AGPA", "AIPA", "ANPA", "ANVA", "APKA", "ASCA":
		return rulestest.KeyID(r, name), true
	case "PREFIX": // so that no placeholder stands in the tree either
		return "AKIA", true
	case "LOWER":
		return rulestest.Text(r, rulestest.LowerAlphabet, n), true
	case "UPPER":
		return rulestest.Text(r, rulestest.Base32Alphabet, n), true
	case "B64":
		return rulestest.Text(r, rulestest.Base64Alphabet, n), true
	case "SHA512":
		return base64.StdEncoding.EncodeToString(rulestest.Bytes(r, 64)), true
	case "UUID":
		h := func(n int) string { return rulestest.Text(r, rulestest.HexAlphabet, n) }
		return h(8) + "-" + h(4) + "-4" + h(3) + "-a" + h(3) + "-" + h(12), true
	case "FILLER":
		var b strings.Builder
		for i := range 400 {
			fmt.Fprintf(&b, "entry%d: {digest: %s, path: src/main/java/org/shop/order/Item%d.java}\n", i, rulestest.Text(r, rulestest.HexAlphabet, 40), i)
		}
		return b.String(), true
	}
	return "", false
}

func (tp *template) key(name, num string) string {
	p := tp.pair(num)
	swap := func(slash, plus string) string {
		return strings.NewReplacer("/", slash, "+", plus).Replace(p.secret)
	}
	b64 := base64.StdEncoding.EncodeToString
	file := "[default]\naws_access_key_id = " + p.id + "\naws_secret_access_key = " + p.secret + "\nregion = eu-west-1\n"
	switch name {
	case "ID":
		return p.id
	case "ASIA":
		p.id = rulestest.KeyID(tp.r, "ASIA")
		return p.id
	case "SECRET":
		return p.secret
	case "TOKEN":
		p.token = rulestest.Token(tp.r)
		return p.token
	case "ID64":
		return b64([]byte(p.id))
	case "SECRET64":
		return b64([]byte(p.secret))
	case "ID64N":
		return b64([]byte(p.id + "\n"))
	case "SECRET64N":
		return b64([]byte(p.secret + "\n"))
	case "SECRETURL":
		return swap("%2F", "%2B")
	case "SECRETJSON":
		return swap(`\/`, "+")
	case "SECRETU":
		return swap(`\u002f`, `\u002B`)
	case "SECRETHTML":
		return swap("&#47;", "&#43;")
	case "SMTP":
		return rulestest.SMTP(tp.r)
	case "SMTPURL":
		return strings.NewReplacer("/", "%2F", "+", "%2B").Replace(rulestest.SMTP(tp.r))
	case "FILE64":
		return b64([]byte(file))
	case "FILE64WRAP":
		text := b64([]byte("#cloud-config\n# " + strings.Repeat("-", 70) + "\n" + file))
		var lines []string
		for len(text) > 76 {
			lines, text = append(lines, text[:76]), text[76:]
		}
		return strings.Join(append(lines, text), "\n        ")
	}
	panic("unknown slot " + name)
}

// TestFindPairsEveryShape renders each sample with fresh keys and asks for both
// halves of every pair, and the token where there is one.
func TestFindPairsEveryShape(t *testing.T) {
	const rounds = 100
	files, err := filepath.Glob("testdata/shapes/*.tmpl")
	if err != nil || len(files) < 40 {
		t.Fatalf("shapes: %d files, %v", len(files), err)
	}
	set := rules.Default()
	total, missed := 0, 0
	for i, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		bad, first := 0, ""
		for round := range rounds {
			tp := &template{r: rulestest.Rand(uint64(i*1000 + round)), pairs: map[string]*wantPair{}}
			data := tp.fill(string(text))
			matches := set.Find(nil, []byte(data))
			for _, n := range tp.order {
				total++
				if why := lacks(matches, tp.pairs[n], len(tp.order)); why != "" {
					bad++
					first = fmt.Sprintf("round %d pair %q: %s", round, n, why)
				}
			}
		}
		missed += bad
		if bad > rounds/20 {
			t.Errorf("%s: %d bad, last: %s", filepath.Base(file), bad, first)
		} else if bad > 0 {
			t.Logf("%s: %d bad, last: %s", filepath.Base(file), bad, first)
		}
	}
	t.Logf("%d files, %d pairs, %d missed", len(files), total, missed)
	if missed*1000 > total {
		t.Errorf("%d of %d pairs missed, want at most one in a thousand", missed, total)
	}
}

func lacks(matches []rules.Match, want *wantPair, pairs int) string {
	sawID := false
	for _, m := range matches {
		if m.Key.ID != want.id {
			continue
		}
		sawID = true
		if m.Key.Secret == rules.NewSecret(want.secret) && m.Key.Token == rules.NewSecret(want.token) {
			return ""
		}
		if m.Key.Secret == rules.NewSecret(want.secret) {
			return "token missed"
		}
		for _, c := range m.Secrets {
			if c.Secret == rules.NewSecret(want.secret) {
				return fmt.Sprintf("secret is a candidate only: %d %s", c.Score, c.Why)
			}
		}
	}
	if sawID {
		return "ID without the secret"
	}
	for _, m := range matches {
		if m.Key.Secret == rules.NewSecret(want.secret) {
			return "secret without the ID"
		}
	}
	return fmt.Sprintf("neither half, %d matches, %d pairs", len(matches), pairs)
}
