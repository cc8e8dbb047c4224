package rules_test

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/rules/rulestest"
)

func find(text string) []rules.Match { return rules.Default().Find(nil, []byte(text)) }

// keyOf returns the only match for the ID.
func keyOf(t *testing.T, text, id string) rules.Match {
	t.Helper()
	var found []rules.Match
	for _, m := range find(text) {
		if m.Key.ID == id {
			found = append(found, m)
		}
	}
	if len(found) != 1 {
		t.Errorf("%d matches for the ID, want 1", len(found))
		return rules.Match{}
	}
	return found[0]
}

func TestFindTakesIDsBesideAnyNeighbourThatIsNoUpperCase(t *testing.T) {
	id := rulestest.KeyID(rulestest.Rand(1), "AKIA")
	for _, format := range []string{
		"%s", "_%s_", "x%sx", "'%s'", "%%3D%s", "%%3d%s%%26", `\u003D%s\u0026`, `\x3D%s`, "=3D%s", "%%253D%s", "é%sé", "\x00%s\x00", "/%s/20260101", "\\n%s\\n",
	} {
		text := fmt.Sprintf(format, id)
		if m := find(text); len(m) != 1 || text[m[0].Start:m[0].End] != id || m[0].Key.ID != id {
			t.Errorf("Find(%q) = %d matches, want the ID", strings.ReplaceAll(format, "%s", "ID"), len(m))
		}
	}
}

// Secrets beside an ID, without a label, in all the ways they are joined.
func TestFindReadsJoinedPairs(t *testing.T) {
	r := rulestest.Rand(2)
	for _, format := range []string{
		"ID:SECRET", "ID/SECRET", "ID+SECRET", "SECRET/ID", "SECRET+ID", "ID SECRET", "ID,SECRET", "ID|SECRET", "ID\tSECRET",
		"s3://ID:SECRET@bucket", "u=ID;p=SECRET;", `["ID","SECRET"]`, `\"ID\",\"SECRET\"`, `ID\nSECRET\n`, `ID\\nSECRET\\n`,
		`ID\tSECRET`, "ID\r\nSECRET\r\n", "ID%3ASECRET%40", "ID&SECRET&", "(ID)\n(SECRET)", "ID_SECRET=x\nID\nSECRET", "k=ID&s=SECRET#frag",
		"ID=3D\nx=3DSECRET", "ID\n//SECRET",
	} {
		for range 50 {
			id, secret := rulestest.KeyID(r, "AKIA"), rulestest.Secret(r)
			text := strings.NewReplacer("ID", id, "SECRET", secret).Replace(format)
			n := 0
			for _, m := range find(text) {
				if m.Key == (rules.Key{ID: id, Secret: rules.NewSecret(secret)}) && text[m.Secrets[0].Start:m.Secrets[0].End] == secret {
					n++
				}
			}
			if n != strings.Count(format, "ID") && !strings.Contains(format, "ID_SECRET") || n == 0 {
				t.Errorf("Find(%q) pairs %d IDs", format, n)
				break
			}
		}
	}
}

func TestFindReadsEscapedSecrets(t *testing.T) {
	r := rulestest.Rand(3)
	for _, tt := range []struct{ slash, plus, encoding string }{
		{`\/`, "+", "json"},
		{"%2F", "%2B", "percent"},
		{"%2f", "%2b", "percent"},
		{"%252F", "%252B", "percent"},
		{`\u002f`, `\u002B`, "json"},
		{`\\u002F`, `\\u002b`, "json"},
		{`\x2f`, `\x2B`, "json"},
		{`\\/`, "+", "json"},
		{"&#47;", "&#43;", "html"},
		{"&#x2F;", "&#x2b;", "html"},
		{"%2F", "&#43;", "mixed"},
	} {
		for range 50 {
			secret := "a/+B" + rulestest.Secret(r)[4:]
			text := "aws_secret_access_key=" + strings.NewReplacer("/", tt.slash, "+", tt.plus).Replace(secret)
			m := find(text)
			if len(m) != 1 || m[0].Key.Secret != rules.NewSecret(secret) || m[0].End != len(text) || m[0].Encoding != tt.encoding {
				t.Errorf("Find of a secret with %s %s = %d matches", tt.slash, tt.plus, len(m))
				break
			}
		}
	}
}

// A label is enough for a secret alone; the same bytes under another name, or
// under none, are nothing.
func TestFindReadsLabels(t *testing.T) {
	r := rulestest.Rand(4)
	for _, format := range []string{
		"aws_secret_access_key = SECRET", "AWS_SECRET_KEY: SECRET", `"secretAccessKey": "SECRET"`, `AwsSecretKey="SECRET"`,
		"s3.secret_key=SECRET", "fs.s3a.secret.key SECRET", "<name>fs.s3a.secret.key</name>\n  <value>SECRET</value>",
		"Access key ID,Secret access key\n,SECRET", "Secret access key\nSECRET", "cloud.aws.credentials.secret-key=SECRET",
		"cloud:\n  aws:\n    credentials:\n      secret-key: SECRET", `<add key="AWSSecretKey" value="SECRET"/>`, "aws configure set aws_secret_access_key SECRET",
		"- name: AWS_SECRET_ACCESS_KEY\n  value: SECRET", `os.Getenv("AWS_SECRET_ACCESS_KEY") || "SECRET"`, `# secret_key for amazon
secret_key = SECRET`, `{"value": "SECRET", "type": "string", "key": "aws_secret_key"}`, "AWS_SECRET_ACCESS_KEY\\u003dSECRET", "?aws_secret_access_key%3DSECRET%26",
		"variable \"aws_secret_key\" {\n  description = \"for deploys\"\n  default = \"SECRET\"\n}", "AWS Secret Access Key [None]: SECRET", "my-aws-secret-key: SECRET",
		"ENV AWS_SECRET_ACCESS_KEY SECRET", "const awsSecretKey string = \"SECRET\"",
	} {
		for range 50 {
			secret := rulestest.Secret(r)
			text := strings.Replace(format, "SECRET", secret, 1)
			if strings.Contains(format, "_SECRET_") || strings.HasPrefix(format, "AWS_SECRET") || strings.Contains(format, "AWS_SECRET") {
				i := strings.LastIndex(format, "SECRET")
				text = format[:i] + secret + format[i+len("SECRET"):]
			}
			m := find(text)
			if len(m) != 1 || m[0].Rule.ID != "aws-secret-access-key" || m[0].Key.Secret != rules.NewSecret(secret) || m[0].Key.ID != "" {
				t.Errorf("Find(%q) = %d matches, want the secret", format, len(m))
				break
			}
		}
	}
	for _, format := range []string{"x = %s", "%s", "secret = %s", "commit: %s", "aws sha = %s", "session_secret_name_of_key=%s", "aws: x\nJWT_SECRET=%s", "AWS_REGION=x\nAPP_SESSION_SECRET=%s", "s3: {clientSecret: '%s'}", "secret key of the house. The aws build was done by team with id %s"} {
		if m := find(fmt.Sprintf(format, rulestest.Secret(r))); len(m) != 0 {
			t.Errorf("Find(%q) = %s, want nothing", format, m[0].Rule.ID)
		}
	}
}

func TestFindTakesLegacyIDsOnlyWithBothLabels(t *testing.T) {
	r := rulestest.Rand(5)
	id, secret := "AKIA"+"J"+rulestest.Text(r, "0189ABCXYZ", 15), rulestest.Secret(r)
	if m := keyOf(t, "aws_access_key_id = "+id+"\naws_secret_access_key = "+secret, id); m.Key.Secret != rules.NewSecret(secret) {
		t.Error("a labelled legacy pair is not paired")
	}
	tooHigh := "aws_access_key_id = AKIA" + "7777" + rulestest.Text(r, rulestest.Base32Alphabet, 12) + "\naws_secret_access_key = " + secret
	for _, text := range []string{tooHigh, id + " " + secret, "aws_access_key_id = " + id, "aws_access_key_id = " + id + "\nx = " + secret, id + "\naws_secret_access_key = " + secret} {
		for _, m := range find(text) {
			if m.Key.ID != "" {
				t.Errorf("a legacy ID counts without both labels: %d bytes", len(text))
			}
		}
	}
}

// Beside an ID a run of 40 counts without a label, unless it is a piece of
// something longer.
func TestFindLeavesPiecesOfLongerValues(t *testing.T) {
	r := rulestest.Rand(13)
	b64 := func(n int) string { return rulestest.Text(r, rulestest.Base64Alphabet, n) }
	for _, format := range []string{
		"-SECRET", "_SECRET", "SECRET-", "SECRET_x", "SECRET=", "x.SECRET", "SECRET.x",
		b64(64) + "\nSECRET\n", "SECRET\n" + b64(64) + "\n", b64(76) + `\nSECRET`,
	} {
		id := rulestest.KeyID(r, "AKIA")
		m := keyOf(t, id+"\n"+strings.Replace(format, "SECRET", rulestest.Secret(r), 1), id)
		if len(m.Secrets) != 0 {
			t.Errorf("Find(%q) takes a piece for a secret", format[max(0, len(format)-12):])
		}
	}
	id := rulestest.KeyID(r, "AKIA")
	if m := keyOf(t, id+"\nsee "+rulestest.Secret(r)+".\n", id); len(m.Secrets) != 1 {
		t.Error("a full stop behind a secret hides it")
	}
}

// An ID without a secret stands first, so ranks say nothing, and each secret
// is as far from the ID before it as from the one behind.
func TestFindPairsOnTheSideOfTheFirstPair(t *testing.T) {
	r := rulestest.Rand(14)
	for range 20 {
		id0, id1, id2 := rulestest.KeyID(r, "AKIA"), rulestest.KeyID(r, "AKIA"), rulestest.KeyID(r, "AKIA")
		s1, s2 := rulestest.Secret(r), rulestest.Secret(r)
		text := strings.Join([]string{id0, id1, s1, id2, s2}, "\n")
		if keyOf(t, text, id1).Key.Secret != rules.NewSecret(s1) || keyOf(t, text, id2).Key.Secret != rules.NewSecret(s2) || !keyOf(t, text, id0).Key.Secret.IsZero() {
			t.Error("a list of IDs, each followed by its secret, is paired crosswise")
			break
		}
		// Secrets first, and each a little nearer to the ID of the pair before.
		text = s1 + "\nof the key " + id1 + "\n" + s2 + "\nof the key " + id2 + "\n" + id0
		if keyOf(t, text, id1).Key.Secret != rules.NewSecret(s1) || keyOf(t, text, id2).Key.Secret != rules.NewSecret(s2) {
			t.Error("a list of secrets, each followed by its ID, is paired crosswise")
			break
		}
	}
}

func TestFindRanksCandidates(t *testing.T) {
	r := rulestest.Rand(6)
	id, right, other := rulestest.KeyID(r, "AKIA"), rulestest.Secret(r), rulestest.Secret(r)
	m := keyOf(t, "x: "+other+"\nid: "+id+"\nnonce: "+rulestest.Secret(r)+"\naws_secret_access_key: "+right+"\n", id)
	if m.Key.Secret != rules.NewSecret(right) || len(m.Secrets) != 3 || m.Secrets[1].Secret != rules.NewSecret(other) {
		t.Errorf("%d candidates, best first is not the labelled one", len(m.Secrets))
	}
	if !slices.IsSortedFunc(m.Secrets, func(a, b rules.Candidate) int { return b.Score - a.Score }) {
		t.Error("candidates are not sorted by score")
	}
	for _, c := range m.Secrets {
		if c.Why == "" || strings.Contains(c.Why, c.Secret.Reveal()) {
			t.Errorf("Why = %q", c.Why)
		}
	}
	// Far away and without a label it stays a candidate.
	far := id + strings.Repeat("\nnothing to see here", 500) + "\n" + right
	if m := keyOf(t, far, id); !m.Key.Secret.IsZero() || len(m.Secrets) != 1 || m.Secrets[0].Score >= rules.PairScore {
		t.Errorf("a far secret without a label: paired %v, %d candidates", !m.Key.Secret.IsZero(), len(m.Secrets))
	}
	crowd := id
	for range 30 {
		crowd += "\n" + rulestest.Secret(r)
	}
	if m := keyOf(t, crowd, id); len(m.Secrets) != rules.MaxSecrets {
		t.Errorf("%d candidates, want %d", len(m.Secrets), rules.MaxSecrets)
	}
}

func TestFindReportsASpareLabelledSecret(t *testing.T) {
	r := rulestest.Rand(7)
	id, a, b := rulestest.KeyID(r, "AKIA"), rulestest.Secret(r), rulestest.Secret(r)
	ms := find("aws_access_key_id=" + id + "\naws_secret_access_key=" + a + "\n#aws_secret_access_key=" + b + "\n")
	if len(ms) != 2 || ms[0].Key.Secret != rules.NewSecret(a) || ms[1].Key != (rules.Key{Secret: rules.NewSecret(b)}) {
		t.Errorf("%d matches, want the pair and the spare secret", len(ms))
	}
}

func TestFindGivesTokensToTemporaryKeys(t *testing.T) {
	r := rulestest.Rand(8)
	var b strings.Builder
	type key struct{ id, secret, token string }
	var keys []key
	for range 5 {
		k := key{rulestest.KeyID(r, "ASIA"), rulestest.Secret(r), rulestest.Token(r)}
		keys = append(keys, k)
		fmt.Fprintf(&b, "[p]\naws_access_key_id=%s\naws_secret_access_key=%s\naws_session_token=%s\n", k.id, k.secret, k.token)
	}
	ms := find(b.String())
	if len(ms) != len(keys) {
		t.Fatalf("%d matches, want %d", len(ms), len(keys))
	}
	for i, k := range keys {
		if want := (rules.Key{ID: k.id, Secret: rules.NewSecret(k.secret), Token: rules.NewSecret(k.token)}); ms[i].Key != want {
			t.Errorf("key %d is not whole", i)
		}
		if got := b.String()[ms[i].TokenStart:ms[i].TokenEnd]; got != k.token {
			t.Errorf("key %d: the token's place is wrong", i)
		}
	}
	// A presigned URL has an ID and a token, both escaped, and no secret.
	id, token := rulestest.KeyID(r, "ASIA"), rulestest.Token(r)
	escaped := strings.NewReplacer("/", "%2F", "+", "%2B", "=", "%3D").Replace(token)
	url := "https://b.s3.amazonaws.com/x?X-Amz-Credential=" + id + "%2F20260101%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Security-Token=" + escaped + "&X-Amz-Signature=" + rulestest.Text(r, rulestest.HexAlphabet, 64)
	if m := keyOf(t, url, id); m.Key != (rules.Key{ID: id, Token: rules.NewSecret(token)}) {
		t.Error("a presigned URL's token is not its ID's")
	}
	labelled := "AWS_SESSION_TOKEN=" + rulestest.Text(r, rulestest.Base64Alphabet, 300)
	if ms := find(labelled); len(ms) != 1 || ms[0].Rule.ID != "aws-session-token" {
		t.Errorf("a labelled token with an unknown head: %d matches", len(ms))
	}
}

func TestFindReadsBase64AtEveryAlignment(t *testing.T) {
	r := rulestest.Rand(9)
	for pad := range 12 {
		for _, prefix := range []string{"AKIA", "ASIA", "ABIA", "ACCA"} {
			id, secret := rulestest.KeyID(r, prefix), rulestest.Secret(r)
			plain := strings.Repeat("-", pad) + "id=" + id + "\nsecret=" + secret + "\n"
			enc := base64.StdEncoding.EncodeToString([]byte(plain))
			for depth := 1; depth <= 2; depth++ {
				text := "user_data: " + enc + "\n"
				if depth == 2 && pad == 0 {
					text = "data: " + base64.StdEncoding.EncodeToString([]byte("key: "+id+"\nmore: "+enc+"\n"))
				}
				m := find(text)
				ok := slices.ContainsFunc(m, func(m rules.Match) bool {
					return m.Key == (rules.Key{ID: id, Secret: rules.NewSecret(secret)}) && m.Encoding == "base64" && covers(text[m.Start:m.End], id)
				})
				if !ok {
					t.Errorf("pad %d, %s, depth %d: the pair in base64 is not found", pad, prefix, depth)
				}
			}
		}
	}
}

// Wrapped base64 cuts the encoded ID anywhere, its first characters too.
func TestFindReadsWrappedBase64(t *testing.T) {
	r := rulestest.Rand(12)
	for _, br := range []string{"\n", "\r\n", "\n    ", `\n`, `\r\n`} {
		for pad := range 80 {
			id, secret := rulestest.KeyID(r, "AKIA"), rulestest.Secret(r)
			enc := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("-", pad) + "\nid: " + id + "\naws_secret_access_key: " + secret + "\n"))
			var lines []string
			for len(enc) > 76 {
				lines, enc = append(lines, enc[:76]), enc[76:]
			}
			text := "data: |\n  " + strings.Join(append(lines, enc), br)
			if m := find(text); len(m) != 1 || m[0].Key != (rules.Key{ID: id, Secret: rules.NewSecret(secret)}) {
				t.Errorf("break %q, %d bytes before: %d matches, want the pair", br, pad, len(m))
			}
		}
	}
}

// covers tells whether part, cut out of base64, holds the ID at some alignment.
func covers(part, id string) bool {
	for lead := range 4 {
		for tail := range 4 {
			text := strings.Repeat("A", lead) + part + strings.Repeat("A", tail)
			plain, err := base64.RawStdEncoding.DecodeString(text)
			if err == nil && strings.Contains(string(plain), id) {
				return true
			}
		}
	}
	return strings.Contains(part, "QUtJ") || len(part) > len(id)
}

func TestFindNamesOwners(t *testing.T) {
	r := rulestest.Rand(10)
	if m := find(bedrock(r, "alice")); len(m) != 1 || m[0].Account != "123456789012" || !strings.Contains(m[0].User, "alice") {
		t.Errorf("the owner of a Bedrock key is not named: %d matches", len(m))
	}
	id, pw := rulestest.KeyIDOf(r, "AKIA", 123450000042), rulestest.SMTP(r)
	ms := find("user " + id + "\npassword " + pw)
	if len(ms) != 2 || ms[1].User != id || ms[1].Account != "123450000042" || ms[0].Account != "123450000042" {
		t.Errorf("the owner of an SMTP password is not named: %d matches", len(ms))
	}
	git := rulestest.Text(r, rulestest.Base64Alphabet, 40) + "/+A="
	url := "https://bob+1-at-123456789012:" + strings.NewReplacer("/", "%2F", "+", "%2B", "=", "%3D").Replace(git) + "@git-codecommit.eu-west-1.amazonaws.com/v1/repos/x"
	if ms := find(url); len(ms) != 1 || ms[0].Key.Secret != rules.NewSecret(git) || ms[0].User != "bob+1-at-123456789012" || ms[0].Account != "123456789012" {
		t.Errorf("a CodeCommit URL: %d matches", len(ms))
	}
}

func TestFindIsSafeForManyAtOnce(t *testing.T) {
	r := rulestest.Rand(11)
	var texts []string
	for range 20 {
		texts = append(texts, rulestest.KeyID(r, "AKIA")+":"+rulestest.Secret(r)+"\n"+base64.StdEncoding.EncodeToString([]byte(rulestest.KeyID(r, "ASIA")+" "+rulestest.Secret(r))))
	}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 100 {
				if ms := find(texts[(g+i)%len(texts)]); len(ms) != 2 || ms[0].Key.Secret.IsZero() || ms[1].Key.Secret.IsZero() {
					t.Errorf("text %d: %d matches, want 2 pairs", (g+i)%len(texts), len(ms))
				}
			}
		})
	}
	wg.Wait()
}

func TestFindAllocatesNothingWhenNothingIsFound(t *testing.T) {
	set, data := rules.Default(), cSource(16<<10)
	dst := make([]rules.Match, 0, 4)
	if n := testing.AllocsPerRun(100, func() { dst = set.Find(dst[:0], data) }); n != 0 || len(dst) != 0 {
		t.Errorf("Find allocates %v times and finds %d, want neither", n, len(dst))
	}
}

// Old documentation of Amazon S3 prints secrets without the word EXAMPLE in
// them, and half the tests of S3 clients copy them.
func TestPublishedExamplesAreNoFindings(t *testing.T) {
	for _, secret := range []string{
		"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
		"OtxrzxIsfpFjA7SwPzILwy8Bw21TLhquhboDYROV",
		"uV3F3YluFJax1cknvbcGwgjvx4QpvB+leU8dUj2o",
	} {
		text := "aws_secret_access_key = " + secret + "\n"
		if got := rules.Default().Find(nil, []byte(text)); len(got) > 0 {
			t.Errorf("Find(%q) = %d matches, want none", text, len(got))
		}
		swapped := "aws_secret_access_key = " + secret[1:] + secret[:1] + "\n"
		if got := rules.Default().Find(nil, []byte(swapped)); len(got) == 0 && !strings.Contains(swapped, "EXAMPLE") {
			t.Errorf("Find(%q) finds nothing: it is not the example that is left out", swapped)
		}
	}
}
