package respond

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/keyquench/keyquench/internal/ledger"
	"github.com/keyquench/keyquench/rules"
)

// The kinds of entries that respond writes, and in this order: one plan; for each
// step an intent and an outcome; more when steps are found on the way; at the end
// done or failed. A case that ends in neither was interrupted, and the same
// command goes on with it.
const (
	KindPlan    = "plan"
	KindMore    = "more"
	KindIntent  = "intent"
	KindOutcome = "outcome"
	KindWaiting = "waiting"
	KindDone    = "done"
	KindFailed  = "failed"
	KindUndone  = "undone"
)

// intent is written before a call.
type intent struct {
	Step  int      `json:"step"`
	Op    Op       `json:"op"`
	Actor string   `json:"actor"`
	Calls []string `json:"calls"`
	// Keys are the user's before one is made: what appears beside them is ours.
	Keys []string `json:"keys,omitempty"`
	// Document takes the place of the step's: it holds a time.
	Document string `json:"document,omitempty"`
	at       time.Time
}

// How a step ended.
const (
	resultDone    = "done"    // the call was made
	resultFound   = "found"   // it was made, its answer was lost, and the account shows it
	resultAlready = "already" // it was so before
	resultFailed  = "failed"
	resultUnknown = "unknown" // no answer, and the account could not be read
	resultLost    = "lost"    // a new key whose secret nobody has; it was deleted
)

// result is written after a call.
type result struct {
	Step   int    `json:"step"`
	Op     Op     `json:"op"`
	Result string `json:"result"`
	// State is what was read back; of a new key, its ID.
	State  string `json:"state,omitempty"`
	Error  string `json:"error,omitempty"`
	Millis int64  `json:"ms"`
	// Memory is what a store needs to go on or back in another process.
	Memory json.RawMessage `json:"memory,omitempty"`
}

// reached tells whether the step's state is reached.
func (o result) reached() bool {
	return o.Result == resultDone || o.Result == resultFound || o.Result == resultAlready
}

// changed tells whether the case changed something by it.
func (o result) changed() bool { return o.Result == resultDone || o.Result == resultFound }

// history is a case as the ledger has it.
type history struct {
	plan    *Plan
	intents map[int]intent
	results map[int]result
	last    string // kind of the last entry
	undone  bool
}

// forget takes back what was done with a new key that is lost: it was made at
// step i, and what comes behind was done with it.
func (h *history) forget(i int) {
	delete(h.intents, i)
	for j := i + 1; j < len(h.plan.Steps); j++ {
		delete(h.results, j)
		delete(h.intents, j)
	}
}

// open tells whether the case waits to be gone on with.
func (h *history) open() bool {
	return h.last != KindDone && h.last != KindFailed && h.last != KindUndone
}

// keeper writes and reads cases.
type keeper struct {
	ledger Record
	now    func() time.Time
	by     string
}

// write appends an entry. An error means that nothing may be done.
func (k *keeper) write(ctx context.Context, p *Plan, kind string, data any) error {
	return k.writeTo(ctx, p, p.Case, kind, data)
}

func (k *keeper) writeTo(ctx context.Context, p *Plan, id, kind string, data any) error {
	text, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	text = []byte(rules.Cover(string(text), p.target.Key.Secret, p.target.Key.Token)) // AWS may quote what it was sent
	// What was done is written down also when the user wants to stop.
	_, err = k.ledger.Append(context.WithoutCancel(ctx), ledger.Entry{
		At: k.now().UTC(), Case: id, KeyID: p.KeyID, Account: p.Account, Kind: kind, By: k.by, Data: text,
	})
	return err
}

// read gives the cases that f chooses, in the order in which they began.
func (k *keeper) read(ctx context.Context, f ledger.Filter) (ids []string, cases map[string]*history, err error) {
	cases = map[string]*history{}
	for e, err := range k.ledger.Entries(ctx, f) {
		if err != nil {
			return nil, nil, err
		}
		if err := add(cases, &ids, e); err != nil {
			return nil, nil, fmt.Errorf("read entry %d of the ledger: %w", e.Seq, err)
		}
	}
	return ids, cases, nil
}

func add(cases map[string]*history, ids *[]string, e ledger.Entry) error {
	h := cases[e.Case]
	if h == nil {
		if e.Kind != KindPlan {
			return nil // others write into the ledger, too
		}
		h = &history{plan: new(Plan), intents: map[int]intent{}, results: map[int]result{}}
		if err := json.Unmarshal(e.Data, h.plan); err != nil {
			return err
		}
		h.plan.Case = e.Case
		cases[e.Case] = h
		*ids = append(*ids, e.Case)
	}
	switch e.Kind {
	case KindIntent:
		i := intent{at: e.At}
		if err := json.Unmarshal(e.Data, &i); err != nil {
			return err
		}
		h.intents[i.Step] = i
		if i.Document != "" && i.Step < len(h.plan.Steps) {
			h.plan.Steps[i.Step] = h.plan.Steps[i.Step].with(i.Document)
		}
	case KindOutcome:
		var o result
		if err := json.Unmarshal(e.Data, &o); err != nil {
			return err
		}
		h.results[o.Step] = o
		if o.Result == resultLost {
			h.forget(o.Step)
		}
	case KindMore:
		var more []Step
		if err := json.Unmarshal(e.Data, &more); err != nil {
			return err
		}
		h.plan.Steps = append(h.plan.Steps, more...)
	case KindUndone:
		h.undone = true
	case KindPlan, KindWaiting, KindDone, KindFailed:
		// Nothing in them is needed to go on.
	default:
		return nil
	}
	h.last = e.Kind
	return nil
}

// last finds a key's newest case of a deed, or nil.
func (k *keeper) last(ctx context.Context, d Deed, keyID, undoes string) (*history, error) {
	ids, cases, err := k.read(ctx, ledger.Filter{KeyID: keyID})
	if err != nil {
		return nil, err
	}
	for _, id := range slices.Backward(ids) {
		if h := cases[id]; h.plan.Deed == d && h.plan.Undoes == undoes {
			return h, nil
		}
	}
	return nil, nil
}

// count is how many entries there are on a key.
func (k *keeper) count(ctx context.Context, keyID string) (n int, err error) {
	for _, err := range k.ledger.Entries(ctx, ledger.Filter{KeyID: keyID}) {
		if err != nil {
			return 0, err
		}
		n++
	}
	return n, nil
}

// interrupted finds the case of a key that was begun and has no end, or nil.
func (k *keeper) interrupted(ctx context.Context, d Deed, keyID, undoes string) (*history, error) {
	h, err := k.last(ctx, d, keyID, undoes)
	if h == nil || err != nil || !h.open() {
		return nil, err
	}
	return h, nil
}

// newKey is the ID of the key that a rotation made, or "".
func (h *history) newKey() string {
	for i, s := range h.plan.Steps {
		if s.Op == opNewKey && h.results[i].reached() {
			return h.results[i].State
		}
	}
	return ""
}

// caseOf reads one case.
func (k *keeper) caseOf(ctx context.Context, id string) (*history, error) {
	_, cases, err := k.read(ctx, ledger.Filter{Case: id})
	if err != nil {
		return nil, err
	}
	if h := cases[id]; h != nil {
		return h, nil
	}
	return nil, &Error{fmt.Sprintf("the ledger has no case %q", id), "keyquench ledger list shows them", nil}
}

// newCase names a case: the day, so that people can sort them, and chance.
func newCase(now time.Time) string {
	var b [5]byte
	_, _ = rand.Read(b[:]) // never fails
	return now.UTC().Format("20060102") + "-" + strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))
}
