package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyquench/keyquench/rules/rulestest"
	"github.com/keyquench/keyquench/scanner/scannertest"
)

// pair is a key made for one hiding place.
type pair struct{ id, secret string }

func (p pair) file() string {
	return "aws_access_key_id = " + p.id + "\naws_secret_access_key = " + p.secret + "\n"
}

// line is the pair where there is only one line.
func (p pair) line() string { return p.id + ":" + p.secret }

// hider plants a key for each place in one repository, and remembers them.
type hider struct {
	*scannertest.Repo
	t      testing.TB
	places []string
	keys   map[string]pair
}

// key makes the key of a place.
func (h *hider) key(place string) pair {
	h.t.Helper()
	if _, ok := h.keys[place]; ok {
		h.t.Fatalf("place %q is planted twice", place)
	}
	r := rulestest.Rand(uint64(7_000_000 + len(h.places)))
	p := pair{rulestest.KeyID(r, "AKIA"), rulestest.Secret(r)}
	for strings.ContainsAny(p.secret, "/+") { // names of files and of refs have no slash
		p.secret = rulestest.Secret(r)
	}
	h.places, h.keys[place] = append(h.places, place), p
	return p
}

func (h *hider) blob(place string) string {
	h.t.Helper()
	return h.GitIn(h.key(place).file(), "hash-object", "-w", "--stdin")
}

func (h *hider) meta(path, content string) {
	h.t.Helper()
	full := h.Path(".git", path)
	if err := os.MkdirAll(filepath.Dir(full), 0o777); err != nil {
		h.t.Fatal(err)
	}
	f, err := os.OpenFile(full, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		h.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(content); err != nil {
		h.t.Fatal(err)
	}
}

// object writes an object of any kind, well-formed or not.
func (h *hider) object(kind, content string) string {
	h.t.Helper()
	return h.GitIn(content, "hash-object", "-t", kind, "-w", "--stdin", "--literally")
}

func (h *hider) plantFiles() {
	h.Write("kept.txt", h.key("file of HEAD").file())
	h.Write("deleted.txt", h.key("deleted file").file())
	h.Write("old.txt", h.key("renamed file").file())
	if err := os.Symlink(h.key("target of a symbolic link").line(), h.Path("link")); err != nil {
		h.t.Fatal(err)
	}
	h.Write(".gitmodules", "[submodule \"x\"]\n\tpath = x\n\turl = https://"+h.key("address of a submodule").line()+"@example.com/x\n")
	h.Write(h.key("name of a file").line()+".txt", "nothing\n")
	h.Write(h.key("name of a directory").line()+"/x.txt", "nothing\n")
	h.Write("crlf.txt", strings.ReplaceAll(h.key("CRLF").file(), "\n", "\r\n"))
	h.Write("script.sh", h.key("executable file").file())
	h.Git("update-index", "--add", "--chmod=+x", "script.sh")
	h.Write("node_modules/a/package-lock.json", h.key("lock file in node_modules").file())
	h.Write("vendor/logo.svg", "<svg>"+h.key("vendored image").file()+"</svg>")
	h.Write(".gitattributes", "*.hidden -diff -text export-ignore binary\n")
	h.Write("a.hidden", h.key("binary by attribute").file())
	h.Write("nul.bin", "\x00\x01\x02\x00"+h.key("binary file").file()+"\x00\xff")
	h.Write("changed", h.key("file that became a link").file())
	h.Commit("files")
	h.Remove("deleted.txt")
	h.Git("mv", "old.txt", "new.txt")
	h.Remove("changed")
	if err := os.Symlink("kept.txt", h.Path("changed")); err != nil {
		h.t.Fatal(err)
	}
	h.Commit("changes")
	h.Remove(h.keys["name of a file"].line() + ".txt")
	h.Commit("name gone")
}

func (h *hider) plantCommits() {
	h.Git("switch", "-q", "-c", "side")
	h.Write("side.txt", "side\n")
	h.Commit("side")
	h.Git("switch", "-q", "main")
	h.Write("main.txt", "main\n")
	h.Commit("main")
	h.Git("merge", "-q", "--no-commit", "--no-ff", "side")
	h.Write("merge.txt", h.key("only in a merge").file())
	h.Commit("merge")
	h.Remove("merge.txt")
	h.Commit("gone")

	h.Commit("leak " + h.key("message of a commit").line())
	h.Commit("body\n\n" + h.key("body of a message").file())
	tree := h.Git("rev-parse", "HEAD^{tree}")
	head := "tree " + tree + "\nparent " + h.Git("rev-parse", "HEAD") + "\n"
	who := "A <a@example.com> 1600000000 +0000\n"
	commit := func(place, content string) {
		h.Git("update-ref", "refs/heads/odd-"+strings.ReplaceAll(place, " ", "-"), h.object("commit", content))
	}
	commit("author", head+"author "+h.key("name of an author").line()+" <a@example.com> 1600000000 +0000\ncommitter "+who+"\nx\n")
	commit("mail", head+"author A <"+h.key("mail of an author").line()+"@example.com> 1600000000 +0000\ncommitter "+who+"\nx\n")
	commit("committer", head+"author "+who+"committer "+h.key("name of a committer").line()+" <a@example.com> 1600000000 +0000\n\nx\n")
	commit("header", head+"author "+who+"committer "+who+"note "+h.key("extra header").line()+"\n\nx\n")
	commit("signature", head+"author "+who+"committer "+who+"gpgsig -----BEGIN PGP SIGNATURE-----\n Comment: "+h.key("signature").line()+"\n -----END PGP SIGNATURE-----\n\nx\n")
	commit("mergetag", head+"author "+who+"committer "+who+"mergetag object "+h.Git("rev-parse", "HEAD")+"\n type commit\n tag v0\n tagger "+who+" \n "+h.key("tag in a merge").line()+"\n\nx\n")
	commit("encoding", head+"author "+who+"committer "+who+"encoding ISO-8859-1\n\n\xe4\xf6 "+h.key("message in Latin-1").line()+"\n")
}

func (h *hider) plantRefs() {
	h.Git("tag", "blob-tag", h.blob("blob with a tag"))
	tree := h.GitIn("100644 blob "+h.blob("tree with a tag")+"\tx\n", "mktree")
	h.Git("tag", "-a", "-m", "annotated", "tree-tag", tree)
	h.Git("tag", "-a", "-m", "release "+h.key("message of a tag").line(), "v1")
	h.Git("tag", "-a", "-m", "of a tag "+h.key("tag of a tag").line(), "v2", "v1")
	h.Git("update-ref", "refs/tags/tagger", h.object("tag", "object "+h.Git("rev-parse", "HEAD")+"\ntype commit\ntag tagger\ntagger "+h.key("name of a tagger").line()+" <a@example.com> 1600000000 +0000\n\nx\n"))
	h.Git("notes", "add", "-m", "note "+h.key("note").line())
	h.Git("notes", "--ref=review/deep", "add", "-m", "note "+h.key("note of another ref").line())
	h.Git("branch", "feature/"+strings.ReplaceAll(h.key("name of a branch").line(), ":", "-secret-"))
	h.Git("tag", "rc-"+strings.ReplaceAll(h.key("name of a tag").line(), ":", "-secret-"))
	for place, ref := range map[string]string{
		"pull request": "refs/pull/1/head", "merge of a pull request": "refs/pull/1/merge",
		"rewritten history": "refs/original/refs/heads/main", "merge request": "refs/merge-requests/4/head",
		"remote branch": "refs/remotes/origin/x", "any ref": "refs/changes/01/1/1", "bisect": "refs/bisect/bad",
	} {
		h.side(place, func(commit string) { h.Git("update-ref", ref, commit) })
	}
	h.side("replaced commit", func(old string) {
		h.side("replacement", func(other string) { h.Git("update-ref", "refs/replace/"+old, other) })
	})
}

// side makes a commit that no branch leads to, for a place.
func (h *hider) side(place string, keep func(commit string)) {
	h.t.Helper()
	tree := h.GitIn("100644 blob "+h.blob(place)+"\tx.txt\n", "mktree")
	keep(h.Git("commit-tree", "-m", "side", tree))
}

func (h *hider) plantUnreachable() {
	h.Write("w.txt", h.key("amended commit").file())
	h.Commit("to be amended")
	h.Write("w.txt", "clean\n")
	h.Git("add", "-A")
	h.Git("commit", "-q", "--amend", "-m", "amended")
	h.Write("w.txt", h.key("commit that was reset").file())
	h.Commit("to be reset")
	h.Git("reset", "-q", "--hard", "HEAD~1")
	h.Commit("reflog " + h.key("message that was reset").line())
	h.Git("reset", "-q", "--hard", "HEAD~1")
	h.side("commit nobody knows", func(string) {})
	h.blob("dangling blob")
	h.GitIn("100644 blob "+h.blob("blob of a dangling tree")+"\tx\n100644 blob "+h.Git("rev-parse", "HEAD:kept.txt")+"\t"+h.key("name in a dangling tree").line()+"\n", "mktree")
	h.object("tag", "object "+h.Git("rev-parse", "HEAD")+"\ntype commit\ntag lost\ntagger A <a@example.com> 1600000000 +0000\n\n"+h.key("dangling tag").line()+"\n")

	stash := func(prefix string) {
		h.Write("index.txt", h.key(prefix+"staged").file())
		h.Git("add", "index.txt")
		h.Write("kept.txt", h.keys["file of HEAD"].file()+h.key(prefix+"unstaged").file())
		h.Write("untracked-"+strings.Fields(prefix)[0]+".txt", h.key(prefix+"untracked").file())
		h.Git("stash", "push", "-q", "--include-untracked", "-m", "wip "+h.key(prefix+"message").line())
	}
	stash("dropped stash: ")
	h.Git("stash", "drop", "-q")
	stash("stash: ")
	h.Git("repack", "-adq")
	blob := h.blob("pack without a ref")
	h.GitIn(blob+"\n", "pack-objects", "-q", h.Path(".git/objects/pack/pack"))
	h.Git("prune-packed")
}

func (h *hider) plantBesides() {
	h.Git("worktree", "add", "-q", "--detach", h.Path("..", "second"))
	second := scannertest.At(h.t, h.Path("..", "second"))
	second.Write("d.txt", h.key("HEAD of another work tree").file())
	second.Commit("detached")
	second.Remove("d.txt")
	second.Write("s.txt", h.key("index of another work tree").file())
	second.Git("add", "s.txt")
	second.Remove("s.txt")
	h.Write("staged.txt", h.key("index").file())
	h.Git("add", "staged.txt")
	h.Remove("staged.txt")
	h.Write("notes/untracked.md", h.key("untracked file").file())

	h.meta("config", "[remote \"origin\"]\n\turl = https://"+h.key("address in the configuration").line()+"@example.com/x.git\n")
	h.meta("hooks/pre-push", "#!/bin/sh\nexport "+h.key("hook").file())
	h.meta("logs/HEAD", strings.Repeat("0", 40)+" "+h.Git("rev-parse", "HEAD")+" A <a@example.com> 1600000000 +0000\tcheckout: "+h.key("message of a reflog").line()+"\n")
	h.meta("description", h.key("description").line()+"\n")
	h.meta("info/exclude", "# "+h.key("exclude file").line()+"\n")
	h.meta("COMMIT_EDITMSG", h.key("message being written").line()+"\n")
	h.meta("FETCH_HEAD", h.Git("rev-parse", "HEAD")+"\t\tbranch 'x' of https://"+h.key("what was fetched").line()+"@example.com/x\n")
	h.meta("config.worktree", "[http]\n\textraHeader = X: "+h.key("configuration of a work tree").line()+"\n")
	h.meta("packed-refs", h.Git("rev-parse", "HEAD")+" refs/heads/packed-"+strings.ReplaceAll(h.key("name of a packed ref").line(), ":", "-secret-")+"\n")

	module := scannertest.New(h.t, "--bare")
	module.GitIn(h.key("object of a submodule").file(), "hash-object", "-w", "--stdin")
	if err := os.MkdirAll(h.Path(".git/modules"), 0o777); err != nil {
		h.t.Fatal(err)
	}
	if err := os.Rename(module.Dir, h.Path(".git/modules/sub")); err != nil {
		h.t.Fatal(err)
	}
	h.meta("modules/sub/config", "[remote \"origin\"]\n\turl = https://"+h.key("configuration of a submodule").line()+"@example.com/x.git\n")
	other := scannertest.New(h.t, "--bare")
	other.GitIn(h.key("alternate object store").file(), "hash-object", "-w", "--stdin")
	h.meta("objects/info/alternates", other.Path("objects")+"\n")
	h.meta("info/grafts", h.Git("rev-parse", "HEAD")+"\n") // history seems to begin here
}

// Each place of a repository where a key can stand has one, and each is found,
// with its secret, by the scan that people run.
func TestNothingHides(t *testing.T) {
	h := &hider{Repo: scannertest.NewAt(t, filepath.Join(t.TempDir(), "repo")), t: t, keys: map[string]pair{}}
	h.plantFiles()
	h.plantCommits()
	h.plantRefs()
	h.plantUnreachable()
	h.plantBesides()

	code, out, errOut := try(t.Context(), nil, "scan", "--no-cache", "--format", "json", "--show-secrets", h.Dir)
	if code != exitLeaks {
		t.Fatalf("scan = %d, want %d\n%s", code, exitLeaks, errOut)
	}
	found := map[string]string{}
	for line := range strings.Lines(out) {
		var f struct {
			KeyID  string `json:"key_id"`
			Secret string
		}
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			t.Fatal(err)
		}
		if f.KeyID != "" {
			found[f.KeyID] = f.Secret
		}
	}
	for _, place := range h.places {
		want := h.keys[place]
		switch secret, ok := found[want.id]; {
		case !ok:
			t.Errorf("%s: the key is not found", place)
		case secret != want.secret:
			t.Errorf("%s: the key is found without its secret", place)
		}
	}
	if len(h.places) < 70 || len(found) != len(h.places) {
		t.Errorf("%d places have a key, %d keys are found", len(h.places), len(found))
	}
	t.Logf("%d places", len(h.places))
}
