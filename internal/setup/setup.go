// Package setup writes what AWS needs before keyquench can act there: the
// smallest policy for what it may do, the role with it, a CloudFormation template
// and Terraform that put the role into all accounts of an organisation, and the
// policy of whoever takes that role.
//
// It only writes. It calls nothing, and every value that goes into a document is
// checked first (Options.Check): none can end a string that it stands in.
package setup

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/keyquench/keyquench/internal/form"
)

// DefaultRole is the name of the role where nobody chose another.
const DefaultRole = "keyquench-responder"

// maxSession is how long the role may be taken for, in seconds: the least that
// IAM lets a role say.
const maxSession = 3600

// Options say what to write. The zero value is a policy that deactivates.
type Options struct {
	// Mode is the most that the role may do: one of Modes, or "" for the first.
	Mode string
	// Role is the name of the role; "" is DefaultRole.
	Role string
	// ExternalID is what whoever takes the role must know, or "".
	ExternalID string
	// Operator is the ARN of the user, role or account that may take the role.
	Operator string
	// Accounts are those that get the role; none means all of the organisation.
	Accounts []string
}

// format is a kind of document.
type format struct {
	name  string
	trust bool // it says who may take the role
	write func(io.Writer, *Options) error
	steps func(*Options) []string
}

var formats = []format{
	{"policy", false, writePolicy, policySteps},
	{"role", true, writeRole, roleSteps},
	{"cloudformation", true, writeTemplate, stackSteps},
	{"terraform", true, writeTerraform, terraformSteps},
	{"operator", false, writeOperator, operatorSteps},
}

// Formats are the documents that Write knows, the default first.
func Formats() (names []string) {
	for _, f := range formats {
		names = append(names, f.name)
	}
	return names
}

// Write writes a document to w, ready to be given to AWS's tools or Terraform.
func Write(w io.Writer, name string, o Options) error {
	f, err := o.settle(name)
	if err != nil {
		return err
	}
	return f.write(w, &o)
}

// Steps are lines that say what to do with a document, and what its rights mean.
// Commands in them begin with two spaces; nothing runs them.
func Steps(name string, o Options) ([]string, error) {
	f, err := o.settle(name)
	if err != nil {
		return nil, err
	}
	return append(f.steps(&o), o.meaning()...), nil
}

// Error is an option that cannot be, with how to write it.
type Error struct{ what, try string }

// Error says what is wrong.
func (e *Error) Error() string { return e.what }

// Hint is how to write it.
func (e *Error) Hint() string { return e.try }

var (
	// IAM's own alphabets, in ASCII. None has a quote, a space, a backslash, a
	// dollar sign or a brace.
	roleName   = form.New(`^[A-Za-z0-9_+=,.@-]{1,64}$`)
	externalID = form.New(`^[A-Za-z0-9_+=,.@:/-]+$`)
	account    = form.New(`^[0-9]{12}$`)
	principal  = form.New(`^arn:(aws(?:-[a-z]+)*):iam::[0-9]{12}:(?:root|(?:user|role)/(?:[A-Za-z0-9_+=,.@-]+/)*[A-Za-z0-9_+=,.@-]{1,64})$`)
)

const (
	// maxPrincipal is the length of the longest path and name with all around them.
	maxPrincipal = 700
	// minExternalID and maxExternalID are STS's.
	minExternalID, maxExternalID = 2, 1224
)

// regions are where a stack of IAM's things is made, by partition: IAM is the
// same everywhere in one.
var regions = map[string]string{"aws": "us-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1", "aws-eusc": "eusc-de-east-1"}

// settle checks o, fills in what was left out, and finds the format.
func (o *Options) settle(name string) (*format, error) {
	i := slices.IndexFunc(formats, func(f format) bool { return f.name == name })
	if i < 0 {
		return nil, &Error{fmt.Sprintf("format %q is not known", name), "one of: " + strings.Join(Formats(), ", ")}
	}
	if o.Mode == "" {
		o.Mode = Modes()[0]
	}
	if o.Role == "" {
		o.Role = DefaultRole
	}
	if err := o.Check(); err != nil {
		return nil, err
	}
	if formats[i].trust && o.Operator == "" {
		return nil, &Error{
			name + " needs to know who may take the role",
			"--operator with the ARN of the user or role that runs keyquench; aws sts get-caller-identity prints it",
		}
	}
	return &formats[i], nil
}

// Check tells whether the options make sense, and can stand in a document.
func (o *Options) Check() error {
	switch {
	case o.Mode != "" && !slices.Contains(Modes(), o.Mode):
		return &Error{fmt.Sprintf("mode %q is not known", o.Mode), "one of: " + strings.Join(Modes(), ", ")}
	case o.Role != "" && !roleName.MatchString(o.Role):
		return &Error{fmt.Sprintf("%q cannot be the name of a role", o.Role), "up to 64 letters, digits and _+=,.@-; without a path"}
	case o.ExternalID != "" && (len(o.ExternalID) < minExternalID || len(o.ExternalID) > maxExternalID || !externalID.MatchString(o.ExternalID)):
		return &Error{"the external ID cannot be one", "2 to 1224 letters, digits and _+=,.@:/-"}
	}
	for i, a := range o.Accounts {
		if !account.MatchString(a) {
			return &Error{fmt.Sprintf("%q is no account number", a), "12 digits, as 123456789012"}
		}
		if slices.Contains(o.Accounts[:i], a) {
			return &Error{fmt.Sprintf("account %s is named twice", a), "name each account once"}
		}
	}
	return o.checkOperator()
}

func (o *Options) checkOperator() error {
	try := "arn:aws:iam::123456789012:role/NAME, or user/NAME, or root for all of an account"
	switch {
	case o.Operator == "":
		return nil
	case strings.Contains(o.Operator, ":assumed-role/"):
		return &Error{"the operator's ARN is that of a session, which ends", "the role's own: arn:aws:iam::ACCOUNT:role/NAME"}
	case len(o.Operator) > maxPrincipal || !principal.MatchString(o.Operator):
		return &Error{fmt.Sprintf("%.100q is no ARN of a user, a role or an account", o.Operator), try}
	case regions[o.partition()] == "":
		return &Error{fmt.Sprintf("partition %q is not known", o.partition()), try}
	}
	return nil
}

// partition is the one the operator lives in, which is that of the accounts: no
// role can be taken across.
func (o *Options) partition() string {
	if m := principal.FindStringSubmatch(o.Operator); m != nil {
		return m[1]
	}
	return "aws"
}
