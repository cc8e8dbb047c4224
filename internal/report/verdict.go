package report

import (
	"fmt"
	"slices"
	"time"

	"github.com/keyquench/keyquench/internal/verify"
	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/scanner"
)

// verdict is what AWS said of a key, nil when nobody asked.
func (o *Options) verdict(f *scanner.Finding) *verify.Verdict {
	if o.Verdict == nil {
		return nil
	}
	return o.Verdict(f)
}

// stateOf is what is known of the key being alive, in one word. When nobody was
// asked it is nothing, but that a canary is a trap.
func (o *Options) stateOf(f *scanner.Finding) string {
	if v := o.verdict(f); v != nil {
		return v.State.Code()
	}
	if f.Canary != "" {
		return verify.Canary.Code()
	}
	return verify.Unknown.Code()
}

// state is stateOf for people.
func (o *Options) state(f *scanner.Finding) string {
	if v := o.verdict(f); v != nil && v.State != verify.Canary {
		return verdictLine(v)
	}
	switch f.Canary {
	case "":
		return "unknown (not asked)"
	case "unknown":
		return "canary: the account is known for tripwires; whoever uses the key is noticed"
	}
	return "canary: a tripwire of " + Clean(f.Canary) + "; whoever uses the key is noticed"
}

// over tells that AWS was asked, and does not take the key.
func (o *Options) over(f *scanner.Finding) bool {
	v := o.verdict(f)
	return v != nil && (v.State == verify.Gone || v.State == verify.Expired)
}

// isLive tells that AWS took the key.
func (o *Options) isLive(f *scanner.Finding) bool {
	v := o.verdict(f)
	return v != nil && v.State == verify.Live
}

// level says how much a key asks for, in the words of SARIF: "note" for what no key
// can be made of and for keys that are over, "warning" where AWS knows the ID with
// another secret.
func (o *Options) level(f *scanner.Finding) string {
	v := o.verdict(f)
	switch {
	case o.over(f), f.Signed && !o.isLive(f):
		return "note"
	case v != nil && v.State == verify.WrongSecret:
		return "warning"
	}
	return "error"
}

// urgency is smaller for what is to be done first: keys that AWS takes, those that
// it may take, traps, and those that are over.
func (o *Options) urgency(f *scanner.Finding) int {
	order := []string{verify.Live.Code(), verify.WrongSecret.Code(), verify.Unknown.Code(), verify.Canary.Code(), "signed", verify.Expired.Code(), verify.Gone.Code()}
	state := o.stateOf(f)
	if f.Signed && state == verify.Unknown.Code() {
		state = "signed"
	}
	rank := 2 * slices.Index(order, state)
	if kindOf(f) != "pair" {
		rank++ // a half alone opens nothing
	}
	return rank
}

// urgent gives the findings, what is to be done first in front.
func (o *Options) urgent(list []scanner.Finding) []*scanner.Finding {
	out := make([]*scanner.Finding, len(list))
	rank := make(map[*scanner.Finding]int, len(list))
	for i := range list {
		out[i] = &list[i]
		rank[out[i]] = o.urgency(out[i])
	}
	slices.SortStableFunc(out, func(a, b *scanner.Finding) int { return rank[a] - rank[b] })
	return out
}

// owners say whose key it is.
var owners = map[verify.Kind]string{
	verify.Root: "the root user of account ", verify.User: "an IAM user of account ",
	verify.Role: "a session of a role of account ", verify.Federated: "a federated session of account ",
}

// verdictLine is a verdict in one line.
func verdictLine(v *verify.Verdict) string {
	line := v.State.String()
	switch v.State {
	case verify.Live:
		line = "LIVE: " + owners[v.Kind] + v.Account
		if v.Partition != "aws" {
			line += " in " + v.Partition
		}
		if v.Reason != "" {
			line += "; " + v.Reason
		}
	case verify.Unknown:
		line += ": " + v.Reason + ". Take it for live"
	default:
		line += ": " + v.Reason
	}
	return Clean(line)
}

// jsonVerdict is a verdict as JSON has it.
type jsonVerdict struct {
	State     string       `json:"state"`
	Account   string       `json:"account"`
	ARN       string       `json:"arn"`
	UserID    string       `json:"user_id"`
	Identity  string       `json:"identity"`
	Partition string       `json:"partition"`
	Reason    string       `json:"reason"`
	Secret    string       `json:"secret"`
	At        string       `json:"at"`
	Asked     []jsonAnswer `json:"asked"`
}

type jsonAnswer struct {
	Partition   string  `json:"partition"`
	Endpoint    string  `json:"endpoint"`
	Status      int     `json:"status"`
	Code        string  `json:"code"`
	Message     string  `json:"message"`
	RequestID   string  `json:"request_id"`
	At          string  `json:"at"`
	SkewSeconds float64 `json:"skew_seconds"`
}

// jsonOf is nil without a verdict; show says how its secret may be shown.
func jsonOf(v *verify.Verdict, show func(rules.Secret) string) *jsonVerdict {
	if v == nil {
		return nil
	}
	out := &jsonVerdict{
		State: v.State.Code(), Account: v.Account, ARN: valid(v.ARN), UserID: valid(v.UserID), Identity: v.Kind.String(),
		Partition: v.Partition, Reason: valid(v.Reason), Secret: valid(show(v.Secret)), At: moment(v.At), Asked: make([]jsonAnswer, len(v.Asked)),
	}
	for i, a := range v.Asked {
		out.Asked[i] = jsonAnswer{
			Partition: valid(a.Partition), Endpoint: valid(a.Endpoint), Status: a.Status, Code: valid(a.Code), Message: valid(a.Message),
			RequestID: valid(a.RequestID), At: moment(a.At), SkewSeconds: a.Skew.Seconds(),
		}
	}
	return out
}

// moment is a time of a call, to the millisecond: they are put in order by it.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

// verdictFacts are the rows about a live key that a card and a block have.
func verdictFacts(v *verify.Verdict) (list []row) {
	if v == nil || v.State != verify.Live {
		return nil
	}
	list = append(list, row{"arn", Clean(v.ARN)})
	if v.Kind == verify.Root {
		list = append(list, row{"", "a root key may do everything, and only root can deactivate it"})
	}
	if n := len(v.Asked); n > 0 {
		a := v.Asked[n-1]
		list = append(list, row{"evidence", Clean(fmt.Sprintf("%s said so at %s, request %s", a.Endpoint, moment(a.At), a.RequestID))})
	}
	return list
}
