package report

import (
	"strings"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

	"github.com/keyquench/keyquench/rules"
)

// maxDescription is how much of a description code scanning takes.
const maxDescription = 1024

// descriptor is a rule as code scanning shows it beside a result.
func descriptor(r *rules.Rule) *sarif.ReportingDescriptor {
	d := sarif.NewRule(r.ID)
	d.WithName(pascal(r.ID)).WithShortDescription(said(cut(r.Title, maxDescription))).WithFullDescription(said(cut(r.Description, maxDescription)))
	d.WithHelpURI(projectURI + "/blob/main/rules/README.md")
	d.WithDefaultConfiguration(sarif.NewReportingConfiguration().WithLevel("error"))
	plain, markdown := help(r)
	d.WithHelp(sarif.NewMultiformatMessageString().WithText(plain).WithMarkdown(markdown))
	bag := sarif.NewPropertyBag()
	bag.Add("precision", "high").Add("problem.severity", "error").Add("security-severity", severity(r))
	bag.WithTags([]string{"security", "external/cwe/cwe-798", "credentials", "aws"})
	return d.WithProperties(bag)
}

// severity is in the words of CVSS: what a stranger can do with the value.
func severity(r *rules.Rule) string {
	if r.Kind == rules.SessionToken || r.Kind == rules.Credential {
		return "8.5" // ends by itself, or opens a single service
	}
	return "9.8"
}

// help is what to do about any key of the rule, as plain text and as Markdown.
// Nothing in it comes from a repository.
func help(r *rules.Rule) (plain, markdown string) {
	t := tally{count: 1, other: r.Kind == rules.SessionToken || r.Kind == rules.Credential, lone: r.Kind == rules.SecretKey}
	if r.Kind == rules.KeyID {
		t.first, t.lasting, t.temporary = "KEY-ID", 1, true
	}
	var text, mark strings.Builder
	text.WriteString(r.Description + "\n\nWhat to do now:\n")
	mark.WriteString("# " + r.Title + "\n\n" + r.Description + "\n\n## What to do now\n\n")
	for _, s := range t.steps(All) {
		text.WriteString("- " + s.text() + "\n")
		mark.WriteString("1. " + s.text() + "\n")
		if s.command != "" {
			text.WriteString("  " + s.command + "\n")
			mark.WriteString("   ```sh\n   " + s.command + "\n   ```\n")
		}
	}
	return text.String(), mark.String()
}

// pascal is a rule's name as SARIF has them: AwsAccessKeyId.
func pascal(id string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(id, "-") {
		if part != "" {
			b.WriteString(strings.ToUpper(part[:1]) + part[1:])
		}
	}
	return b.String()
}

// cut is at most n bytes of s, whole characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return wholeRunes(s[:n])
}

func said(text string) *sarif.MultiformatMessageString {
	return sarif.NewMultiformatMessageString().WithText(text)
}

// message is a message. What comes from a repository has gone through literal.
func message(text string) *sarif.Message { return sarif.NewTextMessage(text) }

// markup is what means something in a message: links, placeholders, and the
// character that takes the meaning away.
var markup = strings.NewReplacer(`\`, `\\`, `[`, `\[`, `]`, `\]`, `{`, `{{`, `}`, `}}`)

// literal is text that a message shows as it is.
func literal(s string) string { return markup.Replace(s) }
