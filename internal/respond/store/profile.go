package store

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/keyquench/keyquench/rules"
)

// profile keeps the pair in a section of the shared credentials file, in place:
// comments and all other sections stay byte for byte. The file is readable by its
// owner only afterwards, whatever it was before. A link to the file is followed,
// since tools that keep the files of a home directory make such; the link stays.
type profile struct {
	fileStore
	name, file string
	force      bool
}

// maxProfile bounds the name of a profile. AWS names no limit.
const maxProfile = 128

func parseProfile(spec, rest string, o Options) (Store, error) {
	switch {
	case rest == "" || len(rest) > maxProfile || rest != strings.Join(strings.Fields(rest), " "),
		strings.ContainsFunc(rest, func(r rune) bool { return !unicode.IsPrint(r) || strings.ContainsRune("[]#;", r) }):
		return nil, specError(spec, "that is not the name of a profile", "write profile:NAME, as it stands between the brackets of the credentials file")
	case strings.HasPrefix(rest, "profile "):
		return nil, specError(spec, "sections of the credentials file do not begin with profile", "write profile:"+strings.TrimPrefix(rest, "profile "))
	case o.CredentialsFile == "" || !filepath.IsAbs(o.CredentialsFile):
		return nil, specError(spec, "it is not known where the credentials file is", "name it by its whole path")
	}
	p := &profile{name: rest, file: o.CredentialsFile, force: o.Force}
	p.fileStore = fileStore{
		spec:  spec,
		place: func() (local, error) { return openLocal(p.file, true) },
		pair: func(text string) (id, secret string, ok bool) {
			id, secret, ok, err := getProfile(text, p.name)
			return id, secret, ok && err == nil
		},
		next: func(before, id, secret string) (string, error) { return setProfile(before, p.name, id, secret) },
	}
	return p, nil
}

// Calls implements Store.
func (p *profile) Calls() []string {
	what := "section [" + p.name + "]"
	switch {
	case p.seen.Path == "":
	case p.seen.Adds || !p.seen.Existed:
		what += " added"
	default:
		what += " replaced in place"
	}
	return []string{"file " + p.file + ": " + what + ", mode 0600"}
}

// Check implements Store.
func (p *profile) Check(context.Context) error {
	const op = "read the credentials file"
	l, text, existed, err := p.open(op)
	if err != nil {
		return err
	}
	if err := l.writable(); err != nil {
		return p.fail(op, err, "its directory must be writable, since the file is replaced as a whole")
	}
	if p.resumed {
		return nil
	}
	if err := p.fit(text); err != nil {
		return p.fail(op, err, "put it right by hand, or name another profile")
	}
	if !p.force {
		tree, err := treeOf(l.path)
		if err != nil {
			return p.fail("look for a Git work tree around it", err, "see whether Git tracks the file, then use --force")
		}
		if tree.tracked {
			return p.fail(op, errors.New("this file is tracked by Git, so the new pair would be in the next commit"), "take it out: git rm --cached, and ignore it; or use --force")
		}
	}
	p.seen = take(l, text, existed)
	p.seen.Adds = existed && p.adds(text)
	return nil
}

// fit tells whether the profile can be written.
func (p *profile) fit(text string) error {
	if strings.HasPrefix(text, "\ufeff") {
		return errors.New("it begins with a byte order mark, which AWS's tools do not read")
	}
	lines := splitLines(text)
	s, err := findSection(lines, p.name)
	if err != nil || s.header >= 0 {
		return err
	}
	if wrong, err := findSection(lines, "profile "+p.name); err != nil || wrong.header >= 0 {
		return errors.New("it has a section [profile " + p.name + "], which means nothing in a credentials file")
	}
	return nil
}

// adds tells whether the profile is not in the file yet.
func (p *profile) adds(text string) bool {
	s, err := findSection(splitLines(text), p.name)
	return err == nil && s.header < 0
}

// Put implements Store.
func (p *profile) Put(ctx context.Context, key rules.Key, _ string) error {
	return p.write(key, func(path string) error { return readsBack(ctx, path, p.name, key) })
}

// readsBack has AWS's own SDK read the profile out of the new file: what keyquench
// took for a section may be something else to those who use it.
func readsBack(ctx context.Context, path, name string, key rules.Key) (err error) {
	unread := errors.New("AWS's SDK would not read the new pair out of it, because of how the file is written")
	defer func() {
		// Version 1.33.5 panics over a value that is one quotation mark.
		if recover() != nil {
			err = unread
		}
	}()
	c, err := config.LoadSharedConfigProfile(ctx, name, func(o *config.LoadSharedConfigOptions) {
		o.CredentialsFiles, o.ConfigFiles = []string{path}, []string{}
	})
	got := rules.Key{ID: c.Credentials.AccessKeyID, Secret: rules.NewSecret(c.Credentials.SecretAccessKey), Token: rules.NewSecret(c.Credentials.SessionToken)}
	if err != nil || got != key {
		return unread
	}
	return nil
}
