package rules_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/rules/rulestest"
)

// TestFindIsQuiet renders each sample that holds no credential with fresh
// noise: nothing may be found in any of them.
func TestFindIsQuiet(t *testing.T) {
	const rounds = 200
	files, err := filepath.Glob("testdata/quiet/*.tmpl")
	if err != nil || len(files) < 15 {
		t.Fatalf("quiet samples: %d files, %v", len(files), err)
	}
	for i, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for round := range rounds {
			tp := &template{r: rulestest.Rand(uint64(1_000_000 + i*1000 + round)), pairs: map[string]*wantPair{}}
			data := tp.fill(string(text))
			matches := rules.Default().Find(nil, []byte(data))
			for _, m := range matches {
				t.Errorf("%s round %d: Find = %s %q at %d, want nothing", filepath.Base(file), round, m.Rule.ID, data[m.Start:m.End], m.Start)
			}
			if len(matches) > 0 {
				break
			}
		}
	}
}
