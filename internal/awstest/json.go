package awstest

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// These read the parameters of a JSON request. A parameter of another type than
// the API has is refused by name.

func badRequest(code, format string, args ...any) *apiError {
	return fail(http.StatusBadRequest, code, format, args...)
}

// text is a string parameter, "" where it is not given.
func (r *request) text(name string) string {
	s, _ := r.input[name].(string)
	return s
}

// flag is a boolean parameter.
func (r *request) flag(name string) bool {
	b, _ := r.input[name].(bool)
	return b
}

// number is a whole number, or standard where it is not given.
func (r *request) number(name string, standard int) int {
	n, ok := r.input[name].(json.Number)
	if !ok {
		return standard
	}
	i, err := strconv.Atoi(n.String())
	if err != nil {
		return standard
	}
	return i
}

// listed is a list of strings.
func (r *request) listed(name string) (list []string) {
	values, _ := r.input[name].([]any)
	for _, v := range values {
		if s, ok := v.(string); ok {
			list = append(list, s)
		}
	}
	return list
}

// only refuses parameters of wrong types and those that the operation does not
// have: the real ones ignore some of those, which would hide a mistake.
func (r *request) only(kinds map[string]string) *apiError {
	for name, value := range r.input {
		kind, ok := kinds[name]
		if !ok {
			return badRequest("SerializationException", "%s has no parameter %s here", r.action, name)
		}
		switch value.(type) {
		case nil:
			ok = true
		case string:
			ok = kind == "string"
		case bool:
			ok = kind == "bool"
		case json.Number:
			ok = kind == "number"
		case []any:
			ok = kind == "list"
		default:
			ok = kind == "map"
		}
		if !ok {
			return badRequest("SerializationException", "%s is no %s", name, kind)
		}
	}
	return nil
}
