package rules

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/keyquench/keyquench/rules/internal/anchor"
)

// runsSlow is the twin of the first stage's search: every byte, every run.
func runsSlow(c *anchor.Class, data []byte, n int) (runs [][2]int) {
	for start := 0; start < len(data); start++ {
		end := start
		for end < len(data) && c[data[end]] {
			end++
		}
		if end-start >= n {
			runs = append(runs, [2]int{start, end})
		}
		start = end
	}
	return runs
}

func runsFast(data []byte) (runs [2][][2]int) {
	var c anchor.Cursor
	c.Start(anchors, data)
	for {
		class, start, end := c.Next()
		if class < 0 {
			return runs
		}
		runs[class] = append(runs[class], [2]int{start, end})
	}
}

func FuzzFind(f *testing.F) {
	r := rand.New(rand.NewPCG(7, 8))
	id := "AKIAJ" + string(draw(r, make([]byte, 15), base32Chars))
	secret := string(draw(r, make([]byte, 40), base64Chars))
	fill := strings.NewReplacer("{{ID}}", id, "{{ASIA}}", "ASIAJ"+id[5:], "{{PREFIX}}", "AKIA", "{{SECRET}}", secret,
		"{{SECRETURL}}", strings.ReplaceAll(secret, "/", "%2F"), "{{TOKEN}}", "IQoJb3JpZ2luX2Vj"+strings.Repeat(secret, 8),
		"{{ID64}}", base64.StdEncoding.EncodeToString([]byte(id)), "{{SECRET64}}", base64.StdEncoding.EncodeToString([]byte(secret)))
	for _, pattern := range []string{"testdata/shapes/*.tmpl", "testdata/quiet/*.tmpl"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add([]byte(fill.Replace(string(text))))
		}
	}
	f.Add([]byte(`\\\\\\\\\\\\\\\\\\u00`))
	f.Add([]byte("%25252525252525252525252525252525252F"))
	f.Add([]byte(strings.Repeat("QUtJQ", 40)))
	f.Add([]byte("\xff\xfe" + widened(id+" "+secret)))
	f.Add([]byte("x" + widened(id) + "\x00y" + widened(secret)))
	f.Add([]byte(hex.EncodeToString([]byte(id + " " + secret))))
	f.Add([]byte(`k = "` + id[:9] + `" + "` + id[9:] + `", "` + secret[:7] + "\" .\n '" + secret[7:] + `'`))
	f.Add([]byte(`k = "` + id[:2] + `"+"` + id[2:] + "\"\n" + secret[:7] + "=\r\n" + secret[7:]))
	f.Add([]byte(`\u0041` + id[1:] + "%41%4B%49%41" + id[4:] + "&#65;" + id[1:] + "\n" + secret))
	f.Fuzz(func(t *testing.T, data []byte) {
		set := Default()
		got := set.Find(nil, data)
		if again := set.Find(nil, data); !reflect.DeepEqual(got, again) {
			t.Errorf("Find twice = %d and %d matches, or other ones", len(got), len(again))
		}
		if look, clean := set.Look(nil, data); !reflect.DeepEqual(look, got) || clean && len(got) > 0 {
			t.Errorf("Look = %d matches, %v, Find = %d", len(look), clean, len(got))
		}
		for i := range got {
			checkMatch(t, data, &got[i])
			if i > 0 && got[i].Start < got[i-1].Start {
				t.Errorf("match %d starts before match %d", i, i-1)
			}
		}
		want := [2][][2]int{idClass: runsSlow(upperDigit, data, minTail), longClass: runsSlow(runClass, data, minRun)}
		if got := runsFast(data); !reflect.DeepEqual(got, want) {
			t.Errorf("runs = %v, want %v", got, want)
		}
	})
}

// checkMatch compares what a match says with the bytes it points at.
func checkMatch(t *testing.T, data []byte, m *Match) {
	t.Helper()
	if m.Rule == nil || m.Key == (Key{}) {
		t.Error("a match without a rule or a key")
	}
	main := m.Key.ID
	if main == "" {
		main = m.Key.Secret.Reveal() + m.Key.Token.Reveal()
	}
	checkPlace(t, data, m.Start, m.End, main, m.Encoding)
	if m.TokenEnd > 0 {
		enc := m.Encoding
		if enc == "" {
			enc = "escaped" // of the token nothing is said but its place
		}
		checkPlace(t, data, m.TokenStart, m.TokenEnd, m.Key.Token.Reveal(), enc)
	}
	for i, c := range m.Secrets {
		checkPlace(t, data, c.Start, c.End, c.Secret.Reveal(), c.Encoding)
		if len(c.Secret.Reveal()) != secretLen || i == 0 && !m.Key.Secret.IsZero() && m.Key.Secret != c.Secret {
			t.Errorf("candidate %d is not a secret, or not the chosen one", i)
		}
	}
	if !m.Key.Secret.IsZero() && m.Key.ID != "" && (len(m.Secrets) == 0 || m.Secrets[0].Score < PairScore) {
		t.Error("a secret was chosen under PairScore")
	}
}

func checkPlace(t *testing.T, data []byte, start, end int, text, enc string) {
	t.Helper()
	if start < 0 || start >= end || end > len(data) {
		t.Errorf("a place [%d:%d] of %d bytes", start, end, len(data))
		return
	}
	part := data[start:end]
	switch enc {
	case "":
		if string(part) != text {
			t.Errorf("the bytes at [%d:%d] are not the text", start, end)
		}
	case "percent", "json", "html", "mixed", "escaped":
		plain := appendText(nil, data, start, end)
		if got := string(plain); got != strings.TrimRight(text, "=") {
			t.Errorf("the bytes at [%d:%d], read without escapes, are not the text", start, end)
		}
	default:
		// The text was decoded, which is tested elsewhere: here only that the
		// place is as long as the text needs.
		if len(part) < len(text) {
			t.Errorf("%d bytes of %s for a text of %d", len(part), enc, len(text))
		}
	}
}

// widened is text in UTF-16, ASCII only.
func widened(text string) string {
	return strings.Join(strings.Split(text, ""), "\x00") + "\x00"
}

// Hostile buffers must cost time in proportion to their length: sixteen times
// the data takes 256 times as long where the cost is quadratic. The limit
// leaves room for a busy machine.
func TestFindIsLinear(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	id := "AKIAJ" + string(draw(r, make([]byte, 15), base32Chars))
	secret := string(draw(r, make([]byte, 40), base64Chars))
	many := func(n int, one func() string) string {
		var b strings.Builder
		for b.Len() < n {
			b.WriteString(one())
		}
		return b.String()
	}
	hostile := map[string]func(n int) string{
		"marks in one run":   func(n int) string { return strings.Repeat("QUtJQ", n/5) },
		"marks on lines":     func(n int) string { return strings.Repeat(strings.Repeat("QUtJQUtJ", 8)+"\n", n/65) },
		"marks, short lines": func(n int) string { return strings.Repeat("QUtJQUtJQUtJQUtJQUtJQUtJQUtJ\n", n/29) },
		"encoded IDs":        func(n int) string { return strings.Repeat(base64.StdEncoding.EncodeToString([]byte(id))+"\n", n/29) },
		"one encoded block":  func(n int) string { return base64.StdEncoding.EncodeToString([]byte(strings.Repeat(id+" ", n/28))) },
		"backslashes":        func(n int) string { return strings.Repeat(`\`, n) },
		"percent signs":      func(n int) string { return strings.Repeat("%25", n/3) },
		"ampersands":         func(n int) string { return strings.Repeat("&", n) },
		"IDs":                func(n int) string { return strings.Repeat(id+"\n", n/21) },
		"secrets and an ID":  func(n int) string { return id + strings.Repeat("\n"+secret, n/41) },
		"different IDs": func(n int) string {
			return many(n, func() string { return "AKIAJ" + string(draw(r, make([]byte, 15), base32Chars)) + "\n" })
		},
		"different secrets": func(n int) string {
			return id + many(n, func() string { return "\n" + string(draw(r, make([]byte, 40), base64Chars)) })
		},
		"different pairs": func(n int) string {
			return many(n, func() string {
				return "AKIAJ" + string(draw(r, make([]byte, 15), base32Chars)) + ":" + string(draw(r, make([]byte, 40), base64Chars)) + "\n"
			})
		},
		"labels":           func(n int) string { return strings.Repeat("aws_secret_access_key=", n/22) },
		"user names":       func(n int) string { return strings.Repeat("-at-12345678901", n/15) },
		"literals":         func(n int) string { return strings.Repeat("amzn.mws.", n/9) },
		"wide marks":       func(n int) string { return strings.Repeat("A\x00K\x00I\x00", n/6) },
		"wide IDs":         func(n int) string { return strings.Repeat(widened(id+" "), n/42) },
		"digits":           func(n int) string { return strings.Repeat("414b4941", n/8) },
		"digits on lines":  func(n int) string { return strings.Repeat(strings.Repeat("414b4941", 8)+"\n", n/65) },
		"IDs in digits":    func(n int) string { return strings.Repeat(hex.EncodeToString([]byte(id+" ")), n/42) },
		"joints":           func(n int) string { return strings.Repeat(`A"+"`, n/4) + id },
		"prefixes":         func(n int) string { return strings.Repeat(`AKIA"+"`, n/7) },
		"tails":            func(n int) string { return strings.Repeat(`"`+id[4:], n/17) },
		"URL-safe":         func(n int) string { return strings.Repeat("QUtJQ_", n/6) },
		"spaces":           func(n int) string { return strings.Repeat(`A"`+strings.Repeat(" ", maxJoint), n/(maxJoint+2)) + id },
		"literals in runs": func(n int) string { return strings.Repeat("bedrock-api-key-"+secret, n/56) },
		"session tokens": func(n int) string {
			return many(n, func() string {
				return "ASIAJ" + string(draw(r, make([]byte, 15), base32Chars)) + " IQoJb3JpZ2luX2Vj" + string(draw(r, make([]byte, 120), base64Chars)) + "\n"
			})
		},
	}
	for name, make := range hostile {
		cost := func(n int) time.Duration {
			data, best := []byte(make(n)), time.Hour
			for range 3 {
				start := time.Now()
				Default().Find(nil, data)
				best = min(best, time.Since(start))
			}
			return best
		}
		// What is cheap shows its square only when there is more of it.
		const small, slack, least = 16 << 10, 6, 30 * time.Millisecond
		one, times := cost(small), 16
		if one < time.Millisecond {
			times = 64
		}
		many := cost(times * small)
		t.Logf("%-20s %8v %8v", name, one.Round(time.Microsecond), many.Round(time.Microsecond))
		if many > time.Duration(slack*times)*one && many > least {
			t.Errorf("%s: %d KB take %v, %d KB %v", name, small>>10, one, times*small>>10, many)
		}
	}
}

func TestDecodedIDsStandWhereTheyAre(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	id := "AKIAJ" + string(draw(r, make([]byte, 15), base32Chars))
	for lead := range 9 {
		enc := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("=", lead) + id + "\n"))
		data := []byte("x: " + enc)
		ms := Default().Find(nil, data)
		if len(ms) != 1 || ms[0].Encoding != "base64" {
			t.Errorf("lead %d: %d matches", lead, len(ms))
			continue
		}
		// The characters that hold the ID's bits, no more and no fewer.
		first := 3 + lead*8/6
		last := 3 + ((lead+keyIDLen)*8-1)/6 + 1
		if ms[0].Start != first || ms[0].End != last {
			t.Errorf("lead %d: match at [%d:%d], want [%d:%d]", lead, ms[0].Start, ms[0].End, first, last)
		}
		if !bytes.Equal(data[:3], []byte("x: ")) {
			t.Error("Find wrote into its data")
		}
	}
}
