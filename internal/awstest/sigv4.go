package awstest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	algorithm = "AWS4-HMAC-SHA256"
	stampForm = "20060102T150405Z"
	// tolerance is how far AWS lets a client's clock be off.
	tolerance = 5 * time.Minute
	// presignedLife is how long a signed URL without an expiry of its own lives.
	presignedLife = 15 * time.Minute
)

// signature is what a request says of its own signature.
type signature struct {
	keyID, day, region, service string
	stamp                       string
	signed                      []string // header names, as listed
	hex                         string
	token                       string
	query                       bool // a signed URL
	expires                     time.Duration
}

// parseSignature reads a request's signature without judging it. The error is
// AWS's for a request that has none or half of one.
func parseSignature(r *http.Request) (*signature, *apiError) {
	if q := r.URL.Query(); q.Has("X-Amz-Algorithm") || q.Has("X-Amz-Signature") {
		return parseQuerySignature(q)
	}
	values := r.Header.Values("Authorization")
	if len(values) == 0 {
		return nil, fail(http.StatusForbidden, "MissingAuthenticationToken", "Request is missing Authentication Token")
	}
	rest, ok := strings.CutPrefix(values[0], algorithm+" ")
	if !ok || len(values) > 1 {
		return nil, incomplete("Authorization header must begin with " + algorithm)
	}
	parts := map[string]string{}
	for field := range strings.SplitSeq(rest, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(field), "=")
		if !ok || parts[name] != "" {
			return nil, incomplete("'" + name + "' not a valid key=value pair (missing equal-sign) in Authorization header.")
		}
		parts[name] = value
	}
	for _, name := range []string{"Credential", "SignedHeaders", "Signature"} {
		if parts[name] == "" {
			return nil, incomplete("Authorization header requires '" + name + "' parameter.")
		}
	}
	stamps := r.Header.Values("X-Amz-Date")
	if len(stamps) != 1 {
		return nil, incomplete("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
	}
	sig := &signature{
		stamp: stamps[0], hex: parts["Signature"], token: r.Header.Get("X-Amz-Security-Token"),
		signed: strings.Split(parts["SignedHeaders"], ";"),
	}
	return sig.scope(parts["Credential"])
}

func parseQuerySignature(q url.Values) (*signature, *apiError) {
	for _, name := range []string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-SignedHeaders", "X-Amz-Signature"} {
		if len(q[name]) != 1 || q.Get(name) == "" {
			return nil, incomplete("AWS query-string parameters must include '" + name + "'.")
		}
	}
	if q.Get("X-Amz-Algorithm") != algorithm {
		return nil, incomplete("Unsupported AWS 'algorithm'.")
	}
	sig := &signature{
		stamp: q.Get("X-Amz-Date"), hex: q.Get("X-Amz-Signature"), token: q.Get("X-Amz-Security-Token"),
		signed: strings.Split(q.Get("X-Amz-SignedHeaders"), ";"),
		query:  true, expires: presignedLife,
	}
	if text := q.Get("X-Amz-Expires"); text != "" {
		seconds, err := strconv.Atoi(text)
		if err != nil || seconds < 1 || seconds > 604800 {
			return nil, incomplete("X-Amz-Expires must be between 1 and 604800.")
		}
		sig.expires = min(presignedLife, time.Duration(seconds)*time.Second)
	}
	return sig.scope(q.Get("X-Amz-Credential"))
}

// scope reads ID/day/region/service/aws4_request.
func (sig *signature) scope(credential string) (*signature, *apiError) {
	f := strings.Split(credential, "/")
	if len(f) != 5 || f[0] == "" || f[4] != "aws4_request" {
		return nil, incomplete("Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term")
	}
	sig.keyID, sig.day, sig.region, sig.service = f[0], f[1], f[2], f[3]
	return sig, nil
}

// checkTime judges what needs no secret: the scope's day, the clock, and that
// what must be signed is.
func (sig *signature) checkTime(r *http.Request, now time.Time) *apiError {
	at, err := time.Parse(stampForm, sig.stamp)
	if err != nil {
		return incomplete("Date must be in ISO-8601 'basic format'.")
	}
	if sig.stamp[:8] != sig.day {
		return mismatch("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%s' != '%s', from '%s'.", sig.day, sig.stamp[:8], sig.stamp)
	}
	old, limit := tolerance, "5 min."
	if sig.query {
		old, limit = sig.expires, fmt.Sprintf("%d sec.", int(sig.expires.Seconds()))
	}
	if earliest := now.Add(-old); at.Before(earliest) {
		return mismatch("Signature expired: %s is now earlier than %s (%s - %s)", sig.stamp, earliest.Format(stampForm), now.Format(stampForm), limit)
	}
	if latest := now.Add(tolerance); at.After(latest) {
		return mismatch("Signature not yet current: %s is still later than %s (%s + 5 min.)", sig.stamp, latest.Format(stampForm), now.Format(stampForm))
	}
	return sig.checkSigned(r)
}

// checkSigned refuses requests whose meaning could be changed without breaking
// the signature.
func (sig *signature) checkSigned(r *http.Request) *apiError {
	if !slices.IsSorted(sig.signed) {
		return mismatch("SignedHeaders must be sorted.")
	}
	if !slices.Contains(sig.signed, "host") {
		return mismatch("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
	}
	for name := range r.Header {
		name = strings.ToLower(name)
		if strings.HasPrefix(name, "x-amz-") && !slices.Contains(sig.signed, name) {
			return mismatch("'%s' must be a 'SignedHeader' in the AWS Authorization.", name)
		}
	}
	for i, name := range sig.signed {
		if name != "host" && name != "content-length" && len(r.Header.Values(name)) == 0 {
			return mismatch("The header '%s' is signed and was not sent.", name)
		}
		if i > 0 && sig.signed[i-1] == name {
			return mismatch("The header '%s' is signed twice.", name)
		}
	}
	return nil
}

// matches tells whether the request was signed with the secret.
func (sig *signature) matches(r *http.Request, body []byte, secret string) bool {
	canonical := sig.canonical(r, body)
	scope := strings.Join([]string{sig.day, sig.region, sig.service, "aws4_request"}, "/")
	toSign := strings.Join([]string{algorithm, sig.stamp, scope, hexHash([]byte(canonical))}, "\n")
	key := []byte("AWS4" + secret)
	for _, part := range []string{sig.day, sig.region, sig.service, "aws4_request"} {
		key = mac(key, part)
	}
	given, err := hex.DecodeString(sig.hex)
	return err == nil && hmac.Equal(given, mac(key, toSign))
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func hexHash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// canonical is the canonical request, rebuilt from what arrived.
func (sig *signature) canonical(r *http.Request, body []byte) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\n%s\n", r.Method, encode(r.URL.EscapedPath(), true), canonicalQuery(r.URL.RawQuery))
	for _, name := range sig.signed {
		var values []string
		switch name {
		case "host":
			values = []string{r.Host}
		case "content-length":
			values = []string{strconv.FormatInt(r.ContentLength, 10)}
		default:
			for _, v := range r.Header.Values(name) {
				values = append(values, strings.Join(strings.Fields(v), " "))
			}
		}
		fmt.Fprintf(&b, "%s:%s\n", name, strings.Join(values, ","))
	}
	fmt.Fprintf(&b, "\n%s\n%s", strings.Join(sig.signed, ";"), hexHash(body))
	return b.String()
}

// canonicalQuery sorts the parameters by name, then value, as they are encoded.
// The signature itself is not signed.
func canonicalQuery(raw string) string {
	type pair struct{ name, value string }
	var pairs []pair
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		if name = reencode(name); name != "X-Amz-Signature" {
			pairs = append(pairs, pair{name, reencode(value)})
		}
	}
	slices.SortFunc(pairs, func(a, b pair) int {
		if c := strings.Compare(a.name, b.name); c != 0 {
			return c
		}
		return strings.Compare(a.value, b.value)
	})
	list := make([]string, len(pairs))
	for i, p := range pairs {
		list[i] = p.name + "=" + p.value
	}
	return strings.Join(list, "&")
}

// reencode undoes whatever encoding a client chose and applies AWS's.
func reencode(text string) string {
	if plain, err := url.QueryUnescape(text); err == nil {
		text = plain
	}
	return encode(text, false)
}

// encode is RFC 3986 with AWS's set of characters that stay as they are.
func encode(text string, slashes bool) string {
	if text == "" && slashes {
		return "/"
	}
	var b strings.Builder
	for _, c := range []byte(text) {
		switch {
		case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_', c == '.', c == '~', c == '/' && slashes:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
