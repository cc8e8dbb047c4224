package gitdir

import "strings"

// maxName bounds the name of a reference: file systems and git's own buffers
// end at 4096 bytes.
const maxName = 4096

// validName tells whether git would accept a reference's name: the rules of
// git-check-ref-format(1). What passes has no "..", no empty component and no
// NUL, and so cannot leave the directory it is joined to.
func validName(name string) bool {
	if name == "" || name == "@" || len(name) > maxName || strings.HasSuffix(name, ".") {
		return false
	}
	for part := range strings.SplitSeq(name, "/") {
		if !validComponent(part) {
			return false
		}
	}
	return strings.HasPrefix(name, "refs/") || isRootName(name)
}

// validTarget tells whether a symbolic reference or a person may mean a name:
// those of references, and those of other work trees' own.
func validTarget(name string) bool {
	if rest, ok := strings.CutPrefix(name, "main-worktree/"); ok {
		return validName(rest)
	}
	if rest, ok := strings.CutPrefix(name, "worktrees/"); ok {
		id, own, _ := strings.Cut(rest, "/")
		return validComponent(id) && validName(own)
	}
	return validName(name)
}

func validComponent(part string) bool {
	if part == "" || part[0] == '.' || strings.HasSuffix(part, ".lock") {
		return false
	}
	for i := range len(part) {
		switch c := part[i]; {
		case c < ' ', c == 0x7f, strings.IndexByte(" ~^:?*[\\", c) >= 0:
			return false
		case c == '.' && i > 0 && part[i-1] == '.', c == '{' && i > 0 && part[i-1] == '@':
			return false
		}
	}
	return true
}

// isRootName tells whether a name without a slash can be a reference at all:
// HEAD, ORIG_HEAD and the like. Other files beside them are not references.
func isRootName(name string) bool {
	for _, c := range []byte(name) {
		if (c < 'A' || 'Z' < c) && c != '_' && c != '-' {
			return false
		}
	}
	return name != ""
}

// isRootRef tells which root names git reads as references when it lists them.
func isRootRef(name string) bool {
	switch name {
	case "HEAD", "AUTO_MERGE", "BISECT_EXPECTED_REV", "NOTES_MERGE_PARTIAL", "NOTES_MERGE_REF", "MERGE_AUTOSTASH":
		return true
	}
	return isRootName(name) && strings.HasSuffix(name, "_HEAD")
}

// isMany tells the two pseudo references that are files of many lines, in every
// kind of storage.
func isMany(name string) bool { return name == "FETCH_HEAD" || name == "MERGE_HEAD" }

// ownDirs are the directories of references that every work tree has for
// itself.
var ownDirs = []string{"refs/bisect", "refs/rewritten", "refs/worktree"}

// isOwn tells whether a reference belongs to one work tree instead of to all.
func isOwn(name string) bool {
	if isRootName(name) {
		return true
	}
	for _, dir := range ownDirs {
		if strings.HasPrefix(name, dir) && len(name) > len(dir) && name[len(dir)] == '/' {
			return true
		}
	}
	return false
}
