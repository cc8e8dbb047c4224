package worktree

import (
	"path"
	"strings"
)

// maxGitFileBytes bounds a .git file: "gitdir: " and one path.
const maxGitFileBytes = 8 << 10

// nested tells whether a directory with such a .git is a repository of its own,
// and where its info/exclude would be, "" if not below our root. Like Git it
// looks for the parts of a repository: the name alone does not switch off the
// rules around it.
func (t *Tree) nested(dir string, git *dirEntry) (infoExclude string, ok bool) {
	gitPath := join(dir, ".git")
	switch git.kind {
	case kindDir:
		r := t.Reader()
		defer r.Close()
		entries, _, err := r.entries(gitPath, nil)
		if err != nil {
			// Nobody can tell; the outer rules must not hide files of it.
			return "", true
		}
		return gitPath + "/info/exclude", isGitDir(entries)
	case kindRegular:
		data, err := t.readRegular(gitPath, maxGitFileBytes)
		target, found := strings.CutPrefix(string(data), "gitdir: ")
		if err != nil || !found {
			return "", err != nil
		}
		target = strings.TrimRight(target, "\r\n")
		if path.IsAbs(target) {
			return "", true
		}
		if target = path.Join(dir, target); localPath(target) {
			return target + "/info/exclude", true
		}
		return "", true
	}
	return "", false
}

// isGitDir tells whether a directory with these entries holds a repository.
func isGitDir(entries []dirEntry) bool {
	found := 0
	for i := range entries {
		switch e := &entries[i]; e.name() {
		case "HEAD":
			if e.kind != kindDir {
				found++
			}
		case "objects", "refs":
			if e.kind == kindDir {
				found++
			}
		}
	}
	return found == 3
}

// place is where a directory of a plain folder lies in a git directory.
type place uint8

const (
	placeOutside place = iota
	placeObjects       // objects/
	placeLoose         // objects/00/ to objects/ff/
	placePack          // objects/pack/
)

// listPlain lists a directory of a plain folder: all of it but stored objects.
func (t *Tree) listPlain(d *Dir, l *Listing, skip func(string, error)) {
	git := isGitDir(l.entries)
	for i := range l.entries {
		e := &l.entries[i]
		name := e.name()
		p := join(d.path, name)
		switch {
		case e.err != nil:
			skip(p, e.err)
		case e.kind == kindDir:
			child := d.child(p)
			switch {
			case git && name == "objects":
				child.place = placeObjects
			case d.place == placeObjects && name == "pack":
				child.place = placePack
			case d.place == placeObjects && len(name) == 2 && isHex(name):
				child.place = placeLoose
			}
			l.Dirs = append(l.Dirs, child)
		case e.kind != kindSpecial && !d.place.stored(name):
			l.Files = append(l.Files, e.file(p))
		}
	}
}

// stored tells whether a file of that name is part of the object store.
func (p place) stored(name string) bool {
	switch p {
	case placeLoose:
		return (len(name) == 40-2 || len(name) == 64-2) && isHex(name)
	case placePack:
		if strings.HasPrefix(name, "multi-pack-index") {
			return true
		}
		switch path.Ext(name) {
		case ".pack", ".idx", ".rev", ".bitmap", ".mtimes":
			return strings.HasPrefix(name, "pack-")
		}
	}
	return false
}

func isHex(s string) bool {
	return strings.Trim(s, "0123456789abcdef") == ""
}
