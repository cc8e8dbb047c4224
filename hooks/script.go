package hooks

import (
	"slices"
	"strings"
)

// mark begins the second line of every script of ours; by it they are known
// again, under whatever name another program put them aside.
const mark = "# keyquench hook script"

// chainedSuffix is added to the name of a hook that was there before ours.
const chainedSuffix = ".keyquench-chained"

// programVariable begins the line by which a script says what it calls.
const programVariable = "keyquench_program="

// workHooks run where people commit and push, serverHooks where pushes arrive.
var (
	workHooks   = []string{"pre-commit", "pre-merge-commit", "pre-applypatch", "pre-push"}
	serverHooks = []string{"pre-receive"}
)

// gitHooks are all names that git runs hooks by (githooks(5)).
var gitHooks = []string{
	"applypatch-msg", "commit-msg", "fsmonitor-watchman", "p4-changelist", "p4-post-changelist", "p4-pre-submit",
	"p4-prepare-changelist", "post-applypatch", "post-checkout", "post-commit", "post-index-change", "post-merge",
	"post-receive", "post-rewrite", "post-update", "pre-applypatch", "pre-auto-gc", "pre-commit", "pre-merge-commit",
	"pre-push", "pre-rebase", "pre-receive", "prepare-commit-msg", "proc-receive", "push-to-checkout",
	"reference-transaction", "sendemail-validate", "update",
}

// chain says where a script finds the hook that is to run before keyquench.
type chain int

const (
	chainBeside     chain = iota // beside itself, by chainedSuffix
	chainFolder                  // by the same name in a folder
	chainRepository              // by the same name among the repository's own hooks
)

// script is one hook script. What it runs first gets the hook's arguments,
// input and environment, and its exit code is kept.
type script struct {
	name    string
	program string // path of keyquench; "" only hands over
	chain   chain
	folder  string // of chainFolder; relative is to where git runs the hook
}

// text writes it for any POSIX shell. Names start with keyquench_ since a
// variable that the user exports would reach the other hook changed. It runs no
// program that it does not need: a process takes as long as all of the shell.
func (s *script) text() string {
	var b strings.Builder
	b.WriteString("#!/bin/sh\n" + mark + ": " + s.name + ". keyquench hook install writes it, keyquench hook uninstall removes it.\n")
	if s.program == "" {
		s.first(&b)
		b.WriteString("if [ -x \"$keyquench_first\" ]; then\n\texec \"$keyquench_first\" \"$@\"\nfi\n" + withoutHook(s.name))
		return b.String()
	}
	b.WriteString(programVariable + quote(s.program) + "\n" + findProgram)
	s.first(&b)
	if slices.Contains([]string{"pre-push", "pre-receive"}, s.name) {
		b.WriteString(chainInput)
	} else {
		b.WriteString(chainPlain)
	}
	if s.chain == chainBeside {
		b.WriteString(noticeReplaced)
	}
	if slices.Contains([]string{"pre-push", "pre-receive"}, s.name) {
		b.WriteString("\t{ printf %s \"$keyquench_input\" 2>/dev/null; } | \"$keyquench_program\" hook run " + s.name + " \"$@\"\n\texit $?\n")
	}
	b.WriteString("fi\nexec \"$keyquench_program\" hook run " + s.name + " \"$@\"\n")
	return b.String()
}

// first sets keyquench_first to the hook that runs first.
func (s *script) first(b *strings.Builder) {
	switch s.chain {
	case chainBeside:
		b.WriteString("case $0 in */*) keyquench_first=${0%/*} ;; *) keyquench_first=. ;; esac\n" +
			"keyquench_first=$keyquench_first/" + s.name + chainedSuffix + "\n")
		if s.program != "" {
			b.WriteString("case ${0##*/} in\n" + s.name + ") ;;\n" + movedAway)
		}
	case chainFolder:
		path := s.folder + "/" + s.name
		if strings.HasPrefix(path, "-") {
			path = "./" + path // what interprets the hook would take it for a flag
		}
		b.WriteString("keyquench_first=" + quote(path) + "\n")
	case chainRepository:
		b.WriteString(ownHooks + "keyquench_first=$keyquench_first/hooks/" + s.name + "\n")
	}
}

// findProgram: never to scan nothing in silence. Programs that start from a
// desktop do not have the user's PATH, so the place is known; PATH is for those
// who moved it.
const findProgram = `if ! [ -f "$keyquench_program" ] || ! [ -x "$keyquench_program" ]; then
	keyquench_program=$(command -v keyquench) || {
		echo 'keyquench: this hook does not find the program keyquench any more: nothing was scanned' >&2
		echo 'keyquench: try: keyquench hook install, by the keyquench that is to be used; without one, delete the hook' >&2
		exit 3
	}
fi
`

// movedAway: the pre-commit framework renames a hook to NAME.legacy, and calls it
// from its own. If its own, older one is what ours ran before, it would be called
// by itself, which it refuses. (The brackets keep this script from matching, too.)
const movedAway = `*)
	if [ "${PRE_COMMIT_RUNNING_LEGACY-}" = 1 ] && grep -q 'hook-im[p]l' "$keyquench_first" 2>/dev/null; then
		keyquench_first=
	fi
	;;
esac
`

// ownHooks: git runs hooks at the root of the work tree or in the git directory,
// so that it need not be asked in most cases. The dot keeps newlines at the end.
const ownHooks = `keyquench_first=${GIT_COMMON_DIR-}
if [ -z "$keyquench_first" ]; then
	keyquench_first=${GIT_DIR:-.git}
	if ! [ -d "$keyquench_first/refs" ] || [ -f "$keyquench_first/commondir" ]; then
		keyquench_first=$(git rev-parse --git-common-dir && echo .) || exit 3
		keyquench_first=${keyquench_first%??}
	fi
fi
`

const chainPlain = `if [ -x "$keyquench_first" ]; then
	"$keyquench_first" "$@" || exit $?
`

// chainInput: both get all of the input. Names of refs hold no NUL, which a
// variable could not. A hook need not read its input, so that nobody hears of it.
const chainInput = `if [ -x "$keyquench_first" ]; then
	keyquench_input=$(cat && echo .) || {
		echo 'keyquench: this hook cannot read its input (is cat on the PATH?): nothing was scanned' >&2
		exit 3
	}
	keyquench_input=${keyquench_input%.}
	{ printf %s "$keyquench_input" 2>/dev/null; } | "$keyquench_first" "$@" || exit $?
`

// noticeReplaced: lefthook puts hooks of others aside whenever its configuration
// has changed, and it does so while it runs.
const noticeReplaced = `	keyquench_line=
	[ -r "$0" ] && { read -r keyquench_line && read -r keyquench_line; } <"$0"
	case $keyquench_line in
	'` + mark + `'*) ;;
	*)
		echo 'keyquench: another program took the place of this hook while it ran' >&2
		echo 'keyquench: try: keyquench hook install' >&2
		;;
	esac
`

// withoutHook is what git does where there is no hook of that name, as nearly
// as a hook can: most of them have no say by being absent.
func withoutHook(name string) string {
	switch name {
	case "proc-receive":
		return "echo 'keyquench: there is no hook proc-receive to hand this push to' >&2\nexit 1\n"
	case "fsmonitor-watchman":
		return "exit 1 # git then looks at all files itself\n"
	case "push-to-checkout":
		return pushToCheckout
	}
	return "exit 0\n"
}

// pushToCheckout refuses what git refuses by itself, and checks out what it would.
const pushToCheckout = `cd "${GIT_WORK_TREE:-.}" || exit 1
keyquench_head=HEAD
git rev-parse -q --verify HEAD >/dev/null || keyquench_head=$(git hash-object -t tree /dev/null) || exit 1
git update-index -q --ignore-submodules --refresh || {
	echo 'Up-to-date check failed' >&2
	exit 1
}
git diff-files --quiet --ignore-submodules -- || {
	echo 'Working directory has unstaged changes' >&2
	exit 1
}
git diff-index --quiet --cached --ignore-submodules "$keyquench_head" -- || {
	echo 'Working directory has staged changes' >&2
	exit 1
}
git read-tree -u -m "$1" || {
	echo 'Could not update working tree to new HEAD' >&2
	exit 1
}
`

// command is what a configuration hook runs: git gives it to a shell and adds
// the hook's arguments after it.
func command(name, program string) string {
	return programVariable + quote(program) + `; [ -x "$keyquench_program" ] || keyquench_program=$(command -v keyquench) || ` +
		`{ echo 'keyquench: this hook does not find the program keyquench any more: nothing was scanned' >&2; ` +
		`echo 'keyquench: try: keyquench hook install --global' >&2; exit 3; }; exec "$keyquench_program" hook run ` + name
}

// quote writes text as one word of the shell, whatever it holds.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// isOurs tells whether text is a script of ours.
func isOurs(text string) bool {
	_, rest, ok := strings.Cut(text, "\n")
	return ok && strings.HasPrefix(rest, mark)
}

// programOf reads which program a script or command of ours calls.
func programOf(text string) (path string, ok bool) {
	_, rest, ok := strings.Cut(text, programVariable+"'")
	if !ok {
		return "", false
	}
	for {
		part, after, ok := strings.Cut(rest, "'")
		if !ok {
			return "", false
		}
		path += part
		if !strings.HasPrefix(after, `\''`) {
			return path, true
		}
		path, rest = path+"'", after[len(`\''`):]
	}
}
