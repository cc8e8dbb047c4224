package store

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/keyquench/keyquench/rules"
)

// Many is several places for the same pair, as one Store: it is put into all of
// them or none. Those that cannot be put back come last, so that a failure of the
// others is known before.
type Many struct {
	stores []Store
}

// NewMany joins stores. Two of the same name would undo each other.
func NewMany(stores ...Store) (*Many, error) {
	m := &Many{stores: slices.Clone(stores)}
	names := map[string]bool{}
	for _, s := range stores {
		if names[s.Name()] {
			return nil, specError(s.Name(), "the place is named twice", "")
		}
		names[s.Name()] = true
	}
	if len(stores) == 0 {
		return nil, specError("", "no place is named", "name one with --store")
	}
	slices.SortStableFunc(m.stores, func(a, b Store) int { return rank(a) - rank(b) })
	return m, nil
}

// ParseMany is Parse of several places.
func ParseMany(specs []string, o Options) (*Many, error) {
	var stores []Store
	for _, spec := range specs {
		s, err := Parse(spec, o)
		if err != nil {
			return nil, err
		}
		stores = append(stores, s)
	}
	return NewMany(stores...)
}

func rank(s Store) int {
	if i, ok := s.(interface{ irreversible() bool }); ok && i.irreversible() {
		return 1
	}
	return 0
}

// Name implements Store.
func (m *Many) Name() string {
	var names []string
	for _, s := range m.stores {
		names = append(names, s.Name())
	}
	return strings.Join(names, ", ")
}

// Calls implements Store.
func (m *Many) Calls() (list []string) {
	for _, s := range m.stores {
		list = append(list, s.Calls()...)
	}
	return list
}

// Accounts implements Store: those of all places. The error joins those of all.
func (m *Many) Accounts(ctx context.Context) (list []string, err error) {
	err = m.each(m.stores, func(s Store) error {
		accounts, err := s.Accounts(ctx)
		list = append(list, accounts...)
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

// Check implements Store. The error joins those of all places.
func (m *Many) Check(ctx context.Context) error {
	return m.each(m.stores, func(s Store) error { return s.Check(ctx) })
}

// Put implements Store. If one place fails, all are put back before it returns,
// also when ctx has ended; the error says what could not be.
func (m *Many) Put(ctx context.Context, key rules.Key, token string) error {
	for _, s := range m.stores {
		if err := s.Put(ctx, key, token); err != nil {
			return errors.Join(err, m.Restore(context.WithoutCancel(ctx)))
		}
	}
	return nil
}

// Promote implements Store. It stops at the first place that fails; Restore then
// puts back those before it too.
func (m *Many) Promote(ctx context.Context) error {
	for _, s := range m.stores {
		if err := s.Promote(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Get implements Store: the pair of the first place that has it. All are asked,
// so that each learns what is its own.
func (m *Many) Get(ctx context.Context, keyID string) (key rules.Key, ok bool, err error) {
	err = m.each(m.stores, func(s Store) error {
		k, found, err := s.Get(ctx, keyID)
		if found && ok && k != key {
			return &Error{Store: s.Name(), Op: "read back the pair", Err: errors.New("another place holds another secret for the same key ID")}
		}
		if found {
			key, ok = k, true
		}
		return err
	})
	return key, ok && err == nil, err
}

// Restore implements Store, from the last place to the first.
func (m *Many) Restore(ctx context.Context) error {
	back := slices.Clone(m.stores)
	slices.Reverse(back)
	return m.each(back, func(s Store) error { return s.Restore(ctx) })
}

func (m *Many) each(stores []Store, do func(Store) error) error {
	var all []error
	for _, s := range stores {
		all = append(all, do(s))
	}
	return errors.Join(all...)
}

// part is the state of one place.
type part struct {
	Store string
	State json.RawMessage
}

// State implements Store.
func (m *Many) State() (json.RawMessage, error) {
	var parts []part
	for _, s := range m.stores {
		state, err := s.State()
		if err != nil {
			return nil, err
		}
		parts = append(parts, part{s.Name(), state})
	}
	return json.Marshal(parts)
}

// Resume implements Store.
func (m *Many) Resume(state json.RawMessage) error {
	parts, err := resume[[]part](m.Name(), state)
	if err != nil {
		return err
	}
	for i, s := range m.stores {
		if len(parts) != len(m.stores) || parts[i].Store != s.Name() {
			return &Error{Store: m.Name(), Op: "read what was remembered", Err: errors.New("it is about other places"), hint: "name the same places, in the same order, as the case began with"}
		}
		if err := s.Resume(parts[i].State); err != nil {
			return err
		}
	}
	return nil
}
