package report

import (
	"strings"

	"github.com/keyquench/keyquench/rules"
)

// maxDescription is how much of a description code scanning takes.
const maxDescription = 1024

// descriptor is a rule as code scanning shows it beside a result.
func descriptor(r *rules.Rule) sarifRule {
	d := sarifRule{
		ID: r.ID, Name: pascal(r.ID), HelpURI: projectURI + "/blob/main/rules/README.md",
		ShortDescription:     sarifMessage{Text: cut(r.Title, maxDescription)},
		FullDescription:      sarifMessage{Text: cut(r.Description, maxDescription)},
		DefaultConfiguration: &sarifConfiguration{"error"},
		Properties: &sarifRuleBag{
			Tags: []string{"security", "external/cwe/cwe-798", "credentials", "aws"}, Precision: "high",
			ProblemSeverity: "error", SecuritySeverity: severity(r),
		},
	}
	if r.File != "" { // it is a user's own
		d.HelpURI = ""
		d.Properties.Tags = append([]string{"security", "external/cwe/cwe-798", "credentials"}, r.Tags...)
	}
	d.Help.Text, d.Help.Markdown = help(r)
	return d
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

// markup is what means something in a message: links, placeholders, and the
// character that takes the meaning away. What comes from a repository must go
// through literal.
var markup = strings.NewReplacer(`\`, `\\`, `[`, `\[`, `]`, `\]`, `{`, `{{`, `}`, `}}`)

// literal is text that a message shows as it is.
func literal(s string) string { return markup.Replace(s) }
