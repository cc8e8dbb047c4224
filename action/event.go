package action

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// Kind says what an event is about.
type Kind uint8

// The kinds.
const (
	// Everything: the event is about no commits, so all of history is.
	Everything Kind = iota
	// Pull is about the commits that a pull request would bring.
	Pull
	// Push is about those that a ref has got.
	Push
	// Deletion of a ref brings nothing.
	Deletion
	// Queue is about a group of pull requests in the merge queue.
	Queue
)

// Event is what is used of an event file. Its forms are those of
// docs.github.com/en/webhooks/webhook-events-and-payloads; which event has which
// is said in .../actions/reference/workflows-and-actions/events-that-trigger-workflows.
// Texts are whoever's who made the branch or the title.
type Event struct {
	Name string
	Kind Kind
	// Head and Base are names of objects: what is asked for is what Head leads to
	// and Base does not. Base is "" where the event knows none: of a push that made
	// a ref. Head of a pushed tag can be a tag's name, not a commit's.
	Head, Base string
	// Ref is the full name of what was pushed, Default the repository's default
	// branch, without refs/heads/.
	Ref, Default string
	// Commits is how many the event says there are, -1 if it does not say. GitHub
	// stops counting at 2048 for a push.
	Commits int
	// Number is the pull request's, or 0.
	Number int
	// headRepo and baseRepo are the repositories of a pull request; headRepo is nil
	// when it was deleted.
	headRepo, baseRepo *repository
}

// maxEvent bounds an event file. GitHub sends no event of more than 25 MB.
const maxEvent = 32 << 20

// OpenEvent reads the file of a run's event. An error is an *Error.
func OpenEvent(r Runner) (*Event, error) {
	const next = "GITHUB_EVENT_PATH is for the runner to set; name what to scan by the inputs base and head"
	info, err := os.Stat(r.EventPath)
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file") // to open a pipe would wait for ever
	}
	if err != nil {
		return nil, &Error{"read the event file", next, err}
	}
	file, err := os.Open(r.EventPath)
	if err != nil {
		return nil, &Error{"read the event file", next, err}
	}
	defer file.Close()
	e, err := ReadEvent(r.EventName, file)
	if err != nil {
		return nil, &Error{fmt.Sprintf("read the event file of %q", r.EventName), next, err}
	}
	return e, nil
}

// The parts of event files that are read. Pointers tell what is missing, or null,
// from what is empty.
type (
	anyPayload  struct{ Repository *repository }
	pushPayload struct {
		Ref, Before, After *string
		Deleted            bool
		Commits            *[]struct{ ID string }
	}
	queuePayload struct {
		MergeGroup *struct {
			HeadSHA *string `json:"head_sha"`
			BaseSHA *string `json:"base_sha"`
		} `json:"merge_group"`
	}
	pullPayload struct {
		PullRequest *struct {
			Number     int
			Commits    *int
			Head, Base *side
		} `json:"pull_request"`
	}
	side struct {
		SHA  *string
		Repo *repository
	}
	repository struct {
		ID            int64
		FullName      string `json:"full_name"`
		Fork          bool
		DefaultBranch string `json:"default_branch"`
	}
)

// ReadEvent reads the payload of an event. Fields that it does not need are passed
// over; one that it needs and that is missing or of another type is an error.
func ReadEvent(name string, r io.Reader) (*Event, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxEvent+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxEvent {
		return nil, fmt.Errorf("it has more than %d bytes", maxEvent)
	}
	var p *anyPayload
	if err := parse(text, &p); err != nil {
		return nil, err
	}
	if p == nil {
		return nil, errors.New("not the JSON of an event: null")
	}
	e := &Event{Name: name, Commits: -1}
	if p.Repository != nil {
		e.Default = p.Repository.DefaultBranch
	}
	switch {
	case name == "push":
		err = e.push(text)
	case name == "merge_group":
		err = e.queue(text)
	case strings.HasPrefix(name, "pull_request"):
		err = e.pull(text)
	}
	if err != nil {
		return nil, err
	}
	return e, nil
}

// parse reads only what v has: a field that one event has may be of another type
// in the next.
func parse(text []byte, v any) error {
	err := json.Unmarshal(text, v)
	// In Go's words it is about types of ours, and repeats a number however long.
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		what := "it"
		if wrong.Field != "" {
			what = "its " + strings.ToLower(wrong.Field)
		}
		return fmt.Errorf("not the JSON of an event: %s is of another type than it should be: %.40s", what, wrong.Value)
	}
	if err != nil {
		return fmt.Errorf("not the JSON of an event: %w", err)
	}
	return nil
}

// named gives the name of an object that an event must have.
func named(field string, s *string) (string, error) {
	if s == nil {
		return "", fmt.Errorf("it has no %s", field)
	}
	if !objectName(*s) {
		return "", fmt.Errorf("its %s is no object's name: %.80q", field, *s)
	}
	return *s, nil
}

func (e *Event) push(text []byte) (err error) {
	var p pushPayload
	if err := parse(text, &p); err != nil {
		return err
	}
	e.Kind = Push
	if e.Head, err = named("after", p.After); err != nil {
		return err
	}
	if e.Base, err = named("before", p.Before); err != nil {
		return err
	}
	if p.Ref == nil || !strings.HasPrefix(*p.Ref, "refs/") {
		return errors.New("it has no ref")
	}
	e.Ref = *p.Ref
	switch {
	case zero(e.Head):
		e.Kind = Deletion
	case p.Deleted:
		return errors.New("its deleted and its after contradict each other")
	}
	if zero(e.Base) {
		e.Base = ""
	}
	if p.Commits != nil {
		e.Commits = len(*p.Commits)
	}
	return nil
}

func (e *Event) queue(text []byte) (err error) {
	var p queuePayload
	if err := parse(text, &p); err != nil {
		return err
	}
	e.Kind = Queue
	if p.MergeGroup == nil {
		return errors.New("it has no merge_group")
	}
	if e.Head, err = commitNamed("merge_group.head_sha", p.MergeGroup.HeadSHA); err != nil {
		return err
	}
	e.Base, err = commitNamed("merge_group.base_sha", p.MergeGroup.BaseSHA)
	return err
}

// commitNamed is named for what cannot be the name of nothing.
func commitNamed(field string, s *string) (string, error) {
	name, err := named(field, s)
	if err == nil && zero(name) {
		err = fmt.Errorf("its %s is zero", field)
	}
	return name, err
}

func (e *Event) pull(text []byte) (err error) {
	var p pullPayload
	if err := parse(text, &p); err != nil {
		return err
	}
	e.Kind = Pull
	q := p.PullRequest
	switch {
	case q == nil:
		return errors.New("it has no pull_request")
	case q.Head == nil || q.Base == nil:
		return errors.New("its pull_request has no head or no base")
	}
	if e.Head, err = commitNamed("pull_request.head.sha", q.Head.SHA); err != nil {
		return err
	}
	if e.Base, err = commitNamed("pull_request.base.sha", q.Base.SHA); err != nil {
		return err
	}
	if e.Number = q.Number; e.Number < 0 {
		return fmt.Errorf("its number is %d", e.Number)
	}
	if q.Commits != nil {
		if e.Commits = *q.Commits; e.Commits < 0 {
			return fmt.Errorf("its pull_request.commits is %d", e.Commits)
		}
	}
	e.headRepo, e.baseRepo = q.Head.Repo, q.Base.Repo
	return nil
}

// Mistrust is why nothing may be changed anywhere on the word of this event, or ""
// if it may: whoever can open a pull request from a fork can write anything into
// it. repository is the one that the workflow runs in.
func (e *Event) Mistrust(repository string) string {
	switch e.Name {
	case "push", "merge_group", "schedule", "workflow_dispatch":
		return ""
	case "pull_request":
	default:
		return fmt.Sprintf("the event %q is not one that only those with write access can cause", e.Name)
	}
	head, base := e.headRepo, e.baseRepo
	switch {
	case head == nil:
		return "the repository that the pull request comes from is not known"
	case base == nil || base.FullName == "" || !strings.EqualFold(base.FullName, repository):
		return "the pull request is not one of this repository"
	case head.ID != base.ID || head.FullName != base.FullName:
		return "the pull request comes from a fork"
	case head.Fork:
		return "the pull request's repository is a fork"
	}
	return ""
}
