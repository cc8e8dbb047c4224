package awstest

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// operators compare a request's value with one of a policy's. Those with "Not"
// are the denial of the one without, over all values.
var operators = map[string]func(want, got string) bool{
	"StringEquals":             func(want, got string) bool { return want == got },
	"StringEqualsIgnoreCase":   strings.EqualFold,
	"StringLike":               wild,
	"NumericEquals":            numeric(func(c int) bool { return c == 0 }),
	"NumericLessThan":          numeric(func(c int) bool { return c < 0 }),
	"NumericLessThanEquals":    numeric(func(c int) bool { return c <= 0 }),
	"NumericGreaterThan":       numeric(func(c int) bool { return c > 0 }),
	"NumericGreaterThanEquals": numeric(func(c int) bool { return c >= 0 }),
	"DateEquals":               date(func(c int) bool { return c == 0 }),
	"DateLessThan":             date(func(c int) bool { return c < 0 }),
	"DateLessThanEquals":       date(func(c int) bool { return c <= 0 }),
	"DateGreaterThan":          date(func(c int) bool { return c > 0 }),
	"DateGreaterThanEquals":    date(func(c int) bool { return c >= 0 }),
	"Bool":                     strings.EqualFold,
	"ArnEquals":                wildARN,
	"ArnLike":                  wildARN,
	"IpAddress":                inNetwork,
}

// negated are the operators that deny another.
var negated = map[string]string{
	"StringNotEquals":           "StringEquals",
	"StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
	"StringNotLike":             "StringLike",
	"NumericNotEquals":          "NumericEquals",
	"DateNotEquals":             "DateEquals",
	"ArnNotEquals":              "ArnEquals",
	"ArnNotLike":                "ArnLike",
	"NotIpAddress":              "IpAddress",
}

// bare is the operator without what modifies it.
func bare(op string) (name string, ifExists, every, some bool) {
	op, every = strings.CutPrefix(op, "ForAllValues:")
	op, some = strings.CutPrefix(op, "ForAnyValue:")
	name, ifExists = strings.CutSuffix(op, "IfExists")
	return name, ifExists, every, some
}

func knownOperator(op string) bool {
	name, _, _, _ := bare(op)
	_, not := negated[name]
	return operators[name] != nil || not || name == "Null"
}

// conditions tells whether all of the statement's conditions hold.
func (st *statement) conditions(ctx conditionKeys) bool {
	for op, keys := range st.Condition {
		for key, values := range keys {
			if !holds(op, values, strings.ToLower(key), ctx) {
				return false
			}
		}
	}
	return true
}

// holds judges one condition. A key that the request does not have fails it,
// unless the operator denies, or ends in IfExists, or asks about all values.
func holds(op string, values texts, key string, ctx conditionKeys) bool {
	name, ifExists, every, _ := bare(op)
	got, has := ctx[key]
	if name == "Null" {
		return slices.ContainsFunc(values, func(v string) bool { return strings.EqualFold(v, boolText(!has)) })
	}
	base, not := negated[name]
	if !not {
		base = name
	}
	if !has {
		return ifExists || not || every
	}
	compare := operators[base]
	found := slices.ContainsFunc(values, func(want string) bool { return compare(expand(want, ctx), got) })
	return found != not
}

func numeric(ok func(int) bool) func(want, got string) bool {
	return func(want, got string) bool {
		w, err := strconv.ParseFloat(want, 64)
		g, err2 := strconv.ParseFloat(got, 64)
		if err != nil || err2 != nil {
			return false
		}
		switch {
		case g < w:
			return ok(-1)
		case g > w:
			return ok(1)
		}
		return ok(0)
	}
}

func date(ok func(int) bool) func(want, got string) bool {
	return func(want, got string) bool {
		w, known := parseDate(want)
		g, known2 := parseDate(got)
		return known && known2 && ok(g.Compare(w))
	}
}

// parseDate reads a date as policies may have it: ISO 8601, or seconds.
func parseDate(text string) (time.Time, bool) {
	for _, form := range []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02"} {
		if t, err := time.Parse(form, text); err == nil {
			return t, true
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return time.Unix(n, 0), err == nil
}

func inNetwork(want, got string) bool {
	ip, err := netip.ParseAddr(got)
	if err != nil {
		return false
	}
	if !strings.Contains(want, "/") {
		one, err := netip.ParseAddr(want)
		return err == nil && one == ip
	}
	network, err := netip.ParsePrefix(want)
	return err == nil && network.Contains(ip)
}

func boolText(b bool) string { return strconv.FormatBool(b) }

func epochText(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }
