package report

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/keyquench/keyquench/scanner"
)

// schema is the version of the lines. It rises when a field goes or changes its
// meaning; new fields do not raise it.
const schema = 1

type jsonLines struct {
	collected
	w    io.Writer
	o    Options
	veil *veil
}

// NewJSON writes one JSON object a line: a finding each, and last the summary.
// A report without a summary was cut off. README.md lists the fields.
func NewJSON(w io.Writer, o Options) Writer { return &jsonLines{w: w, o: o} }

type jsonFinding struct {
	Type        string       `json:"type"`
	Schema      int          `json:"schema"`
	Fingerprint string       `json:"fingerprint"`
	Rule        string       `json:"rule"`
	Title       string       `json:"title"`
	Kind        string       `json:"kind"`
	KeyID       string       `json:"key_id"`
	Secret      string       `json:"secret"`
	Token       string       `json:"token"`
	Account     string       `json:"account"`
	Canary      string       `json:"canary"`
	State       string       `json:"state"`
	Verdict     *jsonVerdict `json:"verdict,omitempty"`
	Signed      bool         `json:"signed"`
	Entropy     float64      `json:"entropy"`
	Candidates  int          `json:"candidates"`
	Score       int          `json:"score,omitempty"`
	Why         string       `json:"why,omitempty"`
	User        string       `json:"user"`
	InHead      *bool        `json:"in_head"`
	Refs        []string     `json:"refs"`
	RefCount    int          `json:"ref_count"`
	Places      []jsonPlace  `json:"places"`
}

type jsonPlace struct {
	Kind        string        `json:"kind"`
	Path        string        `json:"path"`
	PathBase64  string        `json:"path_base64,omitempty"`
	Member      string        `json:"member,omitempty"`
	Repository  string        `json:"repository,omitempty"`
	Object      string        `json:"object"`
	Line        int           `json:"line"`
	Column      int           `json:"column"`
	Offset      int           `json:"offset"`
	Secret      *jsonPosition `json:"secret,omitempty"`
	Encoding    string        `json:"encoding,omitempty"`
	Versions    int           `json:"versions"`
	Commit      *jsonCommit   `json:"commit,omitempty"`
	Head        *jsonPosition `json:"head,omitempty"`
	WorkTree    *jsonPosition `json:"work_tree,omitempty"`
	Staged      bool          `json:"staged"`
	Unreachable bool          `json:"unreachable"`
}

type jsonPosition struct {
	Line   int `json:"line"`
	Column int `json:"column"`
	Offset int `json:"offset"`
}

type jsonCommit struct {
	ID        string `json:"id"`
	Author    string `json:"author"`
	Email     string `json:"email"`
	Date      string `json:"date"`
	Committed string `json:"committed"`
	Subject   string `json:"subject"`
}

type jsonSummary struct {
	Type     string      `json:"type"`
	Schema   int         `json:"schema"`
	Target   string      `json:"target"`
	Objects  jsonObjects `json:"objects"`
	Blobs    int64       `json:"blobs"`
	Bytes    int64       `json:"bytes"`
	Files    int64       `json:"files"`
	Commits  int64       `json:"commits"`
	Seconds  float64     `json:"seconds"`
	Findings int         `json:"findings"`
	Known    int         `json:"known"`
	Allowed  int         `json:"allowed"`
	Ignored  int         `json:"ignored"`
	Skipped  int64       `json:"skipped"`
	Missing  int64       `json:"missing"`
	Shallow  int64       `json:"shallow"`
	Skips    []jsonSkip  `json:"skips"`
	Unopened int64       `json:"unopened"`
	Seals    []jsonSkip  `json:"seals,omitempty"`
	Cached   int64       `json:"cached"`
	Cache    string      `json:"cache_problem,omitempty"`
	Complete bool        `json:"complete"`
	Version  string      `json:"version"`
	Rules    string      `json:"rules"`
}

type jsonObjects struct {
	Commits int64 `json:"commits"`
	Trees   int64 `json:"trees"`
	Blobs   int64 `json:"blobs"`
	Tags    int64 `json:"tags"`
	Total   int64 `json:"total"`
}

type jsonSkip struct {
	What       string `json:"what"`
	WhatBase64 string `json:"what_base64,omitempty"`
	Reason     string `json:"reason"`
}

// Close writes the findings and the summary.
func (j *jsonLines) Close(sum scanner.Summary) error {
	j.o.settle(&sum)
	j.veil = newVeil(j.list, &j.o)
	for i := range j.list {
		if err := j.finding(&j.list[i]); err != nil {
			return err
		}
	}
	return j.summary(&sum)
}

func (j *jsonLines) finding(f *scanner.Finding) error {
	line := jsonFinding{
		Type: "finding", Schema: schema, Fingerprint: f.Fingerprint, Rule: f.Rule.ID, Title: f.Rule.Title, Kind: kindOf(f),
		KeyID: valid(f.Key.ID), Secret: valid(j.o.secret(f.Key.Secret)), Token: valid(j.o.secret(f.Key.Token)),
		Account: f.Account, Canary: f.Canary, State: j.o.stateOf(f), Verdict: jsonOf(j.o.verdict(f), j.o.secret), Signed: f.Signed, Entropy: round(f.Entropy, 100), Candidates: len(f.Secrets),
		User: j.veil.text(f.User), Refs: make([]string, len(f.Refs)), RefCount: f.RefCount, Places: make([]jsonPlace, len(f.Places)),
	}
	if in, known := j.o.inHead(f); known {
		line.InHead = &in
	}
	if len(f.Secrets) > 0 {
		line.Score, line.Why = f.Secrets[0].Score, valid(f.Secrets[0].Why)
	}
	for i, r := range f.Refs {
		line.Refs[i] = j.veil.text(r)
	}
	for i := range f.Places {
		line.Places[i] = j.veil.place(&f.Places[i])
	}
	return j.write(line)
}

// text is text from the repository, without secrets and valid.
func (v *veil) text(s string) string { return valid(v.over(s)) }

// place is a place as JSON tells it.
func (v *veil) place(p *scanner.Place) jsonPlace {
	path := v.over(p.Path)
	out := jsonPlace{
		Kind: p.Kind.String(), Path: valid(path), PathBase64: raw(path), Member: v.text(p.Member), Repository: v.text(p.Repository),
		Line: p.At.Line, Column: p.At.Column, Offset: p.At.Offset, Secret: position(p.Secret), Encoding: p.Encoding,
		Versions: p.Versions, Head: position(p.Head), WorkTree: position(p.WorkTree), Staged: p.Staged, Unreachable: p.Unreachable,
	}
	if !p.Object.IsZero() {
		out.Object = p.Object.String()
	}
	if c := p.Commit; c != nil {
		out.Commit = &jsonCommit{
			ID: c.ID.String(), Author: v.text(c.Author), Email: v.text(c.Email), Subject: v.text(wholeRunes(c.Subject)),
			Date: stamp(c.Date), Committed: stamp(c.Committed),
		}
	}
	return out
}

func position(p *scanner.Position) *jsonPosition {
	if p == nil {
		return nil
	}
	return &jsonPosition{p.Line, p.Column, p.Offset}
}

func (j *jsonLines) summary(s *scanner.Summary) error {
	o, skips := s.Objects, sortedSkips(s)
	line := jsonSummary{
		Type: "summary", Schema: schema, Target: j.veil.text(j.o.Target),
		Objects: jsonObjects{o.Commits, o.Trees, o.Blobs, o.Tags, o.Total()},
		Blobs:   s.Blobs, Bytes: s.Bytes, Files: s.Files, Commits: s.Commits, Seconds: round(s.Elapsed.Seconds(), 1000),
		Findings: s.Findings, Known: s.Known, Allowed: s.Allowed, Ignored: s.Ignored, Skipped: s.Skipped, Missing: s.Missing, Shallow: s.Shallow,
		Skips: j.skips(skips), Complete: !s.Incomplete(), Version: j.o.Version, Rules: j.o.Rules,
		Cached: s.Cache.Objects, Unopened: s.Unopened, Seals: j.skips(s.Seals),
	}
	if s.Cache.Err != nil {
		line.Cache = j.veil.text(s.Cache.Err.Error())
	}
	return j.write(line)
}

func (j *jsonLines) skips(list []scanner.Skip) []jsonSkip {
	out := make([]jsonSkip, len(list))
	for i, k := range list {
		out[i] = jsonSkip{j.veil.text(k.What), raw(j.veil.over(k.What)), j.veil.text(k.Err.Error())}
	}
	return out
}

func (j *jsonLines) write(line any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(line); err != nil {
		return fmt.Errorf("encode report: %w", err)
	}
	_, err := j.w.Write(inert(b.Bytes()))
	return err
}

// inert escapes, in encoded JSON, what a terminal or a build log would obey.
// Control characters above ASCII, directions and the runner's "##[" can stand
// only inside strings, where an escape means the same to a reader of JSON.
func inert(line []byte) []byte {
	if plainLine(line) {
		return line
	}
	var b bytes.Buffer
	b.Grow(len(line) + len(line)/16)
	var before rune
	for rest := line; len(rest) > 0; {
		// Most of it is ASCII, and goes over in one piece.
		if n := run(rest); n > 0 {
			b.Write(rest[:n])
			before, rest = rune(rest[n-1]), rest[n:]
			continue
		}
		r, n := utf8.DecodeRune(rest)
		switch {
		case r == '\n' && n == len(rest):
			b.WriteByte('\n')
		case bytes.HasPrefix(rest, []byte("##[")):
			b.WriteString(`\u0023`)
		case visible(r, before):
			b.WriteRune(r)
		case r > 0xffff:
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		before, rest = r, rest[n:]
	}
	return b.Bytes()
}

// run is how many characters at the start of a line need no look.
func run(line []byte) int {
	for i, c := range line {
		if c < ' ' || c > '~' || c == '#' {
			return i
		}
	}
	return len(line)
}

// plainLine tells whether there is nothing to escape.
func plainLine(line []byte) bool {
	for _, c := range line {
		if c > '~' {
			return false
		}
	}
	return !bytes.Contains(line, []byte("##["))
}

// valid gives text that JSON can hold: bytes that are no UTF-8 become \xNN.
func valid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && n == 1 {
			fmt.Fprintf(&b, `\x%02x`, s[0])
		} else {
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
	return b.String()
}

// raw is the text that valid changed.
func raw(s string) string {
	if utf8.ValidString(s) {
		return ""
	}
	return base64.StdEncoding.EncodeToString([]byte(s))
}

// round keeps numbers the same on every machine.
func round(x, to float64) float64 { return math.Round(x*to) / to }

// stamp is a date in RFC 3339, which ends with the year 9999 and has no offset
// of a day. What a commit says beyond that is no date.
func stamp(when time.Time) string {
	const day = 24 * 60 * 60
	if _, offset := when.Zone(); offset <= -day || offset >= day {
		when = when.UTC()
	}
	if y := when.Year(); y < 0 || y > 9999 {
		return ""
	}
	return when.Format(time.RFC3339)
}
