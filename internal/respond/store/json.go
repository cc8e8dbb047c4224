package store

import (
	"encoding/json"
	"errors"
	"strings"
)

// errNoObject is for a value that is no JSON object.
var errNoObject = errors.New("the value is not a JSON object")

// member is one field of a JSON object: its value is text[start:end].
type member struct {
	name       string
	start, end int
}

// members reads the fields of a JSON object, and where the object ends. The
// values are found, not decoded: what is not ours stays as it was written, order,
// numbers and spaces too.
func members(text string) (list []member, end int, err error) {
	if !json.Valid([]byte(text)) {
		return nil, 0, errNoObject
	}
	d := json.NewDecoder(strings.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, 0, errNoObject
	}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, 0, errNoObject
		}
		name, ok := t.(string)
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil || !ok {
			return nil, 0, errNoObject
		}
		at := int(d.InputOffset())
		list = append(list, member{name, at - len(raw), at})
	}
	if _, err := d.Token(); err != nil {
		return nil, 0, errNoObject
	}
	return list, int(d.InputOffset()), nil
}

// setFields writes values into the fields of a JSON object and leaves all other
// bytes as they are. Fields that are not there are added at the end.
func setFields(text string, fields, values [2]string) (string, error) {
	for i := range fields {
		list, end, err := members(text)
		if err != nil {
			return "", err
		}
		value, err := json.Marshal(values[i])
		if err != nil {
			return "", err
		}
		m, ok, err := find(text, list, fields[i])
		switch {
		case err != nil:
			return "", err
		case ok:
			text = text[:m.start] + string(value) + text[m.end:]
			continue
		}
		name, err := json.Marshal(fields[i])
		if err != nil {
			return "", err
		}
		comma := ""
		if len(list) > 0 {
			comma, end = ",", list[len(list)-1].end+1
		}
		text = text[:end-1] + comma + string(name) + ":" + string(value) + text[end-1:]
	}
	return text, nil
}

// find gives the one field of that name. A name that stands twice is read by some
// programs at its first place and by others at its last.
func find(text string, list []member, name string) (found member, ok bool, err error) {
	for _, m := range list {
		if m.name != name {
			continue
		}
		if ok {
			return m, false, errors.New("a field for the pair stands twice in the value")
		}
		if c := text[m.start]; c != '"' && c != 'n' {
			return m, false, errors.New("a field for the pair is neither text nor null in the value")
		}
		found, ok = m, true
	}
	return found, ok, nil
}

// getFields reads two fields of a JSON object; ok is false if one is not there.
func getFields(text string, fields [2]string) (values [2]string, ok bool, err error) {
	list, _, err := members(text)
	if err != nil {
		return values, false, err
	}
	for i := range fields {
		m, ok, err := find(text, list, fields[i])
		if err != nil || !ok {
			return values, false, err
		}
		if json.Unmarshal([]byte(text[m.start:m.end]), &values[i]) != nil {
			return values, false, errNoObject
		}
	}
	return values, true, nil
}
