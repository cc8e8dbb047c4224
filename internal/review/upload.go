package review

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"time"

	"github.com/google/go-github/v60/github"

	"github.com/keyquench/keyquench/internal/awsapi"
	"github.com/keyquench/keyquench/internal/form"
)

// Analysis is a SARIF log, and of what it is.
type Analysis struct {
	Owner, Repo string
	// Commit is the full name of the commit that was scanned, Ref the full name of
	// the branch, tag or pull request it was scanned as: refs/pull/7/merge.
	Commit, Ref string
	SARIF       []byte
}

// Upload is what became of a SARIF log.
type Upload struct {
	ID string
	// Status is "complete", "failed" or, when GitHub had not looked at it by the
	// time that is waited for, "pending".
	Status string
	// Errors are what GitHub says of a failed one, each on one line, at most ten.
	Errors []string
}

const (
	// maxSARIF is the longest log that code scanning takes, compressed.
	maxSARIF = 10 << 20
	// maxErrors is how many of GitHub's errors are kept.
	maxErrors = 10
	// maxRef is the longest name of a ref that Git takes on most file systems.
	maxRef = 1024
)

// looks are the times between looks at what GitHub makes of a log. It takes some
// seconds; a log that waits in a queue is not waited for.
var looks = []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 15 * time.Second}

var uploadForm = form.New(`^[A-Za-z0-9-]{1,100}$`)

// Upload sends a SARIF log to code scanning and waits half a minute for what GitHub
// says of it. A log that GitHub takes and then finds fault with is an Upload with
// Status "failed" and no error. After an error the Upload has the ID if the log was
// sent. The error has a Hint.
func (c *Client) Upload(ctx context.Context, a Analysis) (Upload, error) {
	up, err := c.upload(ctx, a)
	return up, advised(err, "give the job permissions: security-events: write, and see that code scanning is on")
}

func (c *Client) upload(ctx context.Context, a Analysis) (Upload, error) {
	const op = "upload the SARIF log"
	if err := checkRepo(op, a.Owner, a.Repo); err != nil {
		return Upload{}, err
	}
	if err := checkCommit(op, a.Commit); err != nil {
		return Upload{}, err
	}
	if len(a.Ref) > maxRef || !isFullRef(a.Ref) {
		return Upload{}, &Error{Op: op, text: "that is no full name of a ref", hint: "GITHUB_REF has it, as refs/heads/main or refs/pull/7/merge"}
	}
	packed, err := packed(a.SARIF)
	if err != nil {
		return Upload{}, &Error{Op: op, text: err.Error(), cause: err}
	}
	if len(packed) > maxSARIF {
		return Upload{}, &Error{Op: op, text: fmt.Sprintf("it is %d bytes compressed, and GitHub takes %d", len(packed), maxSARIF), hint: "scan less at a time, or keep the log as an artifact"}
	}
	var id *github.SarifID
	err = c.write(ctx, op, func(ctx context.Context) (err error) {
		id, _, err = c.api.CodeScanning.UploadSarif(ctx, a.Owner, a.Repo, &github.SarifAnalysis{
			CommitSHA: &a.Commit, Ref: &a.Ref, Sarif: new(base64.StdEncoding.EncodeToString(packed)), ToolName: new("keyquench"),
		})
		return err
	}, nil) // the same log twice is one analysis that takes the place of the other
	if err != nil {
		return Upload{}, err
	}
	up := Upload{ID: id.GetID(), Status: "pending"}
	if !uploadForm.MatchString(up.ID) {
		return Upload{}, &Error{Op: op, text: "GitHub's answer has no ID of it"}
	}
	err = c.follow(ctx, a, &up)
	return up, err
}

func isFullRef(ref string) bool { return len(ref) > len("refs/") && ref[:len("refs/")] == "refs/" }

func packed(sarif []byte) ([]byte, error) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(sarif); err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	return b.Bytes(), nil
}

// follow looks what GitHub makes of a log until it is done with it.
func (c *Client) follow(ctx context.Context, a Analysis, up *Upload) error {
	const op = "look what became of the SARIF log"
	for _, pause := range looks {
		if err := c.sleep(ctx, pause); err != nil {
			return newError(op, err)
		}
		// go-github's own type lacks the errors.
		var state struct {
			Status string   `json:"processing_status"`
			Errors []string `json:"errors"`
		}
		err := c.read(ctx, op, func(ctx context.Context) error {
			req, err := c.api.NewRequest(http.MethodGet, "repos/"+a.Owner+"/"+a.Repo+"/code-scanning/sarifs/"+up.ID, nil)
			if err != nil {
				return err
			}
			_, err = c.api.Do(ctx, req, &state)
			return err
		})
		switch {
		case statusOf(err) == http.StatusNotFound: // it is not known everywhere yet
		case err != nil:
			return err
		case state.Status == "complete" || state.Status == "failed":
			up.Status = state.Status
			for _, e := range state.Errors[:min(len(state.Errors), maxErrors)] {
				up.Errors = append(up.Errors, awsapi.Clean(e, maxText))
			}
			return nil
		}
	}
	return nil
}
