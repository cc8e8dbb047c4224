package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha1"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/rules/rulestest"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "rewrite what the golden command compares with")

const scripts = "../../testdata/script"

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"keyquench": func() {
			os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
		},
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                scripts,
		RequireUniqueNames: true,
		Setup: func(e *testscript.Env) error {
			for k, v := range map[string]string{
				"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.DevNull, "GIT_TERMINAL_PROMPT": "0",
				"GIT_AUTHOR_NAME": "A U Thor", "GIT_AUTHOR_EMAIL": "author@example.com",
				"GIT_COMMITTER_NAME": "C O Mitter", "GIT_COMMITTER_EMAIL": "committer@example.com",
				"GIT_AUTHOR_DATE": "2024-03-01T12:00:00Z", "GIT_COMMITTER_DATE": "2024-03-01T12:00:00Z",
				"HOME": e.WorkDir, "XDG_CONFIG_HOME": filepath.Join(e.WorkDir, ".config"), "LC_ALL": "C", "TZ": "UTC",
			} {
				e.Setenv(k, v)
			}
			cache, err := os.MkdirTemp("", "keyquench-cache-")
			if err != nil {
				return err
			}
			e.Defer(func() { _ = os.RemoveAll(cache) })
			e.Setenv("XDG_CACHE_HOME", cache)
			// The search for a repository must not leave the test's directory.
			e.Setenv("GIT_CEILING_DIRECTORIES", filepath.Dir(e.WorkDir))
			e.Values[keysOf{}] = map[string]string{}
			e.Values[worldOf{}] = &scriptWorld{T: t}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"awscalls": awscalls, "awsfault": awsfault, "awskey": awskey, "awspassword": awspassword, "awspolicy": awspolicy, "awsresponder": awsresponder, "awsstate": awsstate, "awsworld": awsworld, "canarykey": canarykey,
			"capture": capture, "code": code, "commit": commit, "expand": expand, "extend": extend, "flip": flip, "genkey": genkey, "git": git, "golden": golden, "gzip": gzipFile,
			"hostile": hostile, "inert": inert, "record": record, "setenv": setenv, "subst": subst, "tamper": tamper, "truncate": truncate,
		},
	})
}

// gzipFile FILE replaces a file by FILE.gz.
func gzipFile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: gzip FILE")
	}
	path := ts.MkAbs(args[0])
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(ts.ReadFile(args[0])))
	ts.Check(err)
	ts.Check(w.Close())
	ts.Check(os.WriteFile(path+".gz", b.Bytes(), 0o666))
	ts.Check(os.Remove(path))
}

// keysOf is where a script's generated values are kept.
type keysOf struct{}

func keys(ts *testscript.TestScript) map[string]string {
	return ts.Value(keysOf{}).(map[string]string)
}

// genkey NAME SEED [PREFIX] makes a key: {{NAME.id}}, {{NAME.secret}} and, masked,
// {{NAME.masked}}, and as entities {{NAME.idhtml}} and {{NAME.html}}; also as $NAME_ID and $NAME_SECRET.
func genkey(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: genkey NAME SEED [PREFIX]")
	}
	seed, err := strconv.ParseUint(args[1], 10, 64)
	ts.Check(err)
	prefix := "AKIA"
	if len(args) == 3 {
		prefix = args[2]
	}
	r := rulestest.Rand(seed)
	id, secret := rulestest.KeyID(r, prefix), rulestest.Secret(r)
	account, _ := rules.Account(id)
	for k, v := range map[string]string{"id": id, "secret": secret, "html": htmlOf(secret), "idhtml": htmlOf(id), "masked": secret[:4] + strings.Repeat("*", 12), "account": account} {
		keys(ts)["{{"+args[0]+"."+k+"}}"] = v
		ts.Setenv(args[0]+"_"+strings.ToUpper(k), v)
	}
}

// htmlOf writes each character of text as a numeric entity.
func htmlOf(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		fmt.Fprintf(&b, "&#%d;", c)
	}
	return b.String()
}

// filled puts values in the place of their names.
func filled(ts *testscript.TestScript, text string) string {
	for name, value := range keys(ts) {
		text = strings.ReplaceAll(text, name, value)
	}
	return text
}

// subst FILE... puts keys in the place of {{K1.id}} and the like.
func subst(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: subst FILE...")
	}
	for _, f := range args {
		ts.Check(os.WriteFile(ts.MkAbs(f), []byte(filled(ts, ts.ReadFile(f))), 0o600))
	}
}

// unescaped renders Go's escapes (\x1b, \n, \u202e): a script cannot hold what
// they stand for.
func unescaped(ts *testscript.TestScript, text string) string {
	out, err := strconv.Unquote(`"` + strings.ReplaceAll(text, `"`, `\"`) + `"`)
	ts.Check(err)
	return out
}

// hostile FILE NAME copies a file to a name with escapes.
func hostile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: hostile FILE NAME")
	}
	to := ts.MkAbs(unescaped(ts, args[1]))
	ts.Check(os.MkdirAll(filepath.Dir(to), 0o700))
	ts.Check(os.WriteFile(to, []byte(ts.ReadFile(args[0])), 0o600))
}

// setenv NAME VALUE sets a variable to a value with escapes.
func setenv(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: setenv NAME VALUE")
	}
	ts.Setenv(args[0], unescaped(ts, args[1]))
}

// git is exec git that must succeed, without its chatter.
func git(ts *testscript.TestScript, neg bool, args []string) {
	if err := ts.Exec("git", args...); (err != nil) != neg {
		ts.Fatalf("git %s: %v", strings.Join(args, " "), err)
	}
}

// commit DIR MESSAGE [DAY] commits the whole work tree of DIR on a day of March 2024.
func commit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: commit DIR MESSAGE [DAY]")
	}
	day := "01"
	if len(args) == 3 {
		day = args[2]
	}
	date := "2024-03-" + day + "T12:00:00Z"
	for _, who := range []string{"AUTHOR", "COMMITTER"} {
		ts.Setenv("GIT_"+who+"_DATE", date)
	}
	ts.Check(ts.Exec("git", "-C", args[0], "add", "-A"))
	ts.Check(ts.Exec("git", "-C", args[0], "commit", "-q", "--allow-empty", "-m", filled(ts, unescaped(ts, args[1]))))
}

// code N COMMAND... runs a command that must end with exit code N.
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := err.(interface{ ExitCode() int })
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("%s: exit code %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

// capture NAME PATTERN sets a variable to what the parentheses of the pattern hold
// in the last standard output.
func capture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: capture NAME PATTERN")
	}
	re, err := regexp.Compile(args[1])
	ts.Check(err)
	m := re.FindStringSubmatch(ts.ReadFile("stdout"))
	if len(m) != 2 {
		ts.Fatalf("%s: the pattern matches nothing", args[1])
	}
	ts.Setenv(args[0], m[1])
}

// onePath is the one file that a pattern matches.
func onePath(ts *testscript.TestScript, pattern string) string {
	list, err := filepath.Glob(ts.MkAbs(pattern))
	ts.Check(err)
	if len(list) != 1 {
		ts.Fatalf("%s matches %d files, want 1", pattern, len(list))
	}
	ts.Check(os.Chmod(list[0], 0o600))
	return list[0]
}

// flip PATTERN OFFSET inverts a byte, counted from the end when negative.
func flip(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: flip PATTERN OFFSET")
	}
	at, err := strconv.Atoi(args[1])
	ts.Check(err)
	path := onePath(ts, args[0])
	data, err := os.ReadFile(path)
	ts.Check(err)
	if at < 0 {
		at += len(data)
	}
	data[at] ^= 0xff
	ts.Check(os.WriteFile(path, data, 0o600))
}

// extend INDEX NAME puts an empty extension of that name into an index file.
func extend(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 || len(args[1]) != 4 {
		ts.Fatalf("usage: extend INDEX NAME")
	}
	path := ts.MkAbs(args[0])
	data, err := os.ReadFile(path)
	ts.Check(err)
	data = append(data[:len(data)-sha1.Size], args[1]+"\x00\x00\x00\x00"...)
	sum := sha1.Sum(data)
	ts.Check(os.WriteFile(path, append(data, sum[:]...), 0o600))
}

// truncate PATTERN SIZE cuts a file; a negative size cuts so much off its end.
func truncate(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: truncate PATTERN SIZE")
	}
	size, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	path := onePath(ts, args[0])
	if size < 0 {
		info, err := os.Stat(path)
		ts.Check(err)
		size += info.Size()
	}
	ts.Check(os.Truncate(path, size))
}

// inert stdout|stderr|FILE: nothing in it does anything to a terminal or to a
// build log.
func inert(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: inert stdout|stderr|FILE")
	}
	text := ts.ReadFile(args[0])
	if !utf8.ValidString(text) {
		ts.Fatalf("%s is not UTF-8", args[0])
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		for _, r := range line {
			if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
				ts.Fatalf("%s holds %U: %q", args[0], r, line)
			}
		}
		if strings.HasPrefix(strings.TrimSpace(line), "::") || strings.Contains(line, "##[") {
			ts.Fatalf("%s holds a command of a build log: %q", args[0], line)
		}
	}
}

// unstable are the parts of a report that differ from run to run or from build
// to build.
var unstable = []struct {
	re   *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`"seconds":[0-9.e-]+`), `"seconds":0`},
	{regexp.MustCompile(`"version":"[^"]*"`), `"version":"-"`},
	{regexp.MustCompile(`"rules":"[0-9a-f]*"`), `"rules":"-"`},
	{regexp.MustCompile(`in [0-9.]+ s(, [0-9.]+ MB/s)?`), `in 0 s`},
	{regexp.MustCompile(`"(request_id|user_id)":"[^"]+"`), `"$1":"-"`},
	{regexp.MustCompile(`"at":"[^"]*\.[0-9]{3}Z"`), `"at":"-"`},
	{regexp.MustCompile(`"skew_seconds":-?[0-9]+`), `"skew_seconds":0`},
	{regexp.MustCompile(`said so at \S+, request \S+`), `said so at -, request -`},
}

// golden stdout|stderr|FILE WANT compares with a file of the archive, in which
// keys are {{K1.id}} and the work directory is {{work}}. With -update, it is
// rewritten so.
func golden(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: golden stdout|stderr|FILE WANT")
	}
	got := strings.ReplaceAll(ts.ReadFile(args[0]), ts.Getenv("WORK"), "{{work}}")
	for _, u := range unstable {
		got = u.re.ReplaceAllString(got, u.with)
	}
	for name, value := range keys(ts) {
		got = strings.ReplaceAll(got, value, name)
	}
	want := ts.ReadFile(args[1])
	if got == want {
		return
	}
	if *update {
		ts.Check(rewrite(filepath.Join(scripts, ts.Name()+".txtar"), args[1], got))
		return
	}
	ts.Fatalf("%s is\n%s\nwant %s\n%s", args[0], got, args[1], want)
}

// rewrite replaces one file of an archive.
func rewrite(archive, name, text string) error {
	a, err := txtar.ParseFile(archive)
	if err != nil {
		return err
	}
	for i := range a.Files {
		if a.Files[i].Name == name {
			a.Files[i].Data = []byte(text)
			return os.WriteFile(archive, txtar.Format(a), 0o666)
		}
	}
	return fmt.Errorf("%s has no file %s", archive, name)
}

// No script may hold a key: what looks like one is made when it runs.
func TestScriptsHoldNoKeys(t *testing.T) {
	list, err := filepath.Glob(filepath.Join(scripts, "*.txtar"))
	if err != nil || len(list) == 0 {
		t.Fatalf("Glob(%s) = %d files, %v", scripts, len(list), err)
	}
	for _, f := range list {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range rules.Default().Find(nil, data) {
			t.Errorf("%s:%d: %s", f, 1+bytes.Count(data[:m.Start], []byte("\n")), m.Rule.ID)
		}
	}
}
