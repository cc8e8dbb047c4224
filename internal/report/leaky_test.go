package report

import (
	"fmt"
	"testing"

	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/rules/rulestest"
	"github.com/keyquench/keyquench/scanner"
	"github.com/keyquench/keyquench/scanner/scannertest"
)

// leaky is a scan of a repository in which keys have come and gone for years,
// with commits and objects that have names, as only a scan gives them.
func leaky(t testing.TB) (list []scanner.Finding, sum scanner.Summary, secrets []string) {
	t.Helper()
	r := rulestest.Rand(21)
	repo := scannertest.New(t)
	ids, n := []string{}, 0
	pair := func(prefix string, account uint64) string {
		id, secret := rulestest.KeyIDOf(r, prefix, account), rulestest.Secret(r)
		ids, secrets = append(ids, id), append(secrets, secret)
		return fmt.Sprintf("aws_access_key_id = %s\naws_secret_access_key = %s\n", id, secret)
	}
	commit := func(date, author, message string) {
		n++
		repo.Write("CHANGELOG", fmt.Sprint(n, "\n"))
		repo.Git("add", "-A", "-f")
		repo.Git("commit", "-q", "--date="+date, "--author="+author, "-m", message)
	}
	dana, robin := "Dana Kessler <dana@example.com>", "רובין לוי <robin@example.com>"
	deploy := pair("AKIA", 123456789012)
	repo.Write("deploy/prod.env", "# production\n"+deploy)
	commit("2019-03-04T09:12:00Z", dana, "deploy: first version")
	repo.Write("scripts/backup.sh", "#!/bin/sh\n"+deploy)
	commit("2020-11-19T16:40:00Z", robin, "backup: nightly to S3")
	repo.Remove("scripts/backup.sh")
	commit("2021-01-05T08:00:00Z", dana, "backup: use the role instead")
	gone := pair("AKIA", 210987654321)
	repo.Write("terraform/vars.tf", gone)
	commit("2021-06-30T22:10:00Z", dana, "terraform: try it out")
	repo.Remove("terraform/vars.tf")
	commit("2021-07-01T07:55:00Z", dana, "oops, remove keys")
	repo.Write("docs/ميزانية <b>&amp;.md", pair("AKIA", 123456789012))
	commit("2023-02-11T12:00:00Z", "onerror=alert(1) {{.}} <x@example.com>", `</script><img src=x onerror=alert(1)> javascript:alert(1) ${7*7} "quoted" `+"\u202egnp.exe")
	repo.Write("test/canary.txt", rulestest.KeyIDOf(r, "AKIA", 171436882533)+"\n")
	commit("2023-09-01T10:00:00Z", dana, "docs: an example")
	temporary := pair("ASIA", 123456789012)
	repo.Write("notes/session.md", temporary)
	commit("2024-05-17T13:30:00Z", robin, "notes from the incident")
	commit("2025-08-02T11:00:00Z", dana, "rotate the key "+ids[0])
	smtp := rulestest.SMTP(r)
	secrets = append(secrets, smtp)
	repo.Write("mail.yml", "smtp_username: "+rulestest.KeyIDOf(r, "AKIA", 5)+"\nsmtp_password: "+smtp+"\nhost: email-smtp.us-east-1.amazonaws.com\n")
	commit("2026-02-14T18:00:00Z", robin, "mail: send through SES")
	repo.GitIn(pair("AKIA", 333344445555), "hash-object", "-w", "--stdin") // that no tree names

	opened, err := scanner.Open(repo.Dir, scanner.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	s := scanner.Scanner{Rules: rules.Default()}
	sum, err = s.Scan(t.Context(), func(f scanner.Finding) error { list = append(list, f); return nil }, opened.History())
	if err != nil {
		t.Fatal(err)
	}
	return list, sum, secrets
}
