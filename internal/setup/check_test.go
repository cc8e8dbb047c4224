package setup

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestWhatCannotStandInADocumentIsRefused(t *testing.T) {
	breakers := []string{`"`, `\`, "\n", " ", "'", "$", "${x}", "%{", "{", "}", "<", "`", "*", "ü", "\x00", "\u202e", "{{"}
	refused := func(o Options, what string) {
		t.Helper()
		for _, format := range Formats() {
			var b bytes.Buffer
			err := Write(&b, format, o)
			_, err2 := Steps(format, o)
			e, ok := errors.AsType[*Error](err)
			if !ok || e.Hint() == "" || b.Len() > 0 || err2 == nil {
				t.Errorf("Write(%s) with %s = %v, %d bytes; Steps: %v", format, what, err, b.Len(), err2)
			}
		}
	}
	for _, x := range breakers {
		o := plain("isolate")
		o.Role = "keyquench" + x
		refused(o, "role "+o.Role)
		o = plain("isolate")
		o.ExternalID = "abc" + x
		refused(o, "external ID "+o.ExternalID)
		o = plain("isolate")
		o.Operator += x
		refused(o, "operator "+o.Operator)
		o = plain("isolate")
		o.Accounts = []string{"12345678901" + x}
		refused(o, "account "+o.Accounts[0])
		o = plain("isolate")
		o.Mode += x
		refused(o, "mode "+o.Mode)
	}
	for _, operator := range []string{
		"*", "123456789012", "arn:aws:iam::123456789012:*", "arn:aws:iam::*:root", "arn:aws:sts::123456789012:assumed-role/a/b",
		"arn:aws:iam::12345678901:root", "arn:aws:iam::123456789012:group/a", "arn:aws:iam::123456789012:role/", "arn:aws:iam::123456789012:role//a",
		"arn:aws-mars:iam::123456789012:root", "arn:aws:iam::123456789012:role/" + strings.Repeat("a", 65), "arn:aws:iam::123456789012:role/" + strings.Repeat("a/", 400) + "b",
	} {
		o := plain("rotate")
		o.Operator = operator
		refused(o, "operator "+operator)
	}
	for _, o := range []Options{
		{Mode: "report", Operator: plain("").Operator},
		{Role: strings.Repeat("a", 65), Operator: plain("").Operator},
		{Role: "path/name", Operator: plain("").Operator},
		{ExternalID: "a", Operator: plain("").Operator},
		{ExternalID: strings.Repeat("a", 1225), Operator: plain("").Operator},
		{Accounts: []string{"123456789012", "123456789012"}, Operator: plain("").Operator},
		{Accounts: []string{""}, Operator: plain("").Operator},
	} {
		refused(o, o.Mode+o.Role+o.ExternalID)
	}
}

func TestATrustPolicyNeedsAnOperator(t *testing.T) {
	for format, needs := range map[string]bool{"policy": false, "operator": false, "role": true, "cloudformation": true, "terraform": true, "yaml": true} {
		if err := Write(io.Discard, format, Options{}); (err != nil) != needs {
			t.Errorf("Write(%s) without an operator = %v", format, err)
		}
	}
}

func FuzzOptions(f *testing.F) {
	f.Add("keyquench-responder", "an-id", "arn:aws:iam::123456789012:root", "123456789012", "isolate")
	f.Add("TEMPLATE", "TEMPLATE", "arn:aws:iam::123456789012:role/TEMPLATE", "000000000000", "rotate")
	f.Fuzz(func(t *testing.T, role, id, operator, number, mode string) {
		o := Options{Role: role, ExternalID: id, Operator: operator, Accounts: []string{number}, Mode: mode}
		if err := o.Check(); err != nil || operator == "" {
			return
		}
		template := written(t, "cloudformation", o)
		if inside := body(t, written(t, "terraform", o)); inside != template {
			t.Errorf("the template in Terraform is\n%s\nwant\n%s", inside, template)
		}
		r := parse[stackDocument](t, template).Resources["KeyquenchResponder"].Properties
		s := r.AssumeRolePolicyDocument.Statement[0]
		if role != "" && r.RoleName != role || s.Principal["AWS"] != operator || s.Condition["StringEquals"]["sts:ExternalId"] != id {
			t.Errorf("role %+v of %+v", r, o)
		}
		for _, format := range Formats() {
			steps, err := Steps(format, o)
			if err != nil || strings.Contains(strings.Join(steps, ""), "\n") {
				t.Errorf("Steps(%s, %+v) = %q, %v", format, o, steps, err)
			}
		}
	})
}
