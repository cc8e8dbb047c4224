package awstest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/rules/rulestest"
)

// maxBody is more than any request of the services here may have.
const maxBody = 1 << 20

// request is one call while it is being answered.
type request struct {
	*Server
	http    *http.Request
	body    []byte
	service *service
	action  string
	sig     *signature
	form    url.Values     // of the query services
	input   map[string]any // of the JSON services
	now     time.Time
	moment  time.Time // whose world authorisation sees
	region  string
	caller  *caller
	judged  bool // an operation that forgets to ask for permission is a bug
	id      string
}

// service is one AWS API.
type service struct {
	name      string // in the scope of signatures and in policies
	version   string // of a query API
	target    string // before the action of a JSON API
	namespace string
	actions   map[string]func(*request) (any, *apiError)
}

func (v *service) json() bool { return v.target != "" }

// services are those of AWS that are answered.
func services() map[string]*service {
	return map[string]*service{
		"sts":            {name: "sts", version: "2011-06-15", namespace: "https://sts.amazonaws.com/doc/2011-06-15/", actions: stsActions},
		"iam":            {name: "iam", version: "2010-05-08", namespace: "https://iam.amazonaws.com/doc/2010-05-08/", actions: iamActions},
		"secretsmanager": {name: "secretsmanager", target: "secretsmanager", actions: secretActions},
		"ssm":            {name: "ssm", target: "AmazonSSM", actions: parameterActions},
	}
}

var known = services()

// serve answers one request: read, trip, fault, deed, answer, record.
func (s *Server) serve(w http.ResponseWriter, h *http.Request) {
	defer func() {
		if p := recover(); p != nil {
			if p != http.ErrAbortHandler { //nolint:errorlint // it is the value itself
				s.t.Errorf("awstest: panic in %s %s: %v\n%s", h.Method, h.URL.Path, p, debug.Stack())
			}
			panic(http.ErrAbortHandler)
		}
	}()
	body, err := io.ReadAll(io.LimitReader(h.Body, maxBody+1))
	if err != nil {
		panic(http.ErrAbortHandler) // the client is gone
	}
	r := &request{Server: s, http: h, body: body}
	s.mu.Lock()
	r.id = requestID(s)
	inject := s.fault
	s.mu.Unlock()
	refusal := r.read()
	s.trip(h, body)
	call := r.call()
	var fault Fault
	if inject != nil {
		fault = inject(call)
	}
	var result any
	if !fault.skipsDeed() {
		result, refusal, call.Signer = r.deed(refusal)
		call.Done = refusal == nil
	} else {
		refusal = &apiError{fault.Status, fault.Code, fault.Message}
	}
	// Known before Then, which may end the one who asked.
	s.record(call, fault, refusal)
	if fault.Then != nil {
		fault.Then()
	}
	if fault.answers() {
		s.misbehave(w, r, fault)
		return
	}
	r.answer(w, result, refusal)
}

// requestID looks like AWS's.
func requestID(s *Server) string {
	h := rulestest.Text(s.rand, rulestest.HexAlphabet, 32)
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}

var (
	keyIDs   = regexp.MustCompile(`(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}`)
	accounts = regexp.MustCompile(`arn(?::|%3A)aws[a-z-]*(?::|%3A)(?:iam|sts)(?::|%3A){2}([0-9]{12})`)
)

// trip fails the test when a request has to do with a planted key, whatever it
// asks: whoever planted it is told of every use.
func (s *Server) trip(h *http.Request, body []byte) {
	text := h.URL.RawQuery + "\n" + string(body)
	for _, values := range h.Header {
		text += "\n" + strings.Join(values, "\n")
	}
	for _, id := range keyIDs.FindAllString(text, -1) {
		if account, ok := rules.Account(id); ok {
			s.tripAccount(account)
		}
	}
	for _, m := range accounts.FindAllStringSubmatch(text, -1) {
		s.tripAccount(m[1])
	}
}

func (s *Server) tripAccount(account string) {
	if _, canary := rules.Canary(account); canary {
		s.t.Errorf("awstest: a request names a key of canary account %s", account)
	}
}

// read takes the request apart, as far as that needs no world.
func (r *request) read() *apiError {
	if len(r.body) > maxBody {
		return fail(http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "Request entity too large")
	}
	sig, refusal := parseSignature(r.http)
	if sig != nil {
		r.sig, r.region = sig, sig.region
		r.service = known[sig.service]
	}
	target, isJSON := r.http.Header["X-Amz-Target"]
	if isJSON {
		prefix, action, _ := strings.Cut(target[0], ".")
		r.action = action
		for _, v := range known {
			if v.target == prefix && r.service == nil && refusal == nil {
				return mismatch("Credential should be scoped to correct service: '%s'.", v.name)
			}
		}
		return cmpOr(refusal, r.readJSON(prefix))
	}
	return cmpOr(refusal, r.readForm())
}

func cmpOr(a, b *apiError) *apiError {
	if a != nil {
		return a
	}
	return b
}

func (r *request) readForm() *apiError {
	form := r.http.URL.Query()
	if r.http.Method == http.MethodPost {
		if kind, _, _ := strings.Cut(r.http.Header.Get("Content-Type"), ";"); kind != "application/x-www-form-urlencoded" {
			return fail(http.StatusBadRequest, "InvalidAction", "Unsupported content type %q", kind)
		}
		posted, err := url.ParseQuery(string(r.body))
		if err != nil {
			return fail(http.StatusBadRequest, "MalformedQueryString", "The query string contains a syntax error.")
		}
		for name, values := range posted {
			form[name] = append(form[name], values...)
		}
	} else if r.http.Method != http.MethodGet {
		return fail(http.StatusMethodNotAllowed, "InvalidAction", "Unsupported method")
	}
	r.form, r.action = form, form.Get("Action")
	for name, values := range form {
		if len(values) != 1 {
			return invalid("Duplicated parameter %s", name)
		}
	}
	if r.http.URL.Path != "/" {
		return fail(http.StatusNotFound, "InvalidAction", "There is nothing at this path")
	}
	if r.service != nil && (r.service.json() || r.form.Get("Version") != r.service.version || r.service.actions[r.action] == nil) {
		return fail(http.StatusBadRequest, "InvalidAction", "Could not find operation %s for version %s", r.action, r.form.Get("Version"))
	}
	return nil
}

func (r *request) readJSON(prefix string) *apiError {
	unknown := fail(http.StatusBadRequest, "InvalidAction", "The operation is not known.")
	if r.http.Method != http.MethodPost || r.http.URL.Path != "/" || r.http.Header.Get("Content-Type") != "application/x-amz-json-1.1" {
		return unknown
	}
	d := json.NewDecoder(bytes.NewReader(r.body))
	d.UseNumber()
	if err := d.Decode(&r.input); err != nil || r.input == nil {
		return fail(http.StatusBadRequest, "SerializationException", "The request is no JSON object")
	}
	if r.service != nil && (r.service.target != prefix || r.service.actions[r.action] == nil) {
		return unknown
	}
	return nil
}

// deed authenticates the request and does what it asks.
func (r *request) deed(refusal *apiError) (result any, _ *apiError, signer string) {
	s := r.Server
	s.mu.Lock()
	defer s.mu.Unlock()
	r.now = s.clock.Now()
	r.moment = r.now.Add(-s.options.Delay)
	// A request that cannot be read is still refused for its signature first:
	// who may not ask is told nothing else.
	if r.sig == nil {
		return nil, refusal, ""
	}
	c, err := r.authenticate()
	if err != nil {
		return nil, err, ""
	}
	r.caller = c
	if refusal != nil {
		return nil, refusal, c.arn
	}
	r.note()
	result, refusal = r.service.actions[r.action](r)
	if !r.judged && refusal == nil {
		s.t.Errorf("awstest: %s was done without asking for permission", r.action)
	}
	return result, refusal, c.arn
}

// call is what the request looks like from outside, before it is believed.
func (r *request) call() Call {
	c := Call{Action: r.action, Region: r.region, At: r.clock.Now(), Params: map[string]string{}, RequestID: r.id}
	if r.sig != nil {
		c.Service, c.KeyID = r.sig.service, r.sig.keyID
	}
	for name := range r.form {
		if name != "Action" && name != "Version" && !strings.HasPrefix(name, "X-Amz-") {
			c.Params[name] = r.form.Get(name)
		}
	}
	for name, value := range r.input {
		if text, ok := value.(string); ok {
			c.Params[name] = text
		} else {
			b, _ := json.Marshal(value)
			c.Params[name] = string(b)
		}
	}
	for _, name := range []string{"Password", "NewPassword", "OldPassword", "TokenCode", "SecretString", "SecretBinary", "Value"} {
		if _, ok := c.Params[name]; ok {
			c.Params[name] = "***"
		}
	}
	return c
}

// param is one parameter of a query request.
func (r *request) param(name string) string { return r.form.Get(name) }

// members are the values of a list parameter: name.member.1, name.member.2, …
func (r *request) members(name string) (list []string) {
	for i := 1; ; i++ {
		key := fmt.Sprintf("%s.member.%d", name, i)
		if !r.form.Has(key) {
			return list
		}
		list = append(list, r.form.Get(key))
	}
}

// oneOf checks an enumeration.
func (r *request) oneOf(name string, values ...string) (string, *apiError) {
	v := r.param(name)
	if !slices.Contains(values, v) {
		return "", invalid("1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must satisfy enum value set: [%s]",
			v, strings.ToLower(name[:1])+name[1:], strings.Join(values, ", "))
	}
	return v, nil
}
