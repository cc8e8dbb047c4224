package scanner

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/rules/rulestest"
)

// broken is a Source that gives one part and then fails.
type broken struct{ first Blob }

var errBroken = errors.New("the disk is gone")

func (b broken) Parts(context.Context) iter.Seq2[Part, error] {
	return func(yield func(Part, error) bool) {
		if yield(once(b.first), nil) {
			yield(nil, errBroken)
		}
	}
}

func TestAFailedSourceKeepsNoFindingBack(t *testing.T) {
	r := rulestest.Rand(30)
	early, late := newKey(r), newKey(r)
	var found []string
	var s Scanner
	_, err := s.Scan(t.Context(), func(f Finding) error { found = append(found, f.Key.ID); return nil },
		broken{Blob{Path: "early", Data: []byte(early.lines())}}, Stream("late", strings.NewReader(late.lines())))
	if !errors.Is(err, errBroken) {
		t.Errorf("Scan = %v, want %v", err, errBroken)
	}
	slices.Sort(found)
	if want := slices.Sorted(slices.Values([]string{early.id, late.id})); !slices.Equal(found, want) {
		t.Errorf("found %v, want %v", found, want)
	}
}

func TestSkipsAreCountedNamedAndCapped(t *testing.T) {
	var list []error
	for i := range 3 * MaxSkips {
		list = append(list, &SkipError{fmt.Sprintf("file %05d", 3*MaxSkips-i), errBroken})
	}
	for _, workers := range []int{1, 4} {
		s := Scanner{Workers: workers}
		sum, err := s.Scan(t.Context(), func(Finding) error { return nil }, partsOf(list))
		if err != nil || !sum.Incomplete() || sum.Skipped != int64(len(list)) || len(sum.Skips) != MaxSkips {
			t.Fatalf("Skipped %d, named %d, %v", sum.Skipped, len(sum.Skips), err)
		}
		if first, last := sum.Skips[0].What, sum.Skips[MaxSkips-1].What; first != "file 00001" || last != fmt.Sprintf("file %05d", MaxSkips) {
			t.Errorf("%d workers: named from %q to %q", workers, first, last)
		}
	}
}

// partsOf is a Source with a part for each 100 errors.
type partsOf []error

func (p partsOf) Parts(context.Context) iter.Seq2[Part, error] {
	return func(yield func(Part, error) bool) {
		for chunk := range slices.Chunk(p, 100) {
			if !yield(errorsPart(chunk), nil) {
				return
			}
		}
	}
}

func TestSecretsOfOneKeyAreOneFinding(t *testing.T) {
	r := rulestest.Rand(31)
	k := newKey(r)
	dir := t.TempDir()
	for name, text := range map[string]string{
		"pair":   k.lines(),
		"id":     "key: " + k.id + "\n",
		"secret": "\naws_secret_access_key = " + k.secret + "\n",
	} {
		if err := os.WriteFile(dir+"/"+name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	found, _ := scanAll(t, 2, Folder(dir))
	f := found[k.id]
	var places []string
	for _, p := range f.Places {
		places = append(places, fmt.Sprint(p.Path, ":", p.At.Line))
	}
	if want := []string{"id:1", "pair:1", "secret:2"}; len(found) != 1 || !slices.Equal(places, want) {
		t.Errorf("%d findings, places %v, want one at %v", len(found), places, want)
	}
}
