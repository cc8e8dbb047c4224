package hooks

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Update is one ref that a push changes. Object names are in full, and empty
// for none.
type Update struct {
	Ref string // its name where it arrives
	Old string // what it names there now
	New string // what it shall name; "" deletes it
}

// maxUpdates bounds how many refs a push may have: ten times those of the
// largest repositories known.
const maxUpdates = 1 << 21

// maxLine bounds a line of a hook's input: no file system has longer names.
const maxLine = 16 << 10

var errUpdate = errors.New("what git gave the hook is not understood")

// PushUpdates reads what git gives to pre-push (githooks(5)): a line a ref,
// "local-ref SP local-object SP remote-ref SP remote-object".
func PushUpdates(r io.Reader) ([]Update, error) {
	return readUpdates(r, func(f []string) (Update, error) {
		if len(f) != 4 {
			return Update{}, errUpdate
		}
		return newUpdate(f[2], f[3], f[1])
	})
}

// ReceiveUpdates reads what git gives to pre-receive (githooks(5)): a line a
// ref, "old-object SP new-object SP ref".
func ReceiveUpdates(r io.Reader) ([]Update, error) {
	return readUpdates(r, func(f []string) (Update, error) {
		if len(f) != 3 {
			return Update{}, errUpdate
		}
		return newUpdate(f[2], f[0], f[1])
	})
}

func readUpdates(r io.Reader, parse func([]string) (Update, error)) (list []Update, err error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		// Names of refs hold no spaces (git-check-ref-format(1)).
		u, err := parse(strings.Split(lines.Text(), " "))
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", len(list)+1, err)
		}
		if list = append(list, u); len(list) > maxUpdates {
			return nil, fmt.Errorf("more than %d refs: %w", maxUpdates, errUpdate)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("line %d: %w", len(list)+1, err)
	}
	return list, nil
}

func newUpdate(ref, before, after string) (u Update, err error) {
	u.Ref = ref
	if u.Old, err = objectName(before); err == nil {
		u.New, err = objectName(after)
	}
	if err == nil && (ref == "" || len(before) != len(after)) {
		err = errUpdate
	}
	return u, err
}

// objectName takes a full name of an object, SHA-1's or SHA-256's; all zeros are
// none.
func objectName(s string) (string, error) {
	if len(s) != 40 && len(s) != 64 || strings.Trim(s, "0123456789abcdef") != "" {
		return "", errUpdate
	}
	if strings.Trim(s, "0") == "" {
		return "", nil
	}
	return s, nil
}
