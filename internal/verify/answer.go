package verify

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/keyquench/keyquench/internal/awsapi"
	"github.com/keyquench/keyquench/internal/form"
	"github.com/keyquench/keyquench/rules"
)

// meaning is what one answer says of the key.
type meaning uint8

const (
	odd         meaning = iota // nothing that can be relied on
	later                      // not now: throttled, broken, or no answer
	taken                      // the key is live
	noSuchKey                  // there is no such active key in this partition
	wrongSecret                // there is, and its secret is another
	expired                    // the session is over
	denied                     // somebody forbade the call, which says nothing of the key
	badClock                   // the time of the signature was not believed
)

// mismatchText is what AWS says with SignatureDoesNotMatch when the secret is
// wrong. The same code has other texts, for other reasons.
const mismatchText = "signature we calculated does not match"

// bareDenials are the texts of AccessDenied that give no reason, in small letters.
// The last is what the SDK makes of no text.
var bareDenials = []string{"", "access denied", "accessdenied", "unknownerror"}

// meaning reads the answer. It looks at nothing but the exported fields, so that
// the evidence that is kept tells the same.
func (a *Answer) meaning() meaning {
	f := awsapi.Failure{Status: a.Status, Code: a.Code, Message: a.Message}
	switch {
	case a.Accepted():
		return taken
	case f.Again():
		return later
	case a.Status < http.StatusBadRequest:
		return odd
	case f.Skewed():
		return badClock
	}
	text := strings.ToLower(a.Message)
	switch a.Code {
	case "InvalidClientTokenId":
		return noSuchKey
	case "AccessDenied":
		// AWS documents that inactive keys can fail so. But whoever stands on the way
		// says the same of keys that are taken, with a reason: the policy of a VPC
		// endpoint, a firewall's administrator, an emulator that names the user. So
		// only a refusal that gives no reason is read as one of the key.
		if slices.Contains(bareDenials, strings.TrimRight(text, ". ")) {
			return noSuchKey
		}
		return denied
	case "SignatureDoesNotMatch":
		if strings.Contains(text, mismatchText) {
			return wrongSecret
		}
	case "ExpiredToken":
		return expired
	}
	return odd
}

// why says in a few words what was wrong with an answer that decides nothing.
func (a *Answer) why() string {
	switch {
	case a.Status == 0 || a.Code == "":
		return a.Message
	case a.Message == "":
		return a.Code
	}
	return a.Code + ": " + a.Message
}

// maxMessage bounds what is kept of what a server says.
const maxMessage = 200

// read fills in what came back from a call.
func (a *Answer) read(w *witness, out *sts.GetCallerIdentityOutput, err error, key rules.Key) {
	if w.header != nil {
		if date, e := http.ParseTime(w.header.Get("Date")); e == nil {
			a.Skew = date.Sub(a.At).Truncate(time.Second)
		}
	}
	if err != nil {
		a.readFailure(w, awsapi.Failed(err), key)
		return
	}
	a.Status = w.status
	a.RequestID, _ = awsmiddleware.GetRequestIDMetadata(out.ResultMetadata)
	outside, ok := w.envelope("GetCallerIdentityResponse")
	if a.RequestID == "" {
		a.RequestID = outside.Metadata
	}
	a.RequestID = awsapi.Clean(a.RequestID, 64)
	if !ok || a.RequestID == "" || a.Status != http.StatusOK {
		a.Message = fmt.Sprintf("HTTP %d, and the answer does not have AWS's form", a.Status)
		return
	}
	a.identify(text(out.Account), text(out.Arn), text(out.UserId), key)
}

func (a *Answer) readFailure(w *witness, f awsapi.Failure, key rules.Key) {
	a.Status, a.RequestID = f.Status, f.RequestID
	if a.Status == 0 {
		a.Message = said(f.Message, key)
		return
	}
	if _, ok := w.envelope("ErrorResponse"); !ok || f.Code == "" || f.RequestID == "" || f.Status < http.StatusBadRequest {
		a.Message = fmt.Sprintf("HTTP %d, and the answer does not have AWS's form", f.Status)
		return
	}
	a.Code, a.Message = f.Code, said(f.Message, key)
}

// said is a server's text, without what it may repeat of the request. AWS itself
// quotes the request that it expected, session token and all.
func said(message string, key rules.Key) string {
	if i := strings.Index(message, "The Canonical String"); i >= 0 {
		message = message[:i]
	}
	message = rules.Cover(message, key.Token, key.Secret)
	message = opaque.ReplaceAllStringFunc(message, func(run string) string { return strings.Repeat("*", len(run)) })
	return awsapi.Clean(message, maxMessage)
}

// opaque is what may be a secret of somebody else: no text for people has it.
var opaque = form.New(`[A-Za-z0-9/+=]{32,}`)

// identity is what an ARN may be, as AWS documents it: names of users and
// sessions, and paths of any printable character.
var identity = form.New(`^arn:(aws[a-z-]{0,20}):(iam|sts)::([0-9]{12}):(root|user/[!-~]{1,600}|assumed-role/[!-~]{1,600}/[!-~]{1,200}|federated-user/[!-~]{1,200})$`)

// identify believes an identity only if it is well formed, of the partition that
// was asked, and of the account that the key ID names.
func (a *Answer) identify(account, arn, userID string, key rules.Key) {
	m := identity.FindStringSubmatch(arn)
	own, carries := rules.Account(key.ID)
	kind := kindOf(arn)
	switch {
	case m == nil:
		a.Message = "the answer names nobody: its ARN is not of the form of AWS"
	case m[3] != account:
		a.Message = "the answer does not fit itself: its ARN is of another account than it says"
	case m[1] != a.Partition:
		a.Message = "the answer does not fit the question: " + a.Partition + " was asked, the ARN is of " + m[1]
	case carries && own != account:
		a.Message = "the answer does not fit the key: it says account " + account + ", the key ID is of " + own
	case (kind == Root || kind == User) != (m[2] == "iam"):
		a.Message = "the answer names nobody: its ARN is not of the form of AWS"
	default:
		a.Account, a.ARN, a.UserID = account, arn, awsapi.Clean(userID, 128)
	}
}

// kindOf reads the kind out of an ARN that identify has seen.
func kindOf(arn string) Kind {
	_, rest, _ := strings.Cut(arn, "::")
	_, name, _ := strings.Cut(rest, ":")
	switch what, _, _ := strings.Cut(name, "/"); what {
	case "root":
		return Root
	case "user":
		return User
	case "assumed-role":
		return Role
	case "federated-user":
		return Federated
	}
	return NoKind
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// envelope is the outside of an answer of STS.
type envelope struct {
	XMLName  xml.Name
	Metadata string `xml:"ResponseMetadata>RequestId"`
}

// envelope reads the outside of the answer; ok tells whether it is XML that begins with root.
func (w *witness) envelope(root string) (f envelope, ok bool) {
	err := xml.Unmarshal(w.body, &f)
	return f, err == nil && f.XMLName.Local == root
}
