package awsapi

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"unicode"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
)

// maxAnswer bounds what is read of one answer. AWS's longest answers here are
// pages of policies, far below.
const maxAnswer = 4 << 20

// bounded reads answers whole, up to a bound, and gives errors one shape.
type bounded struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := b.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	_ = resp.Body.Close()
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	if len(body) > maxAnswer {
		return nil, fmt.Errorf("read answer: over %d bytes, which no service of AWS sends", maxAnswer)
	}
	if resp.StatusCode >= http.StatusBadRequest {
		body = oneShape(body)
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	resp.ContentLength = int64(len(body))
	return resp, nil
}

// oneShape rewrites errors of the form <Errors><Error><Code>, which EC2 has and
// emulators send for every service, as those that STS and IAM send. The SDK reads
// no code out of the former, and without a code nothing can be said of a key.
func oneShape(body []byte) []byte {
	var from struct {
		XMLName   xml.Name
		Code      string `xml:"Errors>Error>Code"`
		Message   string `xml:"Errors>Error>Message"`
		RequestID string `xml:"RequestID"`
		RequestId string `xml:"RequestId"`
	}
	if xml.Unmarshal(body, &from) != nil || from.Code == "" {
		return body
	}
	type fault struct {
		Code    string
		Message string
	}
	to, err := xml.Marshal(struct {
		XMLName   xml.Name `xml:"ErrorResponse"`
		Error     fault
		RequestId string
	}{Error: fault{from.Code, from.Message}, RequestId: from.RequestID + from.RequestId})
	if err != nil {
		return body
	}
	return to
}

// Failure is what an error of the SDK says. Status 0 means that no answer came:
// whether a request to change something was carried out is then not known.
type Failure struct {
	Status    int
	Code      string // as AWS names it, "" if none
	Message   string // one line, cleaned and bounded; never holds what was sent in secret
	RequestID string
	Header    http.Header
}

// strange is said of answers that AWS does not give. What the SDK says of them is
// about its own parser.
const strange = "the answer does not have AWS's form"

// maxMessage bounds the text of an error.
const maxMessage = 300

// Failed reads an error of the SDK.
func Failed(err error) (f Failure) {
	if resp, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		f.Status, f.RequestID, f.Header = resp.HTTPStatusCode(), Clean(resp.ServiceRequestID(), 64), resp.HTTPResponse().Header
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok && f.Status != 0 {
		if code := api.ErrorCode(); code != "UnknownError" {
			f.Code = Clean(code, 64)
		}
		f.Message = Clean(api.ErrorMessage(), maxMessage)
		if f.Code == "" {
			f.Message = strange
		}
		return f
	}
	if f.Status != 0 {
		f.Message = strange
		return f
	}
	cause := err
	if op, ok := errors.AsType[*smithy.OperationError](err); ok {
		cause = op.Err
	}
	f.Message = Clean(cause.Error(), maxMessage)
	return f
}

// Clean makes text of a server fit for one line: no control characters, bounded.
func Clean(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, s)
	if len(s) > limit {
		cut := limit
		for cut > 0 && s[cut]&0xc0 == 0x80 {
			cut--
		}
		s = s[:cut] + "…"
	}
	return strings.TrimSpace(s)
}

// throttles are the codes of "too many requests" over all services.
var throttles = []string{
	"Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "RequestThrottledException",
	"RequestLimitExceeded", "TooManyRequestsException", "PriorRequestNotComplete", "SlowDown",
}

// Throttled tells whether the answer was to come back later.
func (f Failure) Throttled() bool {
	return f.Status == http.StatusTooManyRequests || slices.Contains(throttles, f.Code)
}

// Again tells whether the same request may do better later: throttled, a fault
// of the server, or no answer.
func (f Failure) Again() bool {
	return f.Status == 0 || f.Status >= http.StatusInternalServerError || f.Throttled() || f.Code == "ConcurrentModification"
}

// Skewed tells whether the time of a request was not believed. The SDK's clients
// learn AWS's time from that answer, so the same client does better next time.
func (f Failure) Skewed() bool {
	text := strings.ToLower(f.Message)
	switch f.Code {
	case "RequestExpired", "RequestTimeTooSkewed":
		return true
	case "SignatureDoesNotMatch", "InvalidSignatureException":
		return strings.Contains(text, "signature expired") || strings.Contains(text, "signature not yet current")
	}
	return false
}

// Denied tells whether the caller has no right to it, or no valid credentials.
func (f Failure) Denied() bool {
	if f.Skewed() {
		return false
	}
	switch f.Code {
	case "AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch", "ExpiredToken", "ExpiredTokenException":
		return true
	}
	return false
}

// Missing tells whether what was named does not exist.
func (f Failure) Missing() bool {
	switch f.Code {
	case "NoSuchEntity", "NoSuchEntityException", "ResourceNotFoundException", "ParameterNotFound":
		return true
	}
	return false
}

// String is the failure in one line.
func (f Failure) String() string {
	switch {
	case f.Status == 0:
		return "no answer: " + f.Message
	case f.Code == "":
		return fmt.Sprintf("HTTP %d: %s", f.Status, f.Message)
	case f.Message == "":
		return f.Code
	}
	return f.Code + ": " + f.Message
}
