package setup

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// full sets everything.
func full(mode string) Options {
	return Options{
		Mode: mode, Role: "quench+1,x=@a.b-c_d", ExternalID: "corp:keys/2026=+,.@_-", Operator: "arn:aws-cn:iam::123456789012:role/security/ops/keyquench",
		Accounts: []string{"111122223333", "444455556666"},
	}
}

// plain sets what must be.
func plain(mode string) Options {
	return Options{Mode: mode, Operator: "arn:aws:iam::123456789012:user/ann"}
}

func written(t testing.TB, format string, o Options) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, format, o); err != nil {
		t.Fatalf("Write(%s, %+v): %v", format, o, err)
	}
	return b.String()
}

func TestDocumentsAreAsInTheGoldenFiles(t *testing.T) {
	for _, format := range Formats() {
		for _, mode := range Modes() {
			for name, o := range map[string]Options{"plain": plain(mode), "full": full(mode)} {
				steps, err := Steps(format, o)
				if err != nil {
					t.Fatal(err)
				}
				golden(t, format+"."+mode+"."+name, written(t, format, o))
				golden(t, format+"."+mode+"."+name+".steps", strings.Join(steps, "\n")+"\n")
			}
		}
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is\n%s\nwant\n%s", name, got, want)
	}
}

// policyDocument is a policy as AWS reads it.
type policyDocument struct {
	Version   string
	Statement []struct {
		Sid, Effect string
		Principal   map[string]string
		Action      []string
		Resource    []json.RawMessage
		Condition   map[string]map[string]string
	}
}

func parse[T any](t testing.TB, text string) (v T) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	if _, err := d.Token(); err != io.EOF {
		t.Fatalf("more follows in\n%s", text)
	}
	return v
}

type roleDocument struct {
	RoleName, Description    string
	MaxSessionDuration       int
	AssumeRolePolicyDocument policyDocument
	Policies                 []struct {
		PolicyName     string
		PolicyDocument policyDocument
	}
}

type stackDocument struct {
	AWSTemplateFormatVersion, Description string
	Resources                             map[string]struct {
		Type       string
		Metadata   map[string][]string
		Properties roleDocument
	}
	Outputs map[string]struct {
		Description string
		Value       map[string][]string
	}
}

// body is the template inside Terraform's text, as Terraform reads it.
func body(t testing.TB, text string) string {
	t.Helper()
	_, text, ok := strings.Cut(text, "<<TEMPLATE\n")
	text, rest, ok2 := strings.Cut(text, "\nTEMPLATE\n")
	if !ok || !ok2 || strings.Contains(rest, "TEMPLATE") {
		t.Fatal("there is not one template")
	}
	if regexp.MustCompile(`(^|[^$])\$\{|(^|[^%])%\{`).MatchString(text) {
		t.Errorf("Terraform would put something into\n%s", text)
	}
	return strings.NewReplacer("$${", "${", "%%{", "%{").Replace(text) + "\n"
}

// policies are the policies of what the role may do, in all documents.
func policies(t testing.TB, o Options) map[string]policyDocument {
	t.Helper()
	inStack := func(text string) policyDocument {
		return parse[stackDocument](t, text).Resources["KeyquenchResponder"].Properties.Policies[0].PolicyDocument
	}
	return map[string]policyDocument{
		"policy":         parse[policyDocument](t, written(t, "policy", o)),
		"role":           parse[roleDocument](t, written(t, "role", o)).Policies[0].PolicyDocument,
		"cloudformation": inStack(written(t, "cloudformation", o)),
		"terraform":      inStack(body(t, written(t, "terraform", o))),
	}
}

func TestAPolicyAllowsTheActionsOfItsModeAndNothingElse(t *testing.T) {
	for _, mode := range Modes() {
		for format, p := range policies(t, full(mode)) {
			var allowed []string
			for _, s := range p.Statement {
				for _, a := range s.Action {
					if !regexp.MustCompile(`^iam:[A-Z][A-Za-z]+$`).MatchString(a) {
						t.Errorf("%s, %s: action %q is not one action of IAM", format, mode, a)
					}
				}
				if s.Effect == "Allow" {
					allowed = append(allowed, s.Action...)
				}
				if len(s.Resource) == 0 || s.Principal != nil {
					t.Errorf("%s, %s: statement %+v", format, mode, s)
				}
			}
			slices.Sort(allowed)
			if want := Actions(mode); !slices.Equal(allowed, want) {
				t.Errorf("%s, %s: allows\n%v\nwant\n%v", format, mode, allowed, want)
			}
		}
	}
}

// reads are the actions that change nothing.
func reads(action string) bool {
	return strings.HasPrefix(action, "iam:Get") || strings.HasPrefix(action, "iam:List")
}

func TestWhatChangesIsBoundToUsersAndRolesAndNeverTheRoleItself(t *testing.T) {
	for _, mode := range Modes() {
		for format, p := range policies(t, plain(mode)) {
			denied := map[string]bool{}
			for _, s := range p.Statement {
				for _, a := range s.Action {
					for _, r := range s.Resource {
						text := string(r)
						switch {
						case s.Effect == "Deny":
							denied[a] = strings.Contains(text, `:role/keyquench-responder"`)
						case reads(a):
						case strings.Contains(a, "Role"):
							if !strings.Contains(text, `:role/*"`) {
								t.Errorf("%s, %s: %s on %s", format, mode, a, text)
							}
						case !strings.Contains(text, `:user/*"`):
							t.Errorf("%s, %s: %s on %s", format, mode, a, text)
						}
					}
				}
			}
			for _, a := range Actions(mode) {
				if onRole := strings.Contains(a, "Role") && !reads(a); onRole != denied[a] {
					t.Errorf("%s, %s: %s on the role itself is denied: %v, want %v", format, mode, a, denied[a], onRole)
				}
			}
		}
	}
}

func TestEachModeHasMoreThanTheOneBefore(t *testing.T) {
	var before []string
	for _, mode := range Modes() {
		now := Actions(mode)
		if len(now) <= len(before) || len(slices.Compact(slices.Clone(now))) != len(now) {
			t.Errorf("Actions(%s) = %v, after %v", mode, now, before)
		}
		for _, a := range before {
			if !slices.Contains(now, a) {
				t.Errorf("Actions(%s) lacks %s", mode, a)
			}
		}
		before = now
	}
	for mode, more := range map[string][]string{
		"deactivate": {"iam:UpdateAccessKey", "iam:UpdateServiceSpecificCredential", "iam:GetAccessKeyLastUsed"},
		"rotate":     {"iam:CreateAccessKey", "iam:DeleteAccessKey"},
		"isolate":    {"iam:PutUserPolicy", "iam:DeleteUserPolicy", "iam:PutRolePolicy", "iam:DeleteRolePolicy", "iam:DeleteLoginProfile", "iam:CreateLoginProfile"},
	} {
		for _, a := range more {
			if !slices.Contains(Actions(mode), a) {
				t.Errorf("Actions(%s) lacks %s", mode, a)
			}
		}
	}
	if slices.Contains(Actions("deactivate"), "iam:CreateAccessKey") || slices.Contains(Actions("rotate"), "iam:PutUserPolicy") || Actions("report") != nil || Actions("") != nil {
		t.Error("a mode has the rights of a later one, or an unknown one has some")
	}
}

func TestTheRoleCanBeTakenByTheOperatorOnlyAndForAnHour(t *testing.T) {
	for _, o := range []Options{plain("isolate"), full("deactivate")} {
		stack := parse[stackDocument](t, written(t, "cloudformation", o))
		name := o.Role
		if name == "" {
			name = DefaultRole
		}
		for _, r := range []roleDocument{parse[roleDocument](t, written(t, "role", o)), stack.Resources["KeyquenchResponder"].Properties} {
			s := r.AssumeRolePolicyDocument.Statement
			if r.RoleName != name || r.MaxSessionDuration != 3600 || len(s) != 1 || s[0].Effect != "Allow" ||
				!reflect.DeepEqual(s[0].Principal, map[string]string{"AWS": o.Operator}) || !slices.Equal(s[0].Action, []string{"sts:AssumeRole"}) {
				t.Errorf("role %+v", r)
			}
			want := map[string]map[string]string{"StringEquals": {"sts:ExternalId": o.ExternalID}}
			if o.ExternalID == "" {
				want = nil
			}
			if !reflect.DeepEqual(s[0].Condition, want) {
				t.Errorf("condition %v, want %v", s[0].Condition, want)
			}
		}
		if r := stack.Resources["KeyquenchResponder"]; r.Type != "AWS::IAM::Role" || len(stack.Resources) != 1 {
			t.Errorf("stack %+v", stack)
		}
	}
}

func TestDocumentsFollowThePartition(t *testing.T) {
	for partition, region := range regions {
		o := plain("isolate")
		o.Operator = strings.Replace(o.Operator, ":aws:", ":"+partition+":", 1)
		for _, format := range []string{"policy", "role", "operator"} {
			text := written(t, format, o)
			if n := strings.Count(text, `"arn:`); n == 0 || n != strings.Count(text, `"arn:`+partition+`:`) {
				t.Errorf("%s in %s:\n%s", format, partition, text)
			}
		}
		text := written(t, "cloudformation", o)
		if n := strings.Count(text, `"arn:`); n < 2 || n != 1+strings.Count(text, `"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:`) {
			t.Errorf("cloudformation in %s:\n%s", partition, text)
		}
		steps, err := Steps("cloudformation", o)
		if err != nil || !strings.Contains(strings.Join(steps, "\n"), "--regions "+region) {
			t.Errorf("steps in %s: %v, %v", partition, steps, err)
		}
	}
}

func TestAPolicyForOneAccountNamesIt(t *testing.T) {
	o := plain("isolate")
	o.Accounts = []string{"111122223333"}
	text := written(t, "policy", o)
	if n := strings.Count(text, `"arn:`); n != 5 || n != strings.Count(text, `"arn:aws:iam::111122223333:`) {
		t.Errorf("policy\n%s", text)
	}
}

func TestTheOperatorMayTakeTheRoleOfEachAccount(t *testing.T) {
	p := parse[policyDocument](t, written(t, "operator", full("rotate")))
	var got []string
	for _, r := range p.Statement[0].Resource {
		got = append(got, string(r))
	}
	want := []string{`"arn:aws-cn:iam::111122223333:role/quench+1,x=@a.b-c_d"`, `"arn:aws-cn:iam::444455556666:role/quench+1,x=@a.b-c_d"`}
	if !slices.Equal(got, want) || !slices.Equal(p.Statement[0].Action, []string{"sts:AssumeRole"}) {
		t.Errorf("operator: %v %v, want %v", p.Statement[0].Action, got, want)
	}
}

// Whatever passes the check stands in the documents as it is, and nowhere else.
// The programs that read these documents, where they are installed.
func TestToolsAcceptTheDocuments(t *testing.T) {
	dir := t.TempDir()
	run := func(name string, args ...string) {
		t.Helper()
		path, err := exec.LookPath(name)
		if err != nil {
			t.Logf("%s is not installed: its view is not known here", name)
			return
		}
		c := exec.CommandContext(t.Context(), path, args...)
		c.Dir = dir
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
		}
	}
	var files []string
	for _, mode := range Modes() {
		for name, o := range map[string]Options{"plain": plain(mode), "full": full(mode)} {
			for format, end := range map[string]string{"cloudformation": ".json", "terraform": ".tf"} {
				path := filepath.Join(dir, mode+name+end)
				if err := os.WriteFile(path, []byte(written(t, format, o)), 0o600); err != nil {
					t.Fatal(err)
				}
				if end == ".json" {
					files = append(files, path)
				}
			}
		}
	}
	run("cfn-lint", append([]string{"--non-zero-exit-code", "informational", "--"}, files...)...)
	run("terraform", "fmt", "-check", "-diff", ".")
}
