package respond

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/internal/ledger"
)

// frail is a ledger whose nth entry, and all behind it, cannot be written.
type frail struct {
	Record
	left int
}

var errFull = errors.New("no space left on device")

func (f *frail) Append(ctx context.Context, e ledger.Entry) (ledger.Entry, error) {
	if f.left == 0 {
		return e, errFull
	}
	f.left--
	return f.Record.Append(ctx, e)
}

// When the record cannot be written, nothing is done that is not in it as an
// intent; and when it can be again, the same command finishes.
func TestNothingIsDoneWithoutARecord(t *testing.T) {
	for _, j := range journeys() {
		for n := 0; ; n++ {
			s := newScene(t)
			j.setup(s)
			whole := s.options.Ledger
			before := world(s)
			weak := &frail{whole, n}
			s.options.Ledger = weak
			place := &shelf{}
			out, err := j.do(s, place)
			s.options.Ledger = whole
			at := fmt.Sprintf("%s, entry %d not written", j.name, n)
			if err == nil {
				if n < 4 || j.done(s, place) != "" {
					t.Errorf("%s: no error, %+v", at, out)
				}
				break
			}
			if !errors.Is(err, errFull) && !strings.Contains(err.Error(), errFull.Error()) {
				t.Errorf("%s: error %v, want the cause", at, err)
			}
			if n < 2 && (len(s.writes()) > 0 || world(s) != before) {
				t.Errorf("%s: %v was called, without plan and intent", at, s.writes())
			}
			intents := 0
			for _, kind := range s.record(s.key.ID) {
				if kind == KindIntent {
					intents++
				}
			}
			if got := len(s.writes()); got > intents {
				t.Errorf("%s: %d calls %v and %d intents", at, got, s.writes(), intents)
			}
			if _, err := j.do(s, place); err != nil || j.done(s, place) != "" {
				t.Errorf("%s, once more: %v; %s", at, err, j.done(s, place))
			}
			j.strays(s, at, place)
		}
	}
}
