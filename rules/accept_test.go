package rules_test

import (
	"encoding/base64"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/rules/rulestest"
)

type acceptance struct {
	sample     func(*rand.Rand) (text, value string)
	nearMisses []string
}

// plain is the sample of a value that needs nothing around it.
func plain(value func(*rand.Rand) string) func(*rand.Rand) (string, string) {
	return func(r *rand.Rand) (string, string) {
		v := value(r)
		return "token: " + v, v
	}
}

// samples makes, for each rule, a value and what is almost one.
func samples() map[string]acceptance {
	r := rulestest.Rand(99)
	id, secret := rulestest.KeyID(r, "AKIA"), rulestest.Secret(r)
	hex := func(n int) string { return rulestest.Text(r, rulestest.HexAlphabet, n) }
	b64 := func(n int) string { return rulestest.Text(r, rulestest.Base64Alphabet, n) }
	uuid := hex(8) + "-" + hex(4) + "-" + hex(4) + "-" + hex(4) + "-" + hex(12)
	return map[string]acceptance{
		"aws-access-key-id": {
			plain(func(r *rand.Rand) string {
				return rulestest.KeyID(r, []string{"AKIA", "ASIA", "ABIA", "ACCA"}[r.IntN(4)])
			}),
			[]string{
				id[:19], id + "A", "A" + id, "7" + id, id + "9", "AKIA" + strings.ToLower(id[4:]),
				"AROA" + id[4:], "AIDA" + id[4:], "AGPA" + id[4:], "AIPA" + id[4:], "ANPA" + id[4:],
				"ANVA" + id[4:], "APKA" + id[4:], "ASCA" + id[4:], id[:10] + "8" + id[11:], id[:10] + "-" + id[11:],
				id[:9] + "EXAMPLE" + id[16:], "AKIA" + strings.Repeat("X", 16), "AKIA" + strings.Repeat("AB23", 4),
				"AKIA" + "ABCDEFGH" + id[12:], "AKIA7777" + id[8:], // no account has so high a number
				"FOO3D" + id, "%ZZ" + id,
			},
		},
		"aws-secret-access-key": {
			func(r *rand.Rand) (string, string) {
				s := rulestest.Secret(r)
				return "aws_secret_access_key = " + s, s
			},
			[]string{
				"aws_secret_access_key = " + secret[:39], "aws_secret_access_key = " + secret + "a",
				"aws_secret_access_key = " + hex(40), "aws_secret_access_key = " + strings.ToUpper(hex(40)),
				secret, "key = " + secret, "secret_key = " + secret, "etag = " + secret,
				"aws_secret_access_key = x\n\n\n\n" + secret, "aws_secret_access_key_id = " + secret,
				"aws_secret_access_key = " + secret[:20] + "EXAMPLEKEY" + secret[30:],
				"aws_secret_access_key = " + strings.Repeat("Ab", 20),
				"aws_secret_access_key: none\nbuild_revision_of_release: " + secret,
			},
		},
		"aws-session-token": {
			plain(rulestest.Token),
			[]string{
				"token = " + b64(400), "IQoJb3JpZ2luX2Vj" + b64(60), "session_token = eyJ" + b64(300),
				"sessionToken = " + strings.Repeat("a", 200), "IQoJb3JpZ2luX2Vj" + b64(90) + "EXAMPLE" + b64(90), "session_token_hash_of_user_ids = x\n" + b64(300),
			},
		},
		"aws-bedrock-api-key": {
			plain(func(r *rand.Rand) string { return bedrock(r, "dev") }),
			[]string{"ABSK" + b64(100), "x" + "ABSK" + b64(120), "ABSK" + b64(400), "ABSK" + strings.Repeat("A", 120)},
		},
		"aws-bedrock-session-key": {
			plain(func(r *rand.Rand) string {
				url := "bedrock.amazonaws.com/?Action=CallWithBearerToken&X-Amz-Credential=" + rulestest.KeyID(r, "ASIA") + "%2F20260101&X=" + rulestest.Text(r, rulestest.HexAlphabet, 64)
				return "bedrock-api-key-" + base64.StdEncoding.EncodeToString([]byte(url))
			}),
			[]string{"bedrock-api-key-" + b64(80), "bedrock-api-key-" + strings.Repeat("x", 200), "mybedrock-api-key-" + b64(200)},
		},
		"aws-mws-auth-token": {
			plain(func(r *rand.Rand) string {
				h := func(n int) string { return rulestest.Text(r, rulestest.HexAlphabet, n) }
				return "amzn.mws." + h(8) + "-" + h(4) + "-" + h(4) + "-" + h(4) + "-" + h(12)
			}),
			[]string{"amzn.mws." + uuid[:35], "amzn.mws." + uuid + "0", "xamzn.mws." + uuid, "amznxmws." + uuid, "amzn.mws.00000000-0000-0000-0000-000000000000"},
		},
		"aws-ses-smtp-password": {
			func(r *rand.Rand) (string, string) {
				p := rulestest.SMTP(r)
				return "host: email-smtp.eu-west-1.amazonaws.com\npassword: " + p, p
			},
			[]string{
				rulestest.SMTP(r), "smtp: Z" + b64(43), "smtp: BZ" + b64(42), "smtp: " + rulestest.SMTP(r)[:43], "smtp: " + rulestest.SMTP(r) + "=",
				"sessions: " + rulestest.SMTP(r),
			},
		},
		"aws-appsync-api-key": {
			plain(func(r *rand.Rand) string { return "da2-" + rulestest.Text(r, rulestest.LowerAlphabet, 26) }),
			[]string{"da2-" + hex(25), "da2-" + hex(27), "xda2-" + hex(26), "da2-" + strings.Repeat("x", 26), "da2-" + strings.ToUpper(hex(25)) + "Z"},
		},
		"aws-codecommit-password": {
			func(r *rand.Rand) (string, string) {
				p := rulestest.Text(r, rulestest.Base64Alphabet, 43) + "="
				return "https://deploy-at-123456789012:" + p + "@git-codecommit.us-east-1.amazonaws.com/v1/repos/x", p
			},
			[]string{
				"deploy-at-123456789012", "deploy-at-12345678901: " + b64(43) + "=", "deploy-at-1234567890123: " + b64(43) + "=",
				"h1:" + b64(43) + "=", "deploy-at-123456789012: " + b64(43), "deploy-at-123456789012: " + hex(43) + "=",
			},
		},
		"aws-codeartifact-token": {
			plain(func(r *rand.Rand) string {
				head := base64.RawURLEncoding.EncodeToString([]byte(`{"ver":1,"isu":1700000000,"enc":"A128GCM","tag":"` + rulestest.Text(r, rulestest.LowerAlphabet, 22) + `"}`))
				part := func(n int) string { return rulestest.Text(r, rulestest.LowerAlphabet+"ABCDEF_", n) }
				return head + "." + part(60) + "." + part(16) + "." + part(400) + "." + part(22)
			}),
			[]string{"eyJ2ZXIiOjEs" + hex(60), "eyJ2ZXIiOjEs" + hex(20) + "." + hex(20) + "." + hex(20), "xeyJ2ZXIiOjEs" + hex(60) + "." + hex(60) + "." + hex(60)},
		},
		"aws-ecr-auth": {
			plain(func(r *rand.Rand) string {
				inner := `{"payload":"` + rulestest.Text(r, rulestest.Base64Alphabet, 300) + `","version":"2"}`
				return base64.StdEncoding.EncodeToString([]byte("AWS:" + base64.StdEncoding.EncodeToString([]byte(inner))))
			}),
			[]string{"QVdTOmV5Sn" + b64(50), "QVdTOmZ5Sn" + b64(200), "x" + "QVdTOmV5Sn" + b64(200), "QVdTOmV5Sn" + strings.Repeat("A", 200)},
		},
	}
}

// bedrock makes a long-term Bedrock key of the user in account 123456789012.
func bedrock(r *rand.Rand, user string) string {
	plain := user + "-at-123456789012:" + rulestest.Text(r, rulestest.Base64Alphabet, 66)
	return "ABSK" + base64.StdEncoding.EncodeToString([]byte("BedrockAPIKey-"+plain))
}

func TestEveryRuleIsAccepted(t *testing.T) {
	set := rules.Default()
	all := samples()
	for _, rule := range set.Rules() {
		a, ok := all[rule.ID]
		if !ok || len(a.nearMisses) == 0 {
			t.Errorf("rule %s has no sample or no near misses", rule.ID)
			continue
		}
		delete(all, rule.ID)
		t.Run(rule.ID, func(t *testing.T) {
			rulestest.Accept(t, set, rule.ID, a.sample, a.nearMisses...)
		})
	}
	for id := range all {
		t.Errorf("sample for %s, which is no rule", id)
	}
}
