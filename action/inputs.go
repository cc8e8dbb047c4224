package action

import (
	"fmt"
	"slices"
	"strings"

	"github.com/keyquench/keyquench/rules"
)

// Inputs are what whoever wrote the workflow asks for. An input NAME of
// action.yml comes in the variable KEYQUENCH_INPUT_NAME, in capitals and with
// underscores; one that is empty has its default.
type Inputs struct {
	// WorkingDirectory is what relative names of files count from, itself relative
	// to the workspace; Path is the checkout, relative to that.
	WorkingDirectory, Path string
	// Base and Head take the place of what the event says: object names, or
	// revisions that the checkout or its remote knows.
	Base, Head string
	Args       []string
	Config     string
	// FailOn is any, live or none.
	FailOn string
	Format string

	Annotations, Summary, Comment, SARIF, UploadSARIF bool
	Verify, Respond                                   bool
	// RespondConfig is the text of an operator's keyquench.toml.
	RespondConfig string
	Token         rules.Secret
}

// InputError is an input that makes no sense.
type InputError struct{ what, next string }

func (e *InputError) Error() string { return e.what }

// Hint is what the input can be.
func (e *InputError) Hint() string { return e.next }

// InputsFrom reads the inputs. formats are those that the input "format" can
// name; the first is the default. An error is an *InputError.
func InputsFrom(getenv func(string) string, formats []string) (in Inputs, err error) {
	r := inputReader{getenv: getenv}
	in = Inputs{
		WorkingDirectory: r.text("working-directory"), Path: r.text("path"),
		Base: strings.TrimSpace(r.text("base")), Head: strings.TrimSpace(r.text("head")),
		Config: r.text("config"), RespondConfig: r.text("respond-config"),
		FailOn:      r.choice("fail-on", "any", "live", "none"),
		Format:      r.choice("format", formats...),
		Annotations: r.yes("annotations", true), Summary: r.yes("summary", true), Comment: r.yes("comment", false),
		SARIF: r.yes("sarif", true), UploadSARIF: r.yes("upload-sarif", false),
		Verify: r.yes("verify", false), Respond: r.yes("respond", false),
	}
	if token := strings.TrimSpace(r.text("token")); token != "" {
		in.Token = rules.NewSecret(token)
		if strings.ContainsAny(token, " \t\r\n") {
			r.fail("the input token holds more than a token", "token: ${{ github.token }}, or leave it out")
		}
	}
	args, ok := words(r.text("args"))
	if in.Args = args; !ok {
		r.fail("the input args has a quotation mark without its second", "args: --rules 'our rules.toml'")
	}
	switch {
	case in.FailOn == "live" && !in.Verify:
		r.fail("fail-on: live cannot be judged without verify: true", "set verify: true, which asks AWS, or fail-on: any")
	case in.Respond && !in.Verify:
		r.fail("respond: true needs verify: true: only live keys are turned off", "set verify: true too, or leave out respond")
	case in.RespondConfig != "" && !in.Respond:
		r.fail("respond-config does nothing without respond: true", "set respond: true, or leave it out")
	case in.UploadSARIF && !in.SARIF:
		r.fail("upload-sarif: true and sarif: false contradict each other", "leave one of them out")
	case (in.Comment || in.UploadSARIF) && in.Token.IsZero():
		r.fail("comment and upload-sarif need a token", "token: ${{ github.token }}, which is the default")
	}
	return in, r.err
}

// inputReader keeps the first error.
type inputReader struct {
	getenv func(string) string
	err    error
}

func (r *inputReader) fail(what, next string) {
	if r.err == nil {
		r.err = &InputError{what, next}
	}
}

func (r *inputReader) text(name string) string {
	return r.getenv("KEYQUENCH_INPUT_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_")))
}

// choice is one of the allowed; the first is the default.
func (r *inputReader) choice(name string, allowed ...string) string {
	v := strings.TrimSpace(r.text(name))
	if v == "" {
		return allowed[0]
	}
	if !slices.Contains(allowed, v) {
		r.fail(fmt.Sprintf("the input %s is %q", name, v), "one of: "+strings.Join(allowed, ", "))
	}
	return v
}

func (r *inputReader) yes(name string, usually bool) bool {
	// YAML's spellings, as actions/toolkit's getBooleanInput takes them.
	switch v := strings.TrimSpace(r.text(name)); v {
	case "":
		return usually
	case "true", "True", "TRUE":
		return true
	case "false", "False", "FALSE":
		return false
	default:
		r.fail(fmt.Sprintf("the input %s is %q", name, v), "true or false")
		return false
	}
}

// words splits a line as a shell would, as far as quotation marks go: nothing in
// it is expanded or run. ok is false if one is open at the end.
func words(line string) (list []string, ok bool) {
	var word strings.Builder
	quote, begun := rune(0), false
	for _, c := range line {
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(c)
		case c == '\'' || c == '"':
			quote, begun = c, true
		case strings.ContainsRune(" \t\r\n", c):
			if begun {
				list = append(list, word.String())
			}
			word.Reset()
			begun = false
		default:
			word.WriteRune(c)
			begun = true
		}
	}
	if begun {
		list = append(list, word.String())
	}
	return list, quote == 0
}
