package awstest

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// policy is a document, read once. It never changes.
type policy struct {
	text       string
	statements []statement
}

type statement struct {
	Sid                   string
	Effect                string
	Principal             *principals
	NotPrincipal          *principals
	Action, NotAction     texts
	Resource, NotResource texts
	Condition             map[string]map[string]texts
}

// texts is one string, or a list of them; numbers and booleans count as text.
type texts []string

func (t *texts) UnmarshalJSON(b []byte) error {
	var one scalar
	if json.Unmarshal(b, &one) == nil {
		*t = texts{string(one)}
		return nil
	}
	var list []scalar
	if err := json.Unmarshal(b, &list); err != nil {
		return err
	}
	*t = texts{}
	for _, s := range list {
		*t = append(*t, string(s))
	}
	return nil
}

type scalar string

func (s *scalar) UnmarshalJSON(b []byte) error {
	switch {
	case len(b) > 0 && b[0] == '"':
		return json.Unmarshal(b, (*string)(s))
	case len(b) > 0 && (b[0] == '[' || b[0] == '{' || b[0] == 'n'):
		return &json.UnmarshalTypeError{Value: "value", Field: "policy"}
	}
	*s = scalar(b)
	return nil
}

// principals are who a trust policy speaks of: "*", or lists by kind.
type principals struct {
	all bool
	aws texts
}

func (p *principals) UnmarshalJSON(b []byte) error {
	var star string
	if json.Unmarshal(b, &star) == nil {
		p.all = star == "*"
		if !p.all {
			return &json.UnmarshalTypeError{Value: "string", Field: "Principal"}
		}
		return nil
	}
	var kinds map[string]texts
	if err := json.Unmarshal(b, &kinds); err != nil {
		return err
	}
	for kind := range kinds {
		if !slices.Contains([]string{"AWS", "Service", "Federated", "CanonicalUser"}, kind) {
			return &json.UnmarshalTypeError{Value: kind, Field: "Principal"}
		}
	}
	p.aws = kinds["AWS"]
	return nil
}

// policyKind tells what a document is for: the two have other rules.
type policyKind int

const (
	identityPolicy policyKind = iota
	trustPolicy
)

var (
	sidForm    = regexp.MustCompile(`^[A-Za-z0-9]*$`)
	actionForm = regexp.MustCompile(`^[A-Za-z0-9-]+:[A-Za-z0-9*?]+$`)
)

func malformed(text string) *apiError {
	return &apiError{400, "MalformedPolicyDocument", text}
}

// parsePolicy reads a document by the rules of AWS's policy grammar.
func parsePolicy(text string, kind policyKind) (*policy, *apiError) {
	syntax := malformed("Syntax errors in policy.")
	var raw struct {
		Version   string
		ID        *string `json:"Id"`
		Statement json.RawMessage
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&raw); err != nil || d.More() {
		return nil, syntax
	}
	if raw.Version != "" && raw.Version != "2012-10-17" && raw.Version != "2008-10-17" {
		return nil, syntax
	}
	p := &policy{text: text}
	if b := strings.TrimSpace(string(raw.Statement)); strings.HasPrefix(b, "{") {
		raw.Statement = json.RawMessage("[" + b + "]")
	}
	d = json.NewDecoder(strings.NewReader(string(raw.Statement)))
	d.DisallowUnknownFields()
	if err := d.Decode(&p.statements); err != nil || len(p.statements) == 0 {
		return nil, syntax
	}
	sids := map[string]bool{}
	for i := range p.statements {
		st := &p.statements[i]
		if err := st.check(kind); err != nil {
			return nil, err
		}
		if st.Sid != "" && sids[st.Sid] {
			return nil, malformed("Statement IDs (SID) in a single policy must be unique.")
		}
		sids[st.Sid] = true
	}
	return p, nil
}

func (st *statement) check(kind policyKind) *apiError {
	syntax := malformed("Syntax errors in policy.")
	if st.Effect != "Allow" && st.Effect != "Deny" || !sidForm.MatchString(st.Sid) {
		return syntax
	}
	if (st.Action == nil) == (st.NotAction == nil) {
		return malformed("Policy statement must contain actions.")
	}
	for _, a := range slices.Concat(st.Action, st.NotAction) {
		if a != "*" && !actionForm.MatchString(a) {
			return malformed("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
		}
	}
	for op, keys := range st.Condition {
		if !knownOperator(op) {
			return malformed("Unknown condition operator " + op)
		}
		for key := range keys {
			if !strings.Contains(key, ":") {
				return malformed("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
			}
		}
	}
	hasPrincipal := st.Principal != nil || st.NotPrincipal != nil
	hasResource := st.Resource != nil || st.NotResource != nil
	if kind == trustPolicy {
		if !hasPrincipal || hasResource {
			return malformed("Has prohibited field Resource, or no Principal.")
		}
		return nil
	}
	if hasPrincipal {
		return malformed("Policy document should not specify a principal.")
	}
	if (st.Resource == nil) == (st.NotResource == nil) {
		return malformed("Policy statement must contain resources.")
	}
	for _, res := range slices.Concat(st.Resource, st.NotResource) {
		if res != "*" && (!strings.HasPrefix(res, "arn:") || strings.Count(res, ":") < 5) {
			return malformed("Resource " + res + " must be in ARN format or \"*\".")
		}
	}
	return nil
}

// mustParse is for documents that a test writes.
func mustParse(text string, kind policyKind) *policy {
	p, err := parsePolicy(text, kind)
	if err != nil {
		panic("awstest: policy: " + err.message + "\n" + text)
	}
	return p
}
