package scanner

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/rules/rulestest"
	"github.com/keyquench/keyquench/scanner/internal/gittest"
)

// churn makes a repository whose files change in the ways that could hide a key
// from a walk that looks only at what a delta inserts: keys cut in two and
// joined again, labels edited beside a value that stays, blocks of lines put in
// another order, pieces of keys in every version.
func churn(t testing.TB, seed uint64, commits int) *gittest.Repo {
	t.Helper()
	r := rulestest.Rand(seed)
	g := gittest.New(t)
	files := make([][]string, 40)
	for i := range files {
		for k := range 60 {
			files[i] = append(files[i], fmt.Sprintf("line %d of file %d: %s", k, i, rulestest.Text(r, rulestest.LowerAlphabet, 30)))
		}
	}
	var in strings.Builder // for git fast-import: one process, not one a commit
	labels := []string{"aws_secret_access_key = ", "secret = ", "aws secret: ", "checksum = ", "token: ", "aws_session_token = ", "# "}
	for c := range commits {
		message := fmt.Sprint("commit ", c)
		fmt.Fprintf(&in, "commit refs/heads/main\ncommitter C <c@example.com> %d +0000\ndata %d\n%s\n", 1_600_000_000+60*c, len(message), message)
		for range 1 + r.IntN(3) {
			i := r.IntN(len(files))
			files[i] = editLines(r, files[i], labels)
			if len(files[i]) > 150 {
				files[i] = files[i][r.IntN(40):]
			}
			text := strings.Join(files[i], "\n")
			fmt.Fprintf(&in, "M 100644 inline f%d\ndata %d\n%s\n", i, len(text), text)
		}
	}
	g.GitIn(in.String(), "fast-import", "--quiet")
	return g
}

// editLines edits one file once.
func editLines(r *rand.Rand, lines, labels []string) []string {
	at := r.IntN(len(lines))
	k := newKey(r)
	insert := func(text ...string) { lines = slices.Insert(lines, min(at, len(lines)), text...) }
	switch r.IntN(22) {
	default: // all values out: the next change starts from a clean file
		lines = slices.DeleteFunc(lines, func(l string) bool { return len(l) > 40 && !strings.HasPrefix(l, "line") })
		insert("a new line")
	case 0:
		insert("aws_access_key_id = "+k.id, "aws_secret_access_key = "+k.secret)
	case 1: // a value with a label that may not count
		insert(labels[r.IntN(len(labels))] + k.secret)
	case 2: // half a value, to be completed or not
		insert("half " + k.id[:10+r.IntN(10)])
	case 3: // another label before a value that stands here already
		for i, l := range lines {
			if _, value, ok := strings.Cut(l, "= "); ok {
				lines[i] = labels[r.IntN(len(labels))] + value
			}
		}
	case 4: // one byte of a line
		if b := []byte(lines[at]); len(b) > 0 {
			b[r.IntN(len(b))] = rulestest.Base64Alphabet[r.IntN(64)]
			lines[at] = string(b)
		}
	case 5: // a piece taken out of a line
		if n := len(lines[at]); n > 4 {
			from := r.IntN(n - 2)
			lines[at] = lines[at][:from] + lines[at][from+1+r.IntN(min(8, n-from-1)):]
		}
	case 6: // two lines joined, which may complete a key
		if at+1 < len(lines) {
			lines[at] += lines[at+1]
			lines = slices.Delete(lines, at+1, at+2)
		}
	case 7: // blocks in another order
		cut := r.IntN(len(lines))
		lines = slices.Concat(lines[cut:], lines[:cut])
	case 9: // in pieces, which a later edit may part or complete
		cut := 1 + r.IntN(len(k.id)-1)
		insert("id = \""+k.id[:cut]+"\" +", "   \""+k.id[cut:]+"\"", "secret = \""+k.secret+"\"")
	case 10:
		insert("half \""+k.id[:4+r.IntN(8)]+"\" + \"", k.id[r.IntN(12):]+"\"")
	case 11:
		insert("dump " + hex.EncodeToString([]byte(k.id+" "+k.secret)))
	case 12: // UTF-16, as far as the line goes
		insert(strings.Join(strings.Split("key "+k.id+" "+k.secret, ""), "\x00"))
	case 13:
		var b strings.Builder
		for _, c := range []byte(k.id + ":" + k.secret) {
			fmt.Fprintf(&b, "%%%02X", c)
		}
		insert(b.String())
	case 8:
		insert("aws_session_token = "+rulestest.Token(r), "key "+rulestest.KeyID(r, "ASIA"))
	}
	return lines
}

// place3 is a match as the walk and a full scan must both see it.
type place3 struct {
	object string
	offset int
	rule   string
}

// What is found in deltas by looking at what changed is what is found by
// looking at every object as a whole: same object, same offset, same rule.
func TestDeltaWalkLosesNothing(t *testing.T) {
	total := 0
	for seed, repack := range [][]string{
		{"repack", "-adfq", "--depth=50", "--window=50"},
		{"repack", "-adfq", "--depth=250", "--window=250"},
		{"repack", "-adfq", "--depth=4", "--window=250"},
		{"-c", "repack.useDeltaBaseOffset=false", "repack", "-adfq", "--depth=100", "--window=100"},
	} {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			commits := 800
			if testing.Short() {
				commits = 300
			}
			g := churn(t, uint64(50+seed), commits)
			g.Git(repack...)
			want := map[place3]int{}
			for o, content := range g.Objects() {
				if o.Kind == "tree" {
					continue
				}
				for _, m := range rules.Default().Find(nil, []byte(content)) {
					want[place3{o.ID, m.Start, m.Rule.ID}]++
				}
			}
			run := &scan{set: rules.Default(), workers: 2, meter: new(Meter)}
			if err := run.read(t.Context(), openRepo(t, g.Dir).History()); err != nil {
				t.Fatal(err)
			}
			got := map[place3]int{}
			for _, h := range run.hits {
				got[place3{h.blob.ID.String(), h.match.Start, h.match.Rule.ID}]++
			}
			for p, n := range want {
				if got[p] != n {
					t.Errorf("%v: the walk finds %d, a full scan %d", p, got[p], n)
				}
			}
			if len(got) != len(want) {
				t.Errorf("the walk finds %d places, a full scan %d", len(got), len(want))
			}
			total += len(want)
			t.Logf("%d places in %d objects", len(want), run.sum.Blobs)
		})
	}
	if total < 2000 && !testing.Short() {
		t.Errorf("only %d places: too few to tell", total)
	}
}
