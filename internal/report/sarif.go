package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/scanner"
)

const (
	// GitHub's code scanning rejects a run with more results, and a result with
	// more than a thousand locations; it shows a hundred.
	maxResults, maxLocations = 25_000, 100
	// maxLinks is how many of the locations a message links to.
	maxLinks = 9

	projectURI = "https://github.com/keyquench/keyquench"
	// srcRoot stands for the root of the repository, wherever it is.
	srcRoot = "%SRCROOT%"
)

type sarifLog struct {
	collected
	w     io.Writer
	o     Options
	text  text // words the messages
	veil  *veil
	index map[string]int // rule → where it stands in the run
}

// NewSARIF writes a SARIF 2.1.0 log with what GitHub's code scanning asks for:
// one run, and in it one result for every key. README.md says what stands where.
func NewSARIF(w io.Writer, o Options) Writer { return &sarifLog{w: w, o: o} }

// Close writes the log.
func (s *sarifLog) Close(sum scanner.Summary) error {
	s.o.settle(&sum)
	s.veil = newVeil(s.list, &s.o)
	s.text = text{o: s.o, veil: s.veil}
	// The run is made without results, and they go where it would have them, one
	// by one: a log is many times as large as what it is made of.
	frame, err := json.Marshal(sarifReport{sarifVersion, sarifSchema, []sarifRun{s.run(&sum)}})
	if err != nil {
		return fmt.Errorf("encode report: %w", err)
	}
	// A key of an object: inside a string its quotes would be escaped.
	head, tail, ok := bytes.Cut(frame, []byte(`"results":[]`))
	if !ok {
		return errors.New("encode report: the run has no place for results")
	}
	if err := s.write(head, []byte(`"results":[`)); err != nil {
		return err
	}
	for i := range s.list[:min(len(s.list), maxResults)] {
		result, err := json.Marshal(s.result(&s.list[i]))
		if err != nil {
			return fmt.Errorf("encode report: %w", err)
		}
		comma := []byte(",")
		if i == 0 {
			comma = nil
		}
		if err := s.write(comma, result); err != nil {
			return err
		}
	}
	return s.write([]byte("]"), tail, []byte("\n"))
}

func (s *sarifLog) write(parts ...[]byte) error {
	for _, p := range parts {
		if _, err := s.w.Write(inert(p)); err != nil {
			return err
		}
	}
	return nil
}

// run is everything but the results.
func (s *sarifLog) run(sum *scanner.Summary) sarifRun {
	driver := sarifDriver{Name: "keyquench", Version: valid(s.o.Version), InformationURI: projectURI}
	s.index = map[string]int{}
	add := func(r *rules.Rule) {
		if _, ok := s.index[r.ID]; !ok {
			s.index[r.ID] = len(s.index)
			driver.Rules = append(driver.Rules, descriptor(r))
		}
	}
	// All rules, so that logs of different scans name the same.
	for _, r := range rules.Default().Rules() {
		add(r)
	}
	for i := range s.list {
		add(s.list[i].Rule)
	}
	for _, n := range [][3]string{
		{"skipped", "Skipped", "Something could not be read."},
		{"missing", "MissingObjects", "Objects that a partial clone has not fetched."},
		{"shallow", "ShallowHistory", "History that a shallow clone has not fetched."},
		{"limit", "TooManyResults", "More results than a log may have."},
		{"cache", "CacheProblem", "What earlier scans remembered could not be used."},
	} {
		text := sarifMessage{Text: n[2]}
		driver.Notifications = append(driver.Notifications, sarifRule{ID: n[0], Name: n[1], ShortDescription: text, FullDescription: text, Help: text})
	}
	base := sarifArtifact{Description: &sarifMessage{Text: "The root of the repository or folder that was scanned."}}
	return sarifRun{
		Tool: sarifTool{driver},
		// Code scanning takes what a category lacks for fixed: a scan of a part must
		// not close what a scan of all has found.
		AutomationDetails:  sarifID{"keyquench/" + scopeNames[s.o.Scope] + "/"},
		Invocations:        []sarifInvocation{s.invocation(sum)},
		OriginalURIBaseIDs: map[string]sarifArtifact{srcRoot: base},
		// Columns are in bytes, for which SARIF has no word; where a line is ASCII up
		// to the key they are the same.
		ColumnKind: "unicodeCodePoints",
		Results:    []sarifResult{},
		Properties: sarifRunBag{
			Target: s.veil.text(s.o.Target), Rules: s.o.Rules, Columns: "bytes",
			Allowed: sum.Allowed, Ignored: sum.Ignored, Known: sum.Known,
			Findings: sum.Findings, Bytes: sum.Bytes, Seconds: round(sum.Elapsed.Seconds(), 1000),
		},
	}
}

var scopeNames = [...]string{Files: "files", Part: "part-of-history", All: "history", Staged: "staged"}

// invocation tells whether everything was read.
func (s *sarifLog) invocation(sum *scanner.Summary) sarifInvocation {
	inv := sarifInvocation{ExecutionSuccessful: !sum.Incomplete() && len(s.list) <= maxResults, Notifications: []sarifNotification{}}
	if !s.o.Time.IsZero() {
		inv.EndTimeUTC = s.o.Time.UTC().Format("2006-01-02T15:04:05.000Z")
	}
	say := func(level, id, text string) {
		inv.Notifications = append(inv.Notifications, sarifNotification{sarifID{id}, level, sarifMessage{Text: text}})
	}
	for _, k := range sortedSkips(sum) {
		say("error", "skipped", literal(s.veil.skipLine(k)))
	}
	if n := unnamed(sum); n > 0 {
		say("error", "skipped", fmt.Sprintf("%s more things could not be read.", group(n)))
	}
	for _, g := range gaps(sum) {
		say("error", g.name, g.text+". Try: "+g.try)
	}
	if n := len(s.list) - maxResults; n > 0 {
		say("error", "limit", fmt.Sprintf("%s more keys were found than a log may have; --format json lists all.", group(int64(n))))
	}
	if sum.Cache.Err != nil {
		say("note", "cache", literal(Clean(s.veil.over(sum.Cache.Err.Error()))))
	}
	return inv
}

func (s *sarifLog) result(f *scanner.Finding) sarifResult {
	at := s.locations(f)
	bag := sarifResultBag{
		Kind: kindOf(f), State: s.o.stateOf(f), Verdict: jsonOf(s.o.verdict(f), s.o.secret), KeyID: valid(f.Key.ID), Account: f.Account, Canary: f.Canary, User: s.veil.text(f.User),
		Secret: valid(s.o.secret(f.Key.Secret)), Token: valid(s.o.secret(f.Key.Token)),
		Candidates: len(f.Secrets), PlaceCount: len(f.Places), RefCount: f.RefCount, Refs: make([]string, len(f.Refs)),
	}
	for i, name := range f.Refs {
		bag.Refs[i] = s.veil.text(name)
	}
	if in, known := s.o.inHead(f); known {
		bag.InHead = &in
	}
	return sarifResult{
		RuleID: f.Rule.ID, RuleIndex: s.index[f.Rule.ID], Level: s.o.level(f),
		Message: sarifMessage{Text: s.message(f, len(at))}, Locations: at[:1], RelatedLocations: at[1:],
		PartialFingerprints: map[string]string{
			"keyquench/v1": f.Fingerprint,
			// The only one that code scanning compares. It is meant to be a hash of the
			// line; the key is what makes two results the same, wherever it stands.
			"primaryLocationLineHash": f.Fingerprint + ":1",
		},
		Properties: bag,
	}
}
