package scanner

import (
	"time"

	"github.com/keyquench/keyquench/rules"
)

// Finding is one leaked key and every place it was seen in.
type Finding struct {
	// Fingerprint identifies the finding by rule and key, whatever commit,
	// path or line it stands in: 32 hexadecimal digits. It gives away nothing
	// of a secret.
	Fingerprint string
	Rule        *rules.Rule
	Key         rules.Key
	// Account is the account the key says it belongs to, 12 digits, or "".
	Account string
	// Canary names who runs the account, when it is one of those whose keys
	// are laid out as tripwires.
	Canary string
	// User is the user that a service's credential names, or "".
	User string
	// Signed tells that the ID, alone, stands in signed requests everywhere.
	Signed bool
	// Entropy is in bits per character of the secret, or of the ID alone.
	Entropy float64
	// Secrets are all that may be the secret of Key.ID, best first. Key.Secret
	// is the first of them when it is believed.
	Secrets []rules.Candidate
	// Places are where it was seen, oldest commit first, then by path and line.
	Places []Place
	// Refs are the branches, tags and other refs whose history holds the key,
	// full names, branches first, at most MaxRefs of the RefCount there are.
	// Empty for what only unreachable objects hold.
	Refs     []string
	RefCount int
}

// MaxRefs is how many refs a Finding names: hosts keep a ref for every pull
// request.
const MaxRefs = 50

// First is the oldest place of the finding.
func (f Finding) First() *Place { return &f.Places[0] }

// InHead tells whether some place is in the commit that is checked out.
func (f Finding) InHead() bool {
	for i := range f.Places {
		if f.Places[i].Head != nil {
			return true
		}
	}
	return false
}

// Place is a path, a message or a stream that holds a key, over all versions
// of it that do.
type Place struct {
	Kind Kind
	// Repository is where the repository that holds it lies inside the one that
	// was scanned, ".git/modules/NAME"; "" for that one itself.
	Repository string
	// Path is the repository's bytes, slash-separated; "" for messages and for
	// objects that no tree names. Never print it unescaped.
	Path string
	// Member is the way to what holds the key inside of an archive at Path, each
	// step behind a "!": hostile, like a path. At is then a place in the member.
	Member string
	// Object is the oldest version; zero for what Git does not store.
	Object ObjectID
	// At is where the key stands in that version; in a commit or tag, lines
	// are those of the whole object, as git cat-file prints it. Secret is where its secret
	// stands when that is somewhere else, or nil.
	At     Position
	Secret *Position
	// Encoding says how it was written when not as it is: "base64", "json" …
	Encoding string
	// Versions counts the objects at this path that hold the key; 0 for what
	// Git does not store.
	Versions int
	// Commit introduced it; nil for what no commit holds.
	Commit *Commit
	// Head is where it stands in the commit that is checked out, or for a
	// message, in the history of that commit; nil if it does not.
	Head *Position
	// WorkTree is where it stands in the work tree; nil if it does not.
	WorkTree *Position
	// Staged tells that an index names a version that holds it, changed since
	// the last commit or not.
	Staged bool
	// Unreachable tells that no ref, HEAD or index leads to it.
	Unreachable bool
}

// Position is a place in a run of bytes. Line and Column count from 1, Column
// in bytes; Offset counts bytes from 0.
type Position struct{ Line, Column, Offset int }

// Commit is what is told of a commit. All texts are the repository's bytes.
type Commit struct {
	ID            ObjectID
	Author, Email string
	// Date is the author's; Committed is the committer's.
	Date, Committed time.Time
	// Subject is the first line of the message, at most MaxSubject bytes of it.
	Subject string
}

// MaxSubject is how much of a commit's subject is kept, in bytes.
const MaxSubject = 200

// Skip is something that was not read, and why. What comes from the
// repository.
type Skip struct {
	What string
	Err  error
}

// Summary tells what a scan read.
type Summary struct {
	// Blobs counts contents and messages that the rules looked at, Bytes their
	// length. Names and what Git keeps beside its objects are not counted.
	Blobs, Bytes int64
	// Objects counts what the object store yielded, by kind; Files what lay in
	// the work tree or folder.
	Objects Objects
	Files   int64
	// Commits counts the commits whose changes were looked at.
	Commits int64
	// Findings counts keys, not places.
	Findings int
	// Ignored counts keys that whoever called Scan did not report.
	Ignored int
	// Allowed counts keys that stand on lines with a marker.
	Allowed int
	// Known counts keys that a range did not add, as what it started from had
	// them at the same path already.
	Known int
	// Skips names what was not read, the first MaxSkips of it; Skipped counts
	// all.
	Skips   []Skip
	Skipped int64
	// Unopened counts containers that nobody can open, as they are encrypted,
	// damaged or of a format that is not known here; Seals names the first
	// MaxSkips. They were looked through as they are.
	Unopened int64
	Seals    []Skip
	// Missing counts objects that history refers to and that a partial clone
	// has not fetched. Shallow counts commits whose parents were not fetched.
	Missing, Shallow int64
	Elapsed          time.Duration
	Cache            CacheUse
}

// MaxSkips is how many skips a Summary names: enough to act on, and no list of
// every object of a broken disk.
const MaxSkips = 1000

// Objects counts objects by kind.
type Objects struct{ Commits, Trees, Blobs, Tags int64 }

func (o *Objects) add(more Objects) {
	o.Commits += more.Commits
	o.Trees += more.Trees
	o.Blobs += more.Blobs
	o.Tags += more.Tags
}

// Total is their sum.
func (o Objects) Total() int64 { return o.Commits + o.Trees + o.Blobs + o.Tags }

// Incomplete tells whether there is something that the scan did not read. Such
// a scan is not clean, whatever it found.
func (s *Summary) Incomplete() bool { return s.Skipped > 0 || s.Missing > 0 || s.Shallow > 0 }
