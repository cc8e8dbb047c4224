package setup

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

type (
	document struct {
		Version   string
		Statement []statement
	}
	statement struct {
		Sid       string
		Effect    string
		Principal *who `json:",omitempty"`
		Action    []string
		Resource  []text                       `json:",omitempty"`
		Condition map[string]map[string]string `json:",omitempty"`
	}
	who struct{ AWS string }
	// text is a string, or one in which CloudFormation puts in its variables.
	text struct {
		s   string
		sub bool
	}
	namedPolicy struct {
		PolicyName     string
		PolicyDocument document
	}
	// role is a role as CloudFormation and its Cloud Control API know it.
	role struct {
		RoleName                 string
		Description              string
		MaxSessionDuration       int
		AssumeRolePolicyDocument document
		Policies                 []namedPolicy
	}
)

// MarshalJSON writes a string, or a call of Fn::Sub.
func (t text) MarshalJSON() ([]byte, error) {
	if t.sub {
		return json.Marshal(map[string]string{"Fn::Sub": t.s})
	}
	return json.Marshal(t.s)
}

const version = "2012-10-17"

// places names the things of an account, in one of two ways.
type places func(rest string) text

// anywhere names them by the accounts that are known. The policy of a role holds
// in the role's own account only, whatever it says.
func (o *Options) anywhere() places {
	number := "*"
	if len(o.Accounts) == 1 {
		number = o.Accounts[0]
	}
	return func(rest string) text { return text{s: "arn:" + o.partition() + ":iam::" + number + ":" + rest} }
}

// inTemplate names them for CloudFormation, which knows partition and account.
func inTemplate(rest string) text {
	return text{s: "arn:${AWS::Partition}:iam::${AWS::AccountId}:" + rest, sub: true}
}

// policy is what the role may do.
func (o *Options) policy(at places) document {
	d := document{Version: version}
	for _, r := range granted(o.Mode) {
		on := text{s: "*"}
		switch r.on {
		case users:
			on = at("user/*")
		case roles:
			on = at("role/*")
		}
		d.Statement = append(d.Statement, statement{Sid: r.sid, Effect: "Allow", Action: r.actions, Resource: []text{on}})
		if r.on == roles {
			// A stolen session of the role must not give the role more.
			d.Statement = append(d.Statement, statement{Sid: "KeyquenchNotItself", Effect: "Deny", Action: r.actions, Resource: []text{at("role/" + o.Role)}})
		}
	}
	return d
}

// trust says who may take the role.
func (o *Options) trust() document {
	s := statement{Sid: "KeyquenchOperator", Effect: "Allow", Principal: &who{o.Operator}, Action: []string{"sts:AssumeRole"}}
	if o.ExternalID != "" {
		s.Condition = map[string]map[string]string{"StringEquals": {"sts:ExternalId": o.ExternalID}}
	}
	return document{version, []statement{s}}
}

func (o *Options) role(at places) role {
	return role{
		RoleName:                 o.Role,
		Description:              "keyquench turns off leaked keys with it. Mode: " + o.Mode,
		MaxSessionDuration:       maxSession,
		AssumeRolePolicyDocument: o.trust(),
		Policies:                 []namedPolicy{{"keyquench-" + o.Mode, o.policy(at)}},
	}
}

// operator is what the principal needs that takes the roles: only that, and to
// ask for the account of a key ID too old to carry it.
func (o *Options) operatorPolicy() document {
	var roles []text
	for _, a := range o.Accounts {
		roles = append(roles, text{s: "arn:" + o.partition() + ":iam::" + a + ":role/" + o.Role})
	}
	if len(roles) == 0 {
		roles = []text{{s: "arn:" + o.partition() + ":iam::*:role/" + o.Role}}
	}
	return document{version, []statement{
		{Sid: "KeyquenchTakeRole", Effect: "Allow", Action: []string{"sts:AssumeRole"}, Resource: roles},
		{Sid: "KeyquenchAskAccount", Effect: "Allow", Action: []string{"sts:GetAccessKeyInfo"}, Resource: []text{{s: "*"}}},
	}}
}

// encode is v as indented JSON with a line break at its end.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("encode document: %w", err)
	}
	return b.Bytes(), nil
}

func write(w io.Writer, v any) error {
	b, err := encode(v)
	if err != nil {
		return err
	}
	_, err = w.Write(b)
	return err
}

func writePolicy(w io.Writer, o *Options) error   { return write(w, o.policy(o.anywhere())) }
func writeRole(w io.Writer, o *Options) error     { return write(w, o.role(o.anywhere())) }
func writeOperator(w io.Writer, o *Options) error { return write(w, o.operatorPolicy()) }
