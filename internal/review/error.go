package review

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/go-github/v60/github"

	"github.com/keyquench/keyquench/internal/awsapi"
)

// Error is what kept something from being told to GitHub.
type Error struct {
	Op string
	// Status is that of HTTP, 0 when there was no answer.
	Status int

	text, hint string
	cause      error
}

// Error is one line. What GitHub says in it is bounded and without control
// characters; print it through report.Clean all the same.
func (e *Error) Error() string { return e.Op + ": " + e.text }

// Hint is what to do about it, "" when nobody knows.
func (e *Error) Hint() string { return e.hint }

// Unwrap gives what errors.Is and errors.AsType look for: ErrReadOnly, and the end
// of a context.
func (e *Error) Unwrap() error { return e.cause }

// maxText bounds what is repeated of GitHub's words.
const maxText = 200

// newError reads an error of go-github or of the wire below it.
func newError(op string, err error) *Error {
	e := &Error{Op: op, cause: err}
	if limit, ok := errors.AsType[*limitError](err); ok {
		e.Status, e.text, e.hint = http.StatusTooManyRequests, limit.Error(), "run the job again later; the log and the annotations have everything"
		return e
	}
	resp, ok := errors.AsType[*github.ErrorResponse](err)
	if !ok || resp.Response == nil {
		e.text, e.hint = "no answer of GitHub: "+awsapi.Clean(causeOf(err), maxText), "see whether GitHub can be reached from here"
		return e
	}
	e.Status = resp.Response.StatusCode
	said := resp.Message
	for _, more := range resp.Errors {
		said += "; " + strings.Join(strings.Fields(more.Resource+" "+more.Field+" "+more.Code+" "+more.Message), " ")
	}
	e.text = strings.TrimSuffix(fmt.Sprintf("HTTP %d: %s", e.Status, awsapi.Clean(said, maxText)), ": ")
	e.cause = nil // it names an address; the status is what callers look at
	switch {
	case e.Status == http.StatusUnauthorized:
		e.hint = "the token is not valid (any more): give another"
	case e.Status == http.StatusForbidden:
		e.cause = ErrReadOnly
	case e.Status == http.StatusNotFound:
		e.hint = "look at the names, and whether the token may see the repository"
	case e.Status >= 300 && e.Status < 400:
		e.hint = "it was renamed or moved: give its present name"
	}
	return e
}

// causeOf leaves out the address in an error of the client.
func causeOf(err error) string {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err.Error()
	}
	return err.Error()
}

// statusOf is the status of HTTP that an error is about, or 0.
func statusOf(err error) int {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Status
	}
	return 0
}

// advised gives an error a next step where it has none: of a token that may not, what
// it needs.
func advised(err error, needs string) error {
	e, ok := errors.AsType[*Error](err)
	if !ok || e.hint != "" {
		return err
	}
	e.hint = "the log, the annotations and the summary of the job have everything; run it again later"
	if errors.Is(err, ErrReadOnly) {
		e.hint = needs + ". Pull requests of forks get a token that can only read: the annotations have everything"
	}
	return e
}
