package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

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
	log := sarif.NewReport()
	log.AddRun(s.run(&sum))
	var frame bytes.Buffer
	if err := log.Write(&frame); err != nil {
		return fmt.Errorf("encode report: %w", err)
	}
	// A key of an object: inside a string its quotes would be escaped.
	head, tail, ok := bytes.Cut(frame.Bytes(), []byte(`"results":[]`))
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
func (s *sarifLog) run(sum *scanner.Summary) *sarif.Run {
	run := sarif.NewRunWithInformationURI("keyquench", projectURI)
	driver := run.Tool.Driver
	if s.o.Version != "" {
		driver.WithVersion(valid(s.o.Version))
	}
	s.index = map[string]int{}
	add := func(r *rules.Rule) {
		if _, ok := s.index[r.ID]; !ok {
			s.index[r.ID] = len(s.index)
			driver.AddRule(descriptor(r))
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
		driver.AddNotification(sarif.NewReportingDescriptor().WithID(n[0]).WithName(n[1]).
			WithShortDescription(said(n[2])).WithFullDescription(said(n[2])).WithHelp(said(n[2])))
	}
	base := sarif.NewArtifactLocation().WithDescription(sarif.NewTextMessage("The root of the repository or folder that was scanned."))
	run.WithOriginalUriBaseIds(map[string]sarif.ArtifactLocation{srcRoot: *base})
	// Columns are in bytes, for which SARIF has no word; where a line is ASCII up
	// to the key they are the same.
	run.WithColumnKind("unicodeCodePoints")
	// Code scanning takes what a category lacks for fixed: a scan of a part must
	// not close what a scan of all has found.
	run.WithAutomationDetails(sarif.NewRunAutomationDetails().WithID("keyquench/" + scopeNames[s.o.Scope] + "/"))
	run.AddInvocation(s.invocation(sum))
	bag := sarif.NewPropertyBag()
	bag.Add("target", s.veil.text(s.o.Target)).Add("rules", s.o.Rules).Add("columns", "bytes")
	bag.Add("allowed", sum.Allowed).Add("ignored", sum.Ignored).Add("known", sum.Known)
	bag.Add("findings", sum.Findings).Add("bytes", sum.Bytes).Add("seconds", round(sum.Elapsed.Seconds(), 1000))
	return run.WithProperties(bag)
}

var scopeNames = [...]string{Files: "files", Part: "part-of-history", All: "history", Staged: "staged"}

// invocation tells whether everything was read.
func (s *sarifLog) invocation(sum *scanner.Summary) *sarif.Invocation {
	inv := sarif.NewInvocation()
	if !s.o.Time.IsZero() {
		inv.WithEndTimeUtc(s.o.Time.UTC().Format("2006-01-02T15:04:05.000Z"))
	}
	say := func(level, id, text string) {
		ref := sarif.NewReportingDescriptorReference().WithID(id)
		inv.AddToolExecutionNotification(sarif.NewNotification().WithLevel(level).WithDescriptor(ref).WithMessage(message(text)))
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
	return inv.WithExecutionSuccessful(!sum.Incomplete() && len(s.list) <= maxResults)
}

func (s *sarifLog) result(f *scanner.Finding) *sarif.Result {
	at := s.locations(f)
	r := sarif.NewRuleResult(f.Rule.ID).WithRuleIndex(s.index[f.Rule.ID]).WithLevel("error")
	r.WithMessage(message(s.message(f, len(at)))).WithLocations(at[:1]).WithRelatedLocations(at[1:])
	r.WithPartialFingerprints(map[string]string{
		"keyquench/v1": f.Fingerprint,
		// The only one that code scanning compares. It is meant to be a hash of the
		// line; the key is what makes two results the same, wherever it stands.
		"primaryLocationLineHash": f.Fingerprint + ":1",
	})
	bag := sarif.NewPropertyBag()
	bag.Add("kind", kindOf(f)).Add("state", stateOf(f)).Add("keyId", valid(f.Key.ID))
	bag.Add("account", f.Account).Add("canary", f.Canary).Add("user", s.veil.text(f.User))
	bag.Add("secret", valid(s.o.secret(f.Key.Secret))).Add("token", valid(s.o.secret(f.Key.Token)))
	bag.Add("candidates", len(f.Secrets)).Add("placeCount", len(f.Places)).Add("refCount", f.RefCount)
	refs := make([]string, len(f.Refs))
	for i, name := range f.Refs {
		refs[i] = s.veil.text(name)
	}
	bag.Add("refs", refs)
	if in, known := s.o.inHead(f); known {
		bag.Add("inHead", in)
	}
	return r.WithProperties(bag)
}
