package setup

import (
	_ "embed"
	"fmt"
	"io"
	"strings"
	"text/template"
)

// stackSet is the name of the stack and the stack set. It does not follow the
// role's, which may have characters that a stack's may not.
const stackSet = "keyquench-responder"

type (
	stack struct {
		AWSTemplateFormatVersion string
		Description              string
		Resources                map[string]resource
		Outputs                  map[string]output
	}
	resource struct {
		Type       string
		Metadata   *metadata `json:",omitempty"`
		Properties role
	}
	metadata struct{ Keyquench []string }
	output   struct {
		Description string
		Value       map[string][]string
	}
)

// template is the role for CloudFormation. It is JSON, which CloudFormation reads
// as it reads YAML, and which quotes what it is given.
func (o *Options) template() stack {
	const name = "KeyquenchResponder"
	r := resource{Type: "AWS::IAM::Role", Properties: o.role(inTemplate)}
	if lines := o.meaning(); lines != nil {
		r.Metadata = &metadata{lines}
	}
	return stack{
		AWSTemplateFormatVersion: "2010-09-09",
		Description:              "keyquench: the role that turns off leaked keys in this account, up to mode " + o.Mode,
		Resources:                map[string]resource{name: r},
		Outputs:                  map[string]output{"RoleArn": {"What keyquench takes", map[string][]string{"Fn::GetAtt": {name, "Arn"}}}},
	}
}

func writeTemplate(w io.Writer, o *Options) error { return write(w, o.template()) }

//go:embed terraform.tmpl
var terraformText string

// hcl is text for a heredoc of Terraform, which looks for variables in it.
func hcl(s string) string { return strings.NewReplacer("${", "$${", "%{", "%%{").Replace(s) }

func writeTerraform(w io.Writer, o *Options) error {
	body, err := encode(o.template())
	if err != nil {
		return err
	}
	t, err := template.New("terraform").Parse(terraformText)
	if err != nil {
		return fmt.Errorf("terraform: %w", err)
	}
	err = t.Execute(w, struct {
		Name, Mode, Body string
		Accounts         []string
		Meaning          []string
	}{stackSet, o.Mode, hcl(string(body)), o.Accounts, o.meaning()})
	if err != nil {
		return fmt.Errorf("terraform: %w", err)
	}
	return nil
}

// settings are what keyquench must be told of the role.
func (o *Options) settings() []string {
	accounts := `"123456789012"`
	if len(o.Accounts) > 0 {
		accounts = `"` + strings.Join(o.Accounts, `", "`) + `"`
	}
	lines := []string{
		"Then say it to keyquench, in keyquench.toml, with the accounts in which it may act:", "  [respond]",
		fmt.Sprintf("  mode = %q", o.Mode), "  accounts = [" + accounts + "]", fmt.Sprintf("  role = %q", o.Role),
	}
	if o.ExternalID != "" {
		lines = append(lines, fmt.Sprintf("  external_id = %q", o.ExternalID))
	}
	return lines
}

func policySteps(o *Options) []string {
	return []string{
		"To give it to a role that is there, with this text in policy.json:",
		"  aws iam put-role-policy --role-name " + o.Role + " --policy-name keyquench-" + o.Mode + " --policy-document file://policy.json",
	}
}

func roleSteps(o *Options) []string {
	return append([]string{
		"To make it in one account, with this text in role.json:",
		"  aws cloudcontrol create-resource --type-name AWS::IAM::Role --desired-state file://role.json",
	}, o.settings()...)
}

// stackSteps are the commands for one account, and for an organisation.
func stackSteps(o *Options) []string {
	const file = stackSet + ".json"
	region := regions[o.partition()]
	targets := "OrganizationalUnitIds=$ROOT"
	if len(o.Accounts) > 0 {
		targets += ",Accounts=" + strings.Join(o.Accounts, ",") + ",AccountFilterType=INTERSECTION"
	}
	return append([]string{
		"With this text in " + file + ", in one account, and in the management account, which StackSets leave out:",
		"  aws cloudformation deploy --region " + region + " --stack-name " + stackSet + " --template-file " + file + " --capabilities CAPABILITY_NAMED_IAM",
		"In all accounts of the organisation, as its management account, now and when accounts are added (the first",
		"command lets StackSets do that, once):",
		"  aws cloudformation activate-organizations-access --region " + region,
		"  aws cloudformation create-stack-set --region " + region + " --stack-set-name " + stackSet + " --template-body file://" + file +
			" --capabilities CAPABILITY_NAMED_IAM --permission-model SERVICE_MANAGED --auto-deployment Enabled=true,RetainStacksOnAccountRemoval=false",
		"  ROOT=$(aws organizations list-roots --query 'Roots[0].Id' --output text)",
		"  aws cloudformation create-stack-instances --region " + region + " --stack-set-name " + stackSet +
			` --deployment-targets "` + targets + `" --regions ` + region,
	}, o.settings()...)
}

func terraformSteps(o *Options) []string {
	return append([]string{
		"Apply it with the credentials of the organisation's management account; that account itself gets no role",
		"by it, as StackSets leave it out.",
	}, o.settings()...)
}

func operatorSteps(*Options) []string {
	return []string{"Give it to the user or role that runs keyquench, which the roles' trust policy names (--format role)."}
}
