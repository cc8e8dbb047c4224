package awstest

import (
	"encoding/base64"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/keyquench/keyquench/rules"
)

// parameter is one of Parameter Store's. Its versions are kept; the last is what
// is read.
type parameter struct {
	name     string
	kind     string
	kmsKey   string
	tier     string
	versions []parameterVersion
}

type parameterVersion struct {
	value   rules.Secret
	changed time.Time
	kmsKey  string
}

// standardKey is what a SecureString is encrypted with when no key is named.
const standardKey = "alias/aws/ssm"

// Parameter makes a SecureString parameter in a region, or gives it a new value.
// An empty kmsKey is AWS's own.
func (a *Account) Parameter(region, name, value, kmsKey string) {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	if kmsKey == "" {
		kmsKey = standardKey
	}
	p := a.params[place{region, name}]
	if p == nil {
		p = &parameter{name: name, kind: "SecureString", tier: "Standard"}
		a.params[place{region, name}] = p
	}
	p.set(rules.NewSecret(value), kmsKey, a.s.clock.Now())
}

// ParameterValue is a parameter's value with its version and KMS key; version 0
// means that there is no such parameter.
func (a *Account) ParameterValue(region, name string) (value rules.Secret, version int, kmsKey string) {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	p := a.params[place{region, name}]
	if p == nil {
		return rules.Secret{}, 0, ""
	}
	return p.versions[len(p.versions)-1].value, len(p.versions), p.kmsKey
}

func (p *parameter) set(value rules.Secret, kmsKey string, now time.Time) {
	p.kmsKey = kmsKey
	p.versions = append(p.versions, parameterVersion{value, now, kmsKey})
}

var parameterActions = map[string]func(*request) (any, *apiError){
	"GetParameter":       getParameter,
	"PutParameter":       putParameter,
	"DeleteParameter":    deleteParameter,
	"DescribeParameters": describeParameters,
}

// The sizes that values may have.
const (
	standardValue = 4096
	advancedValue = 8192
)

var parameterName = regexp.MustCompile(`^[a-zA-Z0-9_./-]{1,1000}$`)

// parameterARN is what policies know a parameter by: a leading slash stands once.
func (r *request) parameterARN(name string) string {
	return arn{r.caller.account.partition.name, "ssm", r.region, r.caller.account.number, "parameter/" + strings.TrimPrefix(name, "/")}.String()
}

// parameter finds the one named, and asks whether the caller may.
func (r *request) parameter(name string) (*parameter, *apiError) {
	if !parameterName.MatchString(name) || strings.Contains(name, "/") && !strings.HasPrefix(name, "/") {
		return nil, badRequest("ValidationException", "Parameter name: can't be prefixed with \"ssm\" (case-insensitive). If formed as a path, it can consist of sub-paths divided by slash symbol; each sub-path can be formed as a mix of letters, numbers and the following 3 symbols .-_")
	}
	if err := r.authorize(r.parameterARN(name), nil); err != nil {
		return nil, err
	}
	return r.caller.account.params[place{r.region, name}], nil
}

func getParameter(r *request) (any, *apiError) {
	if err := r.only(map[string]string{"Name": "string", "WithDecryption": "bool"}); err != nil {
		return nil, err
	}
	name, selector, selected := strings.Cut(r.text("Name"), ":")
	p, err := r.parameter(name)
	if err != nil {
		return nil, err
	}
	if p == nil {
		return nil, badRequest("ParameterNotFound", "")
	}
	n := len(p.versions)
	if selected {
		var bad error
		if n, bad = strconv.Atoi(selector); bad != nil || n < 1 || n > len(p.versions) {
			return nil, badRequest("ParameterVersionNotFound", "Systems Manager could not find version %s of %s.", selector, name)
		}
	}
	v := p.versions[n-1]
	value := v.value.Reveal()
	if p.kind == "SecureString" && !r.flag("WithDecryption") {
		sum := hexHash([]byte(value))
		value = base64.StdEncoding.EncodeToString([]byte(sum))
	}
	out := map[string]any{
		"Name": p.name, "Type": p.kind, "Value": value, "Version": n, "DataType": "text",
		"LastModifiedDate": epoch(v.changed), "ARN": r.parameterARN(name),
	}
	if selected {
		out["Selector"] = ":" + selector
	}
	return map[string]any{"Parameter": out}, nil
}

func putParameter(r *request) (any, *apiError) {
	if err := r.only(map[string]string{
		"Name": "string", "Value": "string", "Type": "string", "KeyId": "string", "Overwrite": "bool",
		"Description": "string", "Tier": "string", "DataType": "string",
	}); err != nil {
		return nil, err
	}
	name, value, kind := r.text("Name"), r.text("Value"), r.text("Type")
	p, err := r.parameter(name)
	if err != nil {
		return nil, err
	}
	tier := r.text("Tier")
	if tier == "" {
		tier = "Standard"
		if p != nil {
			tier = p.tier
		}
	}
	if err := checkParameter(value, kind, tier, r.text("KeyId"), p); err != nil {
		return nil, err
	}
	key := r.text("KeyId")
	switch {
	case p != nil && !r.flag("Overwrite"):
		return nil, badRequest("ParameterAlreadyExists", "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.")
	case p == nil:
		p = &parameter{name: name, kind: kind}
		r.caller.account.params[place{r.region, name}] = p
	}
	// A trap of the real one: overwriting without a key means AWS's own, whatever
	// the value before was encrypted with.
	if key == "" && p.kind == "SecureString" {
		key = standardKey
	}
	p.tier = tier
	p.set(rules.NewSecret(value), key, r.now)
	return map[string]any{"Version": len(p.versions), "Tier": tier}, nil
}

func checkParameter(value, kind, tier, key string, old *parameter) *apiError {
	limit := standardValue
	if tier == "Advanced" || tier == "Intelligent-Tiering" {
		limit = advancedValue
	} else if tier != "Standard" {
		return badRequest("ValidationException", "Tier %s is not known", tier)
	}
	if kind == "" && old != nil {
		kind = old.kind
	}
	switch {
	case value == "":
		return badRequest("ValidationException", "1 validation error detected: Value at 'value' failed to satisfy constraint: Member must have length greater than or equal to 1")
	case len(value) > limit:
		return badRequest("ValidationException", "%s tier parameters support a maximum parameter value of %d characters.", tier, limit)
	case !slices.Contains([]string{"String", "StringList", "SecureString"}, kind):
		return badRequest("ValidationException", "A parameter type is required when you create a parameter.")
	case key != "" && kind != "SecureString":
		return badRequest("ValidationException", "KeyId is required for SecureString type parameter only.")
	case old != nil && old.kind != kind:
		return badRequest("HierarchyTypeMismatchException", "Parameter Store doesn't support changing a parameter type in a hierarchy.")
	case old != nil && old.tier == "Advanced" && tier == "Standard":
		return badRequest("ValidationException", "This parameter uses the advanced-parameter tier. You can't downgrade a parameter from the advanced-parameter tier to the standard-parameter tier.")
	}
	return nil
}

func deleteParameter(r *request) (any, *apiError) {
	if err := r.only(map[string]string{"Name": "string"}); err != nil {
		return nil, err
	}
	p, err := r.parameter(r.text("Name"))
	if err != nil {
		return nil, err
	}
	if p == nil {
		return nil, badRequest("ParameterNotFound", "")
	}
	delete(r.caller.account.params, place{r.region, p.name})
	return map[string]any{}, nil
}

// describeParameters knows one filter: the name, equal to one of a list.
func describeParameters(r *request) (any, *apiError) {
	if err := r.only(map[string]string{"ParameterFilters": "list", "MaxResults": "number", "NextToken": "string"}); err != nil {
		return nil, err
	}
	if err := r.authorize("*", nil); err != nil {
		return nil, err
	}
	names, err := r.nameFilter()
	if err != nil {
		return nil, err
	}
	var found []*parameter
	for at, p := range r.caller.account.params {
		if at.region == r.region && p.name > r.text("NextToken") && (names == nil || slices.Contains(names, p.name)) {
			found = append(found, p)
		}
	}
	slices.SortFunc(found, func(a, b *parameter) int { return strings.Compare(a.name, b.name) })
	out := map[string]any{}
	if size := min(r.options.PageSize, max(1, r.number("MaxResults", 50))); len(found) > size {
		found = found[:size]
		out["NextToken"] = found[size-1].name
	}
	list := []any{}
	for _, p := range found {
		list = append(list, p.describe())
	}
	out["Parameters"] = list
	return out, nil
}

func (p *parameter) describe() map[string]any {
	m := map[string]any{
		"Name": p.name, "Type": p.kind, "Version": len(p.versions), "Tier": p.tier, "DataType": "text",
		"LastModifiedDate": epoch(p.versions[len(p.versions)-1].changed),
	}
	if p.kmsKey != "" {
		m["KeyId"] = p.kmsKey
	}
	return m
}

func (r *request) nameFilter() (names []string, _ *apiError) {
	filters, _ := r.input["ParameterFilters"].([]any)
	for _, f := range filters {
		m, _ := f.(map[string]any)
		option, _ := m["Option"].(string)
		if m["Key"] != "Name" || option != "" && option != "Equals" {
			return nil, badRequest("InvalidFilterKey", "Only the filter Name, Equals is known here.")
		}
		values, _ := m["Values"].([]any)
		for _, v := range values {
			if s, ok := v.(string); ok {
				names = append(names, s)
			}
		}
	}
	return names, nil
}
