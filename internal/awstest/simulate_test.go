package awstest_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/keyquench/keyquench/internal/awstest"
)

func TestPoliciesAreJudgedAsAWSDoes(t *testing.T) {
	const me = "arn:aws:iam::" + account + ":user/u"
	cond := func(effect, condition string) string {
		return `{"Version":"2012-10-17","Statement":{"Effect":"` + effect + `","Action":"iam:*","Resource":"*","Condition":` + condition + `}}`
	}
	tomorrow := time.Now().Add(24 * time.Hour).UTC().Format(time.RFC3339)
	all := awstest.Allow("*")
	for _, tt := range []struct {
		name     string
		policies []string
		action   string
		resource string
		want     string
	}{
		{"nothing", nil, "iam:GetUser", me, "implicitDeny"},
		{"an allow", []string{awstest.Allow("iam:GetUser")}, "iam:GetUser", me, "allowed"},
		{"another action", []string{awstest.Allow("iam:GetUser")}, "iam:GetUserPolicy", me, "implicitDeny"},
		{"case of actions", []string{awstest.Allow("IAM:getuser")}, "iam:GetUser", me, "allowed"},
		{"a star", []string{awstest.Allow("iam:Get*")}, "iam:GetUserPolicy", me, "allowed"},
		{"a question mark", []string{awstest.Allow("iam:GetUse?")}, "iam:GetUser", me, "allowed"},
		{"a question mark is one", []string{awstest.Allow("iam:GetUser?")}, "iam:GetUser", me, "implicitDeny"},
		{"a deny wins", []string{all, awstest.Deny("iam:GetUser")}, "iam:GetUser", me, "explicitDeny"},
		{"a deny alone", []string{awstest.Deny("iam:GetUser")}, "iam:GetUser", me, "explicitDeny"},
		{"a deny of another", []string{all, awstest.Deny("iam:ListUsers")}, "iam:GetUser", me, "allowed"},
		{"a resource", []string{awstest.AllowOn(me, "*")}, "iam:GetUser", me, "allowed"},
		{"another resource", []string{awstest.AllowOn(me, "*")}, "iam:GetUser", me + "2", "implicitDeny"},
		{"case of resources", []string{awstest.AllowOn(me, "*")}, "iam:GetUser", "arn:aws:iam::" + account + ":user/U", "implicitDeny"},
		{"a resource with a star", []string{awstest.AllowOn("arn:aws:iam::*:user/*", "*")}, "iam:GetUser", me, "allowed"},
		{"no star over a colon", []string{awstest.AllowOn("arn:aws:*:iam:*:user/u", "*")}, "iam:GetUser", me, "implicitDeny"},
		{"the user's own name", []string{awstest.AllowOn("arn:aws:iam::*:user/${aws:username}", "*")}, "iam:GetUser", me, "allowed"},
		{"another's name", []string{awstest.AllowOn("arn:aws:iam::*:user/${aws:username}", "*")}, "iam:GetUser", me + "2", "implicitDeny"},
		{"a variable without value", []string{awstest.AllowOn("arn:aws:iam::*:user/${sts:ExternalId}*", "*")}, "iam:GetUser", me, "implicitDeny"},
		{"NotAction", []string{`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","NotAction":["iam:*"],"Resource":"*"}]}`}, "iam:GetUser", me, "implicitDeny"},
		{"NotAction of another", []string{`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","NotAction":["s3:*"],"Resource":"*"}]}`}, "iam:GetUser", me, "allowed"},
		{"NotResource", []string{`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","NotResource":"` + me + `"}]}`}, "iam:GetUser", me, "implicitDeny"},
		{"StringEquals", []string{cond("Allow", `{"StringEquals":{"aws:username":["x","u"]}}`)}, "iam:GetUser", me, "allowed"},
		{"StringEquals of another", []string{cond("Allow", `{"StringEquals":{"aws:username":"x"}}`)}, "iam:GetUser", me, "implicitDeny"},
		{"case of keys", []string{cond("Allow", `{"StringEquals":{"AWS:UserName":"u"}}`)}, "iam:GetUser", me, "allowed"},
		{"StringLike", []string{cond("Allow", `{"StringLike":{"aws:PrincipalArn":"arn:aws:iam::*:user/?"}}`)}, "iam:GetUser", me, "allowed"},
		{"StringNotEquals", []string{all, cond("Deny", `{"StringNotEquals":{"aws:username":"u"}}`)}, "iam:GetUser", me, "allowed"},
		{"StringNotEquals of another", []string{all, cond("Deny", `{"StringNotEquals":{"aws:username":["v","w"]}}`)}, "iam:GetUser", me, "explicitDeny"},
		{"StringNotEquals of a missing key", []string{all, cond("Deny", `{"StringNotEquals":{"sts:ExternalId":"x"}}`)}, "iam:GetUser", me, "explicitDeny"},
		{"ArnLike", []string{cond("Allow", `{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:user/*"}}`)}, "iam:GetUser", me, "allowed"},
		{"ArnLike over a colon", []string{cond("Allow", `{"ArnLike":{"aws:PrincipalArn":"arn:*:*:*:*:user/u:*"}}`)}, "iam:GetUser", me, "implicitDeny"},
		{"ArnLike of half an ARN", []string{cond("Allow", `{"ArnLike":{"aws:PrincipalArn":"arn:*"}}`)}, "iam:GetUser", me, "implicitDeny"},
		{"a long-term key has no TokenIssueTime", []string{all, cond("Deny", `{"DateLessThan":{"aws:TokenIssueTime":"`+tomorrow+`"}}`)}, "iam:GetUser", me, "allowed"},
		{"unless IfExists", []string{all, cond("Deny", `{"DateLessThanIfExists":{"aws:TokenIssueTime":"`+tomorrow+`"}}`)}, "iam:GetUser", me, "explicitDeny"},
		{"DateLessThan", []string{cond("Allow", `{"DateLessThan":{"aws:CurrentTime":"`+tomorrow+`"}}`)}, "iam:GetUser", me, "allowed"},
		{"DateGreaterThan", []string{cond("Allow", `{"DateGreaterThan":{"aws:CurrentTime":"`+tomorrow+`"}}`)}, "iam:GetUser", me, "implicitDeny"},
		{"Bool", []string{cond("Allow", `{"Bool":{"aws:SecureTransport":true}}`)}, "iam:GetUser", me, "allowed"},
		{"Bool of another", []string{cond("Allow", `{"Bool":{"aws:SecureTransport":"false"}}`)}, "iam:GetUser", me, "implicitDeny"},
		{"BoolIfExists of a missing key", []string{all, cond("Deny", `{"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}}`)}, "iam:GetUser", me, "explicitDeny"},
		{"Null", []string{cond("Allow", `{"Null":{"aws:TokenIssueTime":"true"}}`)}, "iam:GetUser", me, "allowed"},
		{"Null of a key that is there", []string{cond("Allow", `{"Null":{"aws:username":"true"}}`)}, "iam:GetUser", me, "implicitDeny"},
		{"two conditions", []string{cond("Allow", `{"StringEquals":{"aws:username":"u"},"Bool":{"aws:SecureTransport":"false"}}`)}, "iam:GetUser", me, "implicitDeny"},
		{"NumericLessThan", []string{cond("Allow", `{"NumericLessThan":{"aws:EpochTime":1000}}`)}, "iam:GetUser", me, "implicitDeny"},
		{"IpAddress", []string{cond("Allow", `{"IpAddress":{"aws:SourceIp":["10.0.0.0/8","127.0.0.0/8"]}}`)}, "iam:GetUser", me, "allowed"},
		{"ForAnyValue of a missing key", []string{cond("Allow", `{"ForAnyValue:StringEquals":{"aws:TagKeys":"x"}}`)}, "iam:GetUser", me, "implicitDeny"},
		{"ForAllValues of a missing key", []string{cond("Allow", `{"ForAllValues:StringEquals":{"aws:TagKeys":"x"}}`)}, "iam:GetUser", me, "allowed"},
	} {
		_, acc, c := world(t, awstest.Options{})
		u := acc.User("u")
		for i, p := range tt.policies {
			u.Policy("p"+string(rune('0'+i)), p)
		}
		out, err := c.SimulatePrincipalPolicy(t.Context(), &iam.SimulatePrincipalPolicyInput{
			PolicySourceArn: aws.String(me), ActionNames: []string{tt.action}, ResourceArns: []string{tt.resource},
		})
		if err != nil || len(out.EvaluationResults) != 1 {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if got := out.EvaluationResults[0]; string(got.EvalDecision) != tt.want || aws.ToString(got.EvalActionName) != tt.action || aws.ToString(got.EvalResourceName) != tt.resource {
			t.Errorf("%s: %s, want %s", tt.name, got.EvalDecision, tt.want)
		}
	}
}

func TestSimulationsOfOthersAndContext(t *testing.T) {
	_, acc, c := world(t, awstest.Options{})
	only := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:AttachUserPolicy","Resource":"*","Condition":{"ArnEquals":{"iam:PolicyARN":"arn:aws:iam::aws:policy/AWSDenyAll"}}}]}`
	role := acc.Role("worker", awstest.Trust(account, ""), only)
	in := &iam.SimulatePrincipalPolicyInput{
		PolicySourceArn: aws.String(role.ARN()), ActionNames: []string{"iam:AttachUserPolicy", "iam:GetUser", "iam:ListUsers"},
		ContextEntries: []types.ContextEntry{{ContextKeyName: aws.String("iam:PolicyARN"), ContextKeyType: types.ContextKeyTypeEnumString, ContextKeyValues: []string{"arn:aws:iam::aws:policy/AWSDenyAll"}}},
	}
	var got []string
	pages := iam.NewSimulatePrincipalPolicyPaginator(c, in)
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.EvaluationResults {
			got = append(got, aws.ToString(r.EvalActionName)+" "+string(r.EvalDecision))
		}
	}
	if len(got) != 3 || got[0] != "iam:AttachUserPolicy allowed" || got[1] != "iam:GetUser implicitDeny" {
		t.Errorf("SimulatePrincipalPolicy = %q", got)
	}
	in.ContextEntries = nil
	out, err := c.SimulatePrincipalPolicy(t.Context(), in)
	if err != nil || out.EvaluationResults[0].EvalDecision != types.PolicyEvaluationDecisionTypeImplicitDeny || len(out.EvaluationResults[0].MissingContextValues) != 1 {
		t.Errorf("without context = %+v, %v", out, err)
	}
	_, err = c.SimulatePrincipalPolicy(t.Context(), &iam.SimulatePrincipalPolicyInput{PolicySourceArn: aws.String("arn:aws:iam::" + account + ":user/none"), ActionNames: []string{"iam:GetUser"}})
	wantCode(t, "of nobody", err, "NoSuchEntity")
	_, err = c.SimulatePrincipalPolicy(t.Context(), &iam.SimulatePrincipalPolicyInput{PolicySourceArn: aws.String(role.ARN()), ActionNames: []string{"iam:*"}})
	wantCode(t, "of a wildcard", err, "InvalidInput")
}
