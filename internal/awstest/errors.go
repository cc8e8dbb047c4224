package awstest

import (
	"fmt"
	"net/http"
	"strings"
)

// apiError is one of AWS's refusals.
type apiError struct {
	status        int
	code, message string
}

func fail(status int, code, format string, args ...any) *apiError {
	if len(args) > 0 {
		format = fmt.Sprintf(format, args...)
	}
	return &apiError{status, code, format}
}

func incomplete(message string) *apiError {
	return &apiError{http.StatusBadRequest, "IncompleteSignature", message}
}

func mismatch(format string, args ...any) *apiError {
	return fail(http.StatusForbidden, "SignatureDoesNotMatch", format, args...)
}

func invalidToken() *apiError {
	return &apiError{http.StatusForbidden, "InvalidClientTokenId", "The security token included in the request is invalid."}
}

func invalid(format string, args ...any) *apiError {
	return fail(http.StatusBadRequest, "ValidationError", format, args...)
}

func notFound(format string, args ...any) *apiError {
	return fail(http.StatusNotFound, "NoSuchEntity", format, args...)
}

// wrongSignature is the answer to a secret that is not the key's.
func wrongSignature() *apiError {
	return mismatch("The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
}

// jsonCodes are the names that JSON services have for what is refused before an
// operation is reached. All of them come with status 400.
var jsonCodes = map[string]string{
	"InvalidClientTokenId":       "UnrecognizedClientException",
	"SignatureDoesNotMatch":      "InvalidSignatureException",
	"ExpiredToken":               "ExpiredTokenException",
	"MissingAuthenticationToken": "MissingAuthenticationTokenException",
	"IncompleteSignature":        "IncompleteSignatureException",
	"AccessDenied":               "AccessDeniedException",
	"InvalidAction":              "UnknownOperationException",
	"ValidationError":            "ValidationException",
	"Throttling":                 "ThrottlingException",
}

// asJSON is the error as Secrets Manager and Parameter Store word it.
func (e *apiError) asJSON() *apiError {
	code, ok := jsonCodes[e.code]
	if !ok {
		return e
	}
	return &apiError{http.StatusBadRequest, code, e.message}
}

// sender tells whether the client is to blame.
func (e *apiError) sender() bool { return e.status < 500 && !strings.HasPrefix(e.code, "Internal") }
