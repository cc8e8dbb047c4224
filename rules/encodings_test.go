package rules_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"html"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/keyquench/keyquench/rules/rulestest"
)

// wide writes text in UTF-16.
func wide(text string, bigEndian, mark bool) string {
	units := utf16.Encode([]rune(text))
	if mark {
		units = append([]uint16{0xfeff}, units...)
	}
	var b []byte
	for _, u := range units {
		if bigEndian {
			b = append(b, byte(u>>8), byte(u))
		} else {
			b = append(b, byte(u), byte(u>>8))
		}
	}
	return string(b)
}

// each writes every character of text by format.
func each(text, format string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		fmt.Fprintf(&b, format, c)
	}
	return b.String()
}

// some writes about one character in four by format.
func some(r *rand.Rand, text, format string) string {
	var b strings.Builder
	for i, c := range []byte(text) {
		if i%8 == 2 || i%8 == 3 || r.IntN(4) == 0 {
			fmt.Fprintf(&b, format, c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// cutUp cuts text at n different places and joins the pieces by joint.
func cutUp(r *rand.Rand, text, joint string, n int) string {
	at := r.Perm(len(text) - 1)[:n]
	slices.Sort(at)
	for _, i := range slices.Backward(at) {
		text = text[:i+1] + joint + text[i+1:]
	}
	return text
}

func wrapped(text string, width int, end string) string {
	var b strings.Builder
	for len(text) > width {
		b.WriteString(text[:width] + end)
		text = text[width:]
	}
	return b.String() + text
}

// An encoding writes a key in some form, within what a file around it has.
type encoding struct {
	name  string // as Match.Encoding gives it for the ID
	write func(r *rand.Rand, id, secret string) string
}

func file(id, secret string) string {
	return "[default]\naws_access_key_id = " + id + "\naws_secret_access_key = " + secret + "\nregion = eu-west-1\n"
}

func code(id, secret string) string {
	return "const awsId = \"" + id + "\";\nconst awsSecretKey = \"" + secret + "\";\n"
}

func encodings() []encoding {
	url := func(text string) string { return base64.URLEncoding.EncodeToString([]byte(text)) }
	b64 := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	b16 := func(text string) string { return hex.EncodeToString([]byte(text)) }
	var list []encoding
	add := func(name string, write func(r *rand.Rand, id, secret string) string) {
		list = append(list, encoding{name, write})
	}
	for _, big := range []bool{false, true} {
		for _, mark := range []bool{false, true} {
			add("utf-16", func(_ *rand.Rand, id, secret string) string {
				return wide("# geheime Schlüssel €\r\n"+file(id, secret), big, mark)
			})
		}
		add("utf-16", func(r *rand.Rand, id, secret string) string { // at an odd place of something else
			return rulestest.Text(r, rulestest.LowerAlphabet, 1+r.IntN(9)) + wide(file(id, secret), big, false) + "\x01\x02"
		})
		add("base64, utf-16", func(r *rand.Rand, id, secret string) string { // as powershell -enc
			text := rulestest.Text(r, rulestest.LowerAlphabet, r.IntN(9))
			return "powershell -NoProfile -enc " + b64(wide(text+file(id, secret), big, false)) + "\n"
		})
	}
	add("", func(_ *rand.Rand, id, secret string) string { return "\xef\xbb\xbf" + id + "\n" + secret + "\n" })
	add("", func(_ *rand.Rand, id, secret string) string {
		return "\xdf\xe9\xff" + id + "\xa0\r\n\xabaws_secret_key\xbb \xab" + secret + "\xbb\r\n" // Latin-1
	})
	add("base64", func(r *rand.Rand, id, secret string) string {
		return url("??>>" + rulestest.Text(r, rulestest.LowerAlphabet, r.IntN(4)) + ">>>???" + file(id, secret) + "??>>~~~")
	})
	add("base64", func(r *rand.Rand, id, secret string) string {
		return "x_" + url(id+"?>?>?>?>?"+rulestest.Text(r, rulestest.LowerAlphabet, r.IntN(4))+"?secret="+secret) + "\n"
	})
	add("hex", func(_ *rand.Rand, id, secret string) string { return "dump: " + b16(file(id, secret)) + "\n" })
	add("hex", func(_ *rand.Rand, id, secret string) string {
		return "0x" + strings.ToUpper(b16(id+":"+secret)) + "\n"
	})
	add("hex", func(r *rand.Rand, id, secret string) string {
		return wrapped(b16(rulestest.Text(r, rulestest.LowerAlphabet, r.IntN(60))+file(id, secret)), 60, "\n")
	})
	add("hex", func(_ *rand.Rand, id, secret string) string {
		return "id: " + b16(id) + "\nsecret: " + b16(secret) + "\n"
	})
	add("base64", func(r *rand.Rand, id, secret string) string { // twice
		text := rulestest.Text(r, rulestest.LowerAlphabet, r.IntN(4))
		return b64(text + b64(text+file(id, secret)))
	})
	for format, name := range map[string]string{
		"%%%02X": "percent", "%%%02x": "percent", "%%25%02X": "percent", `\u%04x`: "json", `\u%04X`: "json", `\\u%04x`: "json",
		`\x%02x`: "json", "&#%d;": "html", "&#x%x;": "html", "&#x%02X;": "html", "&#x%04x;": "html",
	} {
		add(name, func(_ *rand.Rand, id, secret string) string {
			return "key=" + each(id, format) + "&secret=" + each(secret, format) + "\n"
		})
		add(name, func(r *rand.Rand, id, secret string) string {
			return "id \"" + some(r, id, format) + "\"\nsecret_access_key \"" + some(r, secret, format) + "\"\n"
		})
		add(name, func(_ *rand.Rand, id, secret string) string { return each("\n"+file(id, secret), format) })
	}
	for _, joint := range []string{
		`" + "`, `"+"`, "\"\n    + \"", "\" +\r\n\t\t\"", "\"\n  \"", `" . "`, `"."`, `" .. "`, `" || "`, `" <> "`, `" & "`, `".concat("`, `" b"`,
	} {
		for n := range 3 {
			add("concatenated", func(r *rand.Rand, id, secret string) string {
				return code(id[:4]+cutUp(r, "|"+id[4:], joint, 1+n)[1:], cutUp(r, secret, joint, 1+n))
			})
		}
		for at := 1; at < 4; at++ { // the prefix itself is cut
			add("concatenated", func(r *rand.Rand, id, secret string) string {
				return code(id[:at]+joint+id[at:], cutUp(r, secret, joint, 1))
			})
		}
		add("", func(r *rand.Rand, id, secret string) string { return code(id, cutUp(r, secret, joint, 4)) })
	}
	add("concatenated", func(_ *rand.Rand, id, secret string) string { // in a notebook
		return `"source": ["k = \"` + id[:5] + `\" + \"` + id[5:] + `\"\n", "secret = \"` + secret[:9] + `\" + \"` + secret[9:] + `\"\n"]`
	})
	for how, joint := range map[string]string{"continued line": "\\\n", "quoted-printable": "=\r\n"} {
		add(how, func(r *rand.Rand, id, secret string) string {
			return "aws_access_key_id " + id[:4] + cutUp(r, "|"+id[4:], joint, 1)[1:] + "\naws_secret_access_key " + cutUp(r, secret, joint, 2) + "\n"
		})
		add("", func(r *rand.Rand, id, secret string) string {
			return "aws_access_key_id " + id + "\naws_secret_access_key " + cutUp(r, secret, joint, 1) + "\n"
		})
	}
	add("continued line", func(_ *rand.Rand, id, secret string) string {
		return "id: \"" + id[:11] + "\\\n      " + id[11:] + "\"\nsecret: \"" + secret[:30] + "\\\r\n   " + secret[30:] + "\"\n"
	})
	add("", func(_ *rand.Rand, id, secret string) string { // folded scalars
		return "access_key: >-\n  " + id + "\nsecret_access_key: >\n  " + secret + "\n"
	})
	add("", func(_ *rand.Rand, id, secret string) string {
		return "args: >-\n  --key-id " + id + "\n  --secret-key\n  " + secret + "\n  --region eu-west-1\n"
	})
	add("html", func(_ *rand.Rand, id, secret string) string {
		return "<td>" + id + "</td><td>" + strings.NewReplacer("/", "&sol;", "+", "&plus;").Replace(html.EscapeString(secret)) + "</td>\n"
	})
	return list
}

// Both halves of a hundred keys in each form, and what the form is called.
func TestFindReadsEveryEncoding(t *testing.T) {
	const rounds = 100
	total, missed := 0, 0
	for i, enc := range encodings() {
		bad, why := 0, ""
		for round := range rounds {
			r := rulestest.Rand(uint64(1_000_000 + i*1000 + round))
			want := &wantPair{id: rulestest.KeyID(r, "AKIA"), secret: rulestest.Secret(r)}
			text := enc.write(r, want.id, want.secret)
			matches := find(text)
			reason := lacks(matches, want, 1)
			for _, m := range matches {
				if reason == "" && m.Key.ID == want.id && m.Encoding != enc.name && enc.name != "html" {
					reason = fmt.Sprintf("encoding %q", m.Encoding)
				}
				if m.Start < 0 || m.End > len(text) || m.Start >= m.End {
					reason = fmt.Sprintf("a place [%d:%d] of %d bytes", m.Start, m.End, len(text))
				}
			}
			total++
			if reason != "" {
				bad++
				why = reason
			}
		}
		missed += bad
		if bad > 1 {
			t.Errorf("encoding %d, %q: %d of %d bad, last: %s", i, enc.name, bad, rounds, why)
		}
	}
	t.Logf("%d keys, %d missed", total, missed)
	if missed*1000 > total {
		t.Errorf("%d of %d missed, want at most one in a thousand", missed, total)
	}
}
