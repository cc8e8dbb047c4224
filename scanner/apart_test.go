package scanner

import (
	"fmt"
	"testing"

	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/rules/rulestest"
	"github.com/keyquench/keyquench/scanner/internal/gittest"
)

// Pairs whose halves stand in different objects are put together, and those that
// could be somebody else's are only told as candidates.
func TestHalvesThatStandApartArePaired(t *testing.T) {
	tests := []struct {
		name     string
		build    func(g *gittest.Repo, k, other key)
		believed bool
		found    bool // among the candidates
		path     string
	}{
		{"two files of a directory, no label", func(g *gittest.Repo, k, _ key) {
			g.Write("creds/id", k.id+"\n")
			g.Write("creds/key", k.secret+"\n")
			g.Commit("both")
		}, true, true, "creds/key"},
		{"two directories of a commit, labelled", func(g *gittest.Repo, k, _ key) {
			g.Write("a/id.txt", k.id+"\n")
			g.Write("b/c/secret.yml", "aws_secret_access_key: "+k.secret+"\n")
			g.Commit("both")
		}, true, true, "b/c/secret.yml"},
		{"the secret in the message", func(g *gittest.Repo, k, _ key) {
			g.Write("id.txt", k.id+"\n")
			g.Commit("deploy\n\nthe secret key is " + k.secret)
		}, true, true, ""},
		{"the ID in the message", func(g *gittest.Repo, k, _ key) {
			g.Write("s.txt", "aws_secret_access_key = "+k.secret+"\n")
			g.Commit("for key " + k.id)
		}, true, true, "s.txt"},
		{"the ID first, its secret in its place later", func(g *gittest.Repo, k, _ key) {
			g.Write("conf", "access_key = "+k.id+"\n")
			g.Commit("id")
			g.Write("conf", "aws_secret_access_key = "+k.secret+"\n")
			g.Commit("secret")
		}, true, true, "conf"},
		{"the secret in the next directory, later", func(g *gittest.Repo, k, _ key) {
			g.Write("d/id", k.id+"\n")
			g.Commit("id")
			g.Write("d/key", "aws_secret_access_key = "+k.secret+"\n")
			g.Commit("secret")
		}, true, true, "d/key"},
		{"two secrets that are as good", func(g *gittest.Repo, k, other key) {
			g.Write("d/id", k.id+"\n")
			g.Write("d/key", k.secret+"\n")
			g.Write("d/yek", other.secret+"\n")
			g.Commit("three")
		}, false, true, ""},
		{"two IDs and one secret", func(g *gittest.Repo, k, other key) {
			g.Write("d/id", k.id+"\n")
			g.Write("d/di", other.id+"\n")
			g.Write("d/key", k.secret+"\n")
			g.Commit("three")
		}, false, true, ""},
		{"the secret of an ID beside it", func(g *gittest.Repo, k, other key) {
			g.Write("d/id", k.id+"\n")
			g.Write("d/pair", other.id+"\n"+k.secret+"\n")
			g.Commit("both")
		}, false, false, ""},
		{"without a label, in another directory", func(g *gittest.Repo, k, _ key) {
			g.Write("d/id", k.id+"\n")
			g.Write("e/key", k.secret+"\n")
			g.Commit("both")
		}, false, true, ""},
		{"another commit, another directory", func(g *gittest.Repo, k, _ key) {
			g.Write("d/id", k.id+"\n")
			g.Commit("one")
			g.Write("e/key", k.secret+"\n")
			g.Commit("two")
		}, false, false, ""},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := rulestest.Rand(uint64(800 + i))
			k, other := newKey(r), newKey(r)
			g := gittest.New(t)
			g.Write("README", "nothing\n")
			g.Commit("start")
			tt.build(g, k, other)
			found, _ := scanAll(t, 1, openRepo(t, g.Dir).History())
			f, ok := found[k.id]
			if !ok {
				t.Fatalf("the ID is not found: %v", found)
			}
			secret := rules.NewSecret(k.secret)
			if (f.Key.Secret == secret) != tt.believed {
				t.Errorf("the secret is believed: %t, want %t; candidates %v", f.Key.Secret == secret, tt.believed, f.Secrets)
			}
			listed := false
			for _, c := range f.Secrets {
				listed = listed || c.Secret == secret
			}
			if listed != tt.found {
				t.Errorf("the secret is among the candidates: %t, want %t: %v", listed, tt.found, f.Secrets)
			}
			if _, alone := found["secret "+secret.Masked()]; alone && tt.believed {
				t.Errorf("the secret is a finding of its own too")
			}
			has := false
			for _, p := range f.Places {
				has = has || p.Path == tt.path && p.Commit != nil
			}
			if tt.believed && !has {
				t.Errorf("no place is %q: %+v", tt.path, f.Places)
			}
			c := testCache(t)
			sameAsWithout(t, "first", g.Dir, c)
			if use, sum := sameAsWithout(t, "second", g.Dir, c); use.Objects != sum.Objects.Total() {
				t.Errorf("second scan: %+v", use)
			}
			checkNoSecrets(t, c, []key{k, other})
		})
	}
}

// However much lies around an ID, few candidates are told.
func TestCandidatesThatStandApartAreFew(t *testing.T) {
	r := rulestest.Rand(900)
	g := gittest.New(t)
	k := newKey(r)
	g.Write("d/id", k.id+"\n")
	for i := range 200 {
		g.Write(fmt.Sprintf("d/s%d", i), newKey(r).secret+"\n")
	}
	g.Commit("all")
	found, _ := scanAll(t, 1, openRepo(t, g.Dir).History())
	if f := found[k.id]; len(f.Secrets) != rules.MaxSecrets || !f.Key.Secret.IsZero() {
		t.Errorf("%d candidates, believed %v; want %d and none", len(f.Secrets), f.Key.Secret, rules.MaxSecrets)
	}
}
