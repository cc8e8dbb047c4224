package respond

import (
	"fmt"

	"github.com/keyquench/keyquench/internal/verify"
)

// said is what STS answered, in one line.
func said(a verify.Answer) string {
	switch {
	case a.Accepted():
		return "accepted as " + a.ARN
	case a.Code != "":
		return a.Code + ": " + a.Message
	case a.Status == 0:
		return "no answer: " + a.Message
	}
	return fmt.Sprintf("HTTP %d: %s", a.Status, a.Message)
}
