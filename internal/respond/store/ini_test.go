package store

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/rules/rulestest"
)

// pieces of files, with I and S for the new pair in what is wanted.
func TestSetProfile(t *testing.T) {
	for name, tt := range map[string]struct{ before, want string }{
		"empty":                   {"", "[p]\nID = I\nSECRET = S\n"},
		"no section":              {"[q]\nx = 1\n", "[q]\nx = 1\n\n[p]\nID = I\nSECRET = S\n"},
		"no line break at end":    {"[q]\r\nx = 1", "[q]\r\nx = 1\r\n\r\n[p]\r\nID = I\r\nSECRET = S\r\n"},
		"replaced":                {"[p]\nID = a\nSECRET = b\n[q]\n", "[p]\nID = I\nSECRET = S\n[q]\n"},
		"the other order":         {"[p]\nSECRET=b\nID=a", "[p]\nSECRET=S\nID=I"},
		"spaces and comments":     {"[ p ] # c\n\tID\t=\ta\t# x\n; y\n  SECRET = b ;z\n", "[ p ] # c\n\tID\t=\tI\t# x\n; y\n  SECRET = S ;z\n"},
		"a colon":                 {"[p]\nID: a\nSECRET: b\n", "[p]\nID: I\nSECRET: S\n"},
		"upper case":              {"[p]\nAWS_Access_Key_Id = a\nSECRET = b\n", "[p]\nAWS_Access_Key_Id = I\nSECRET = S\n"},
		"no value":                {"[p]\nID =\nSECRET=\n", "[p]\nID =I\nSECRET=S\n"},
		"no pair":                 {"[p]\nregion = x\n", "[p]\nID = I\nSECRET = S\nregion = x\n"},
		"no secret":               {"[p]\nregion = x\nID = a\n", "[p]\nSECRET = S\nregion = x\nID = I\n"},
		"only the head":           {"[q]\r\n[p]", "[q]\r\n[p]\nID = I\nSECRET = S\n"},
		"a token":                 {"[p]\nID = a\naws_session_token = t\nSECRET = b\naws_security_token = t\n", "[p]\nID = I\nSECRET = S\n"},
		"a token at the end":      {"[p]\nID = a\nSECRET = b\naws_session_token = t", "[p]\nID = I\nSECRET = S\n"},
		"comments that look so":   {"[p]\n# ID = a\n;SECRET = b\n#[p]\n", "[p]\nID = I\nSECRET = S\n# ID = a\n;SECRET = b\n#[p]\n"},
		"another with its prefix": {"[p2]\nID = a\nSECRET = b\n[profile p]\nID = c\nSECRET = d\n[p]\n", "[p2]\nID = a\nSECRET = b\n[profile p]\nID = c\nSECRET = d\n[p]\nID = I\nSECRET = S\n"},
		"keys before sections":    {"ID = x\n[p]\n", "ID = x\n[p]\nID = I\nSECRET = S\n"},
		"no text at all":          {"\xff\xfe\x80\n[p]\n", "\xff\xfe\x80\n[p]\nID = I\nSECRET = S\n"},
	} {
		long := strings.NewReplacer("ID", idKey, "SECRET", secretKey)
		got, err := setProfile(long.Replace(tt.before), "p", "I", "S")
		if want := long.Replace(tt.want); err != nil || got != want {
			t.Errorf("%s: setProfile = %q, %v, want %q", name, got, err, want)
		}
		if id, secret, ok, err := getProfile(got, "p"); id != "I" || secret != "S" || !ok || err != nil {
			t.Errorf("%s: getProfile = %q, %q, %v, %v", name, id, secret, ok, err)
		}
	}
}

func TestProfilesThatAreLeftAlone(t *testing.T) {
	for name, text := range map[string]string{
		"twice":               "[p]\n[q]\n[ p ]\n",
		"a key twice":         "[p]\naws_access_key_id = a\nAWS_ACCESS_KEY_ID = b\n",
		"a value of two rows": "[p]\naws_secret_access_key = a\n  b\n",
		"an indented row":     "[p]\n\tx\n",
		"after a comment":     "[p]\naws_secret_access_key = a\n# c\n\tb\n",
		"a role":              "[p]\nrole_arn = x\n",
		"a program":           "[p]\ncredential_process = x\n",
		"single sign-on":      "[p]\nsso_session = x\n",
	} {
		if got, err := setProfile(text, "p", "I", "S"); err == nil {
			t.Errorf("%s: setProfile = %q, want an error", name, got)
		}
	}
}

// Whatever the file is: all lines but ours stay byte for byte and in order, the
// pair can be read back, and if AWS's SDK could read other profiles, it reads the
// same ones.
func FuzzSetProfile(f *testing.F) {
	id, secret := oldPair()
	f.Add(strings.NewReplacer("%s", id).Replace(someFile), "app")
	f.Add("[p]\r\naws_access_key_id=x\r\naws_session_token = "+secret+"\r\n[q]", "p")
	f.Add("\n\n[p]#\n\taws_secret_access_key:\t;x\n[[p]]\n", "q x")
	f.Fuzz(func(t *testing.T, text, name string) {
		if _, err := parseProfile("profile:"+name, name, Options{CredentialsFile: "/c"}); err != nil || strings.ContainsRune(text, 0) {
			return
		}
		key := keyOf(3)
		got, err := setProfile(text, name, key.ID, key.Secret.Reveal())
		if err != nil {
			return
		}
		gotID, gotSecret, ok, err := getProfile(got, name)
		if gotID != key.ID || gotSecret != key.Secret.Reveal() || !ok || err != nil {
			t.Errorf("getProfile of %q (was %q) = %q, %q, %v, %v", got, text, gotID, gotSecret, ok, err)
		}
		if again, err := setProfile(got, name, key.ID, key.Secret.Reveal()); again != got || err != nil {
			t.Errorf("setProfile twice = %q, %v, want %q", again, err, got)
		}
		before, after := kept(text, name), kept(got, name)
		// A section that is added has an empty line before it, and the last line an end.
		before, after = strings.TrimRight(before, "\r\n"), strings.TrimRight(after, "\r\n")
		if before != after {
			t.Errorf("of %q stays %q, want %q", text, after, before)
		}
	})
}

// kept is all of a file but the lines of a section that are for the pair, and its
// head, by a reading of its own.
func kept(text, name string) string {
	var b strings.Builder
	inside := false
	for _, line := range strings.SplitAfter(text, "\n") {
		trimmed := strings.TrimSpace(line)
		head, _, _ := strings.Cut(trimmed, "#")
		head, _, _ = strings.Cut(head, ";")
		if head = strings.TrimSpace(head); len(head) > 1 && head[0] == '[' && head[len(head)-1] == ']' {
			if inside = strings.TrimSpace(head[1:len(head)-1]) == name; inside {
				continue
			}
		}
		if i := strings.IndexAny(trimmed, "=:"); inside && i >= 0 {
			switch strings.ToLower(strings.TrimSpace(trimmed[:i])) {
			case idKey, secretKey, "aws_session_token", "aws_security_token":
				continue
			}
		}
		b.WriteString(line)
	}
	return b.String()
}

// AWS's SDK is the twin: it reads every file that is written, or nothing is written.
func TestTheSDKReadsTheSame(t *testing.T) {
	r := rulestest.Rand(7)
	parts := []string{
		"[p]", "[ p ]", "[q]", "[p] # x", "[profile p]", "[a b]", "aws_access_key_id", "aws_secret_access_key", "aws_session_token", " = ", "=", ":", "\n", "\n", "\n",
		"\r\n", " ", "\t", "#", ";", "x", "\"", "'", "region", "\xc3\xa9", "\xff", "]", "[",
	}
	written := 0
	for range 1000 {
		var b strings.Builder
		for range r.IntN(25) {
			b.WriteString(parts[r.IntN(len(parts))])
		}
		path := filepath.Join(t.TempDir(), "credentials")
		if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		o := options(t)
		o.CredentialsFile = path
		s, err := Parse("profile:p", o)
		if err != nil {
			t.Fatal(err)
		}
		if s.Check(t.Context()) != nil {
			continue
		}
		key := keyOf(3)
		err = s.Put(t.Context(), key, "")
		now, _ := os.ReadFile(path)
		if err != nil {
			if string(now) != b.String() {
				t.Errorf("Put of %q = %v, and the file is %q", b.String(), err, now)
			}
			continue
		}
		written++
		c, err := config.LoadSharedConfigProfile(t.Context(), "p", func(o *config.LoadSharedConfigOptions) {
			o.CredentialsFiles, o.ConfigFiles = []string{path}, []string{}
		})
		if got := c.Credentials; err != nil || got.AccessKeyID != key.ID || got.SecretAccessKey != key.Secret.Reveal() || got.SessionToken != "" {
			t.Errorf("%q was made of %q, and the SDK reads the ID %q: %v", now, b.String(), got.AccessKeyID, err)
		}
	}
	if written < 150 {
		t.Errorf("%d of 1000 files were written: this test sees little", written)
	}
}

func FuzzFields(f *testing.F) {
	f.Add(`{"aws_access_key_id":"x","n":1e400,"aws_secret_access_key":null}`)
	f.Add(` { } `)
	f.Add(`{"a":{"aws_access_key_id":[]}}`)
	f.Fuzz(func(t *testing.T, text string) {
		key := keyOf(3)
		got, err := setFields(text, defaultFields, [2]string{key.ID, key.Secret.Reveal()})
		if err != nil {
			return
		}
		values, ok, err := getFields(got, defaultFields)
		if values != [2]string{key.ID, key.Secret.Reveal()} || !ok || err != nil {
			t.Errorf("getFields of %q = %v, %v, %v", got, values, ok, err)
		}
		before, _, _ := members(text)
		after, _, err := members(got)
		if err != nil {
			t.Fatalf("setFields of %q = %q, which is no object", text, got)
		}
		var was, is []string
		for _, m := range before {
			if m.name != idKey && m.name != secretKey {
				was = append(was, m.name+text[m.start:m.end])
			}
		}
		for _, m := range after {
			if m.name != idKey && m.name != secretKey {
				is = append(is, m.name+got[m.start:m.end])
			}
		}
		if strings.Join(was, "\x00") != strings.Join(is, "\x00") {
			t.Errorf("setFields of %q = %q: other fields changed", text, got)
		}
	})
}

func TestFieldsThatAreLeftAlone(t *testing.T) {
	for _, text := range []string{
		"", "[]", "null", `"x"`, "{", `{"a":1}{"b":2}`, `{"aws_access_key_id":{}}`, `{"aws_access_key_id":1}`,
		`{"aws_access_key_id":"a","aws_access_key_id":"b"}`, "AKIA not JSON",
	} {
		if got, err := setFields(text, defaultFields, [2]string{"I", "S"}); err == nil {
			t.Errorf("setFields(%q) = %q, want an error", text, got)
		}
	}
}

func TestEchoes(t *testing.T) {
	r := rulestest.Rand(9)
	secret := rulestest.Secret(r)
	for message, want := range map[string]bool{
		"":                                  false,
		"User is not authorized to perform": false,
		"value '" + secret + "' is not":     true,
		"value '" + secret[:14] + "…":       true,
		"x" + strings.ReplaceAll(secret[5:20], "", `\`): true,
	} {
		sent := rules.NewSecret(`{"db":"hunter2","aws_secret_access_key":"` + secret + `"}`)
		if got := newCallError(problem{text: message}, nil, sent).text != message; got != want {
			t.Errorf("a message of %d characters is hidden: %v, want %v", len(message), got, want)
		}
	}
}
