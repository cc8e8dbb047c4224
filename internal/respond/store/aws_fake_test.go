package store

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// A fault is what goes wrong with one call.
type fault int

const (
	fine      fault = iota
	refuse          // the deed is not done, and the answer says so
	fail            // the deed is not done, and the answer is a 500
	failAfter       // the deed is done, and the answer is a 500
	cut             // the connection ends before the deed
	cutAfter        // the connection ends after the deed
	mute            // the deed is done, and no answer ever comes
	garbage         // the deed is done, and the answer makes no sense
	echo            // the deed is not done, and the answer repeats the request
)

var faultNames = []string{"fine", "refuse", "fail", "failAfter", "cut", "cutAfter", "mute", "garbage", "echo"}

func (f fault) String() string { return faultNames[f] }

// flaky decides which calls go wrong, and lets them.
type flaky struct {
	mu    sync.Mutex
	fault func(call string, n int) fault
	calls []string
}

func (f *flaky) serve(w http.ResponseWriter, r *http.Request, call, body string, deed func(http.ResponseWriter)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, call)
	what := fine
	if f.fault != nil {
		what = f.fault(call, len(f.calls))
	}
	rec := httptest.NewRecorder()
	if what == fine || what == failAfter || what == cutAfter || what == mute || what == garbage {
		deed(rec)
	}
	switch what {
	case fine:
		maps.Copy(w.Header(), rec.Header())
		w.WriteHeader(rec.Code)
		_, _ = w.Write(rec.Body.Bytes())
	case refuse:
		w.Header().Set("X-Amzn-ErrorType", "AccessDeniedException")
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `{"__type":"AccessDeniedException","message":"not \u001b[31mallowed"}`)
	case fail, failAfter:
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprint(w, `{"__type":"InternalServiceError","message":"sorry"}`)
	case mute:
		f.mu.Unlock()
		<-r.Context().Done() // the client gives up
		f.mu.Lock()
		panic(http.ErrAbortHandler)
	case echo:
		w.Header().Set("X-Amzn-ErrorType", "ValidationException")
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]any{"__type": "ValidationException", "message": "bad: " + body + r.Header.Get("Authorization")})
	case garbage:
		fmt.Fprint(w, "<html>[[{")
	default:
		panic(http.ErrAbortHandler)
	}
}

// reset forgets faults and calls.
func (f *flaky) reset(fault func(string, int) fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault, f.calls = fault, nil
}

func (f *flaky) called() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

// fakeAWS has one secret and some parameters. It keeps AWS's rules for stages of
// versions and for what PutParameter does to what it is not told.
type fakeAWS struct {
	flaky
	url string

	versions   map[string]string   // of the secret, by ID
	stages     map[string][]string // of each version
	describe   map[string]any      // more of what DescribeSecret says
	parameters map[string][]fakeParameter
}

type fakeParameter struct {
	Value, Type, KeyID, Tier, Description, AllowedPattern, DataType string
	Policies                                                        []string
}

type refusal struct{ code, message string }

func newFakeAWS(t *testing.T) *fakeAWS {
	f := &fakeAWS{versions: map[string]string{}, stages: map[string][]string{}, parameters: map[string][]fakeParameter{}}
	srv := httptest.NewServer(http.HandlerFunc(f.handle))
	t.Cleanup(srv.Close)
	f.url = srv.URL
	return f
}

const secretARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:prod/app-AbCdEf"

func (f *fakeAWS) handle(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	in := map[string]any{}
	_ = json.Unmarshal(body, &in)
	_, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	f.serve(w, r, action, string(body), func(w http.ResponseWriter) {
		out, bad := f.act(action, in)
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		if bad != nil {
			w.Header().Set("X-Amzn-ErrorType", bad.code)
			w.WriteHeader(http.StatusBadRequest)
			out = map[string]any{"__type": bad.code, "message": bad.message}
		}
		_ = json.NewEncoder(w).Encode(out)
	})
}

func (f *fakeAWS) act(action string, in map[string]any) (any, *refusal) {
	text := func(name string) string { s, _ := in[name].(string); return s }
	if id := text("SecretId"); id != "" && id != "prod/app" && id != secretARN {
		return nil, &refusal{"ResourceNotFoundException", "Secrets Manager can't find the specified secret."}
	}
	switch action {
	case "DescribeSecret":
		out := map[string]any{"ARN": secretARN, "Name": "prod/app", "VersionIdsToStages": f.stages}
		maps.Copy(out, f.describe)
		return out, nil
	case "GetSecretValue":
		return f.getSecret(text("VersionId"), text("VersionStage"))
	case "PutSecretValue":
		return f.putSecret(text("ClientRequestToken"), text("SecretString"), in["VersionStages"])
	case "UpdateSecretVersionStage":
		return f.moveStage(text("VersionStage"), text("MoveToVersionId"), text("RemoveFromVersionId"))
	case "GetParameter":
		return f.getParameter(text("Name"), in["WithDecryption"] == true)
	case "DescribeParameters":
		return f.describeParameters(in)
	case "PutParameter":
		return f.putParameter(in, text)
	case "DeleteParameter":
		if f.parameters[text("Name")] == nil {
			return nil, &refusal{"ParameterNotFound", ""}
		}
		delete(f.parameters, text("Name"))
		return map[string]any{}, nil
	}
	return nil, &refusal{"UnknownOperationException", action}
}

func (f *fakeAWS) at(stage string) string {
	for id, stages := range f.stages {
		if slices.Contains(stages, stage) {
			return id
		}
	}
	return ""
}

// stage moves a stage; "" is nowhere. Versions without stages stay, unlisted.
func (f *fakeAWS) stage(stage, to string) {
	if from := f.at(stage); from != "" {
		f.stages[from] = slices.DeleteFunc(slices.Clone(f.stages[from]), func(s string) bool { return s == stage })
		if len(f.stages[from]) == 0 {
			delete(f.stages, from)
		}
	}
	if to != "" {
		f.stages[to] = append(f.stages[to], stage)
	}
}

func (f *fakeAWS) getSecret(version, stage string) (any, *refusal) {
	if version == "" {
		version = f.at(stage)
	}
	value, ok := f.versions[version]
	if !ok {
		return nil, &refusal{"ResourceNotFoundException", "Secrets Manager can't find the specified secret value for staging label"}
	}
	return map[string]any{"ARN": secretARN, "Name": "prod/app", "VersionId": version, "SecretString": value, "VersionStages": f.stages[version]}, nil
}

func (f *fakeAWS) putSecret(token, value string, stages any) (any, *refusal) {
	if len(token) < 32 || len(token) > 64 {
		return nil, &refusal{"InvalidParameterException", "ClientRequestToken"}
	}
	if old, ok := f.versions[token]; ok {
		if old != value {
			return nil, &refusal{"ResourceExistsException", "You can't use ClientRequestToken for another value"}
		}
		return map[string]any{"ARN": secretARN, "VersionId": token, "VersionStages": f.stages[token]}, nil
	}
	f.versions[token] = value
	list, _ := stages.([]any)
	for _, s := range list {
		f.stage(s.(string), token)
	}
	return map[string]any{"ARN": secretARN, "VersionId": token, "VersionStages": f.stages[token]}, nil
}

func (f *fakeAWS) moveStage(stage, to, from string) (any, *refusal) {
	at := f.at(stage)
	_, known := f.versions[to]
	switch {
	case to != "" && !known:
		return nil, &refusal{"ResourceNotFoundException", "no such version"}
	case at != from && at != "" && at != to, from != "" && at != from:
		return nil, &refusal{"InvalidParameterException", fmt.Sprintf("The parameter RemoveFromVersionId must be %q", at)}
	case stage == current && to == "":
		return nil, &refusal{"InvalidParameterException", "AWSCURRENT cannot be removed"}
	}
	f.stage(stage, to)
	if stage == current && from != "" && from != to {
		f.stage(previous, from)
	}
	return map[string]any{"ARN": secretARN}, nil
}

func (f *fakeAWS) getParameter(name string, decrypt bool) (any, *refusal) {
	name, number, _ := strings.Cut(name, ":")
	list := f.parameters[name]
	n := len(list)
	if number != "" {
		n, _ = strconv.Atoi(number)
	}
	if n < 1 || n > len(list) {
		return nil, &refusal{"ParameterNotFound", ""}
	}
	p := list[n-1]
	if p.Type == "SecureString" && !decrypt {
		p.Value = "AQICAHg"
	}
	return map[string]any{"Parameter": map[string]any{"Name": name, "Value": p.Value, "Version": n, "Type": p.Type}}, nil
}

func (f *fakeAWS) describeParameters(in map[string]any) (any, *refusal) {
	if in["NextToken"] != "2" { // the first page is empty, as happens
		return map[string]any{"Parameters": []any{}, "NextToken": "2"}, nil
	}
	filter := in["ParameterFilters"].([]any)[0].(map[string]any)
	name := filter["Values"].([]any)[0].(string)
	var out []any
	if list := f.parameters[name]; filter["Key"] == "Name" && len(list) > 0 {
		p := list[len(list)-1]
		var policies []any
		for _, text := range p.Policies {
			policies = append(policies, map[string]any{"PolicyText": text})
		}
		out = append(out, map[string]any{
			"Name": name, "Version": len(list), "Type": p.Type, "KeyId": p.KeyID, "Tier": p.Tier, "Description": p.Description,
			"AllowedPattern": p.AllowedPattern, "DataType": p.DataType, "Policies": policies,
		})
	}
	return map[string]any{"Parameters": out}, nil
}

func (f *fakeAWS) putParameter(in map[string]any, text func(string) string) (any, *refusal) {
	list := f.parameters[text("Name")]
	if len(list) > 0 && in["Overwrite"] != true {
		return nil, &refusal{"ParameterAlreadyExists", ""}
	}
	p := fakeParameter{
		Value: text("Value"), Type: text("Type"), KeyID: text("KeyId"), Tier: text("Tier"), Description: text("Description"),
		AllowedPattern: text("AllowedPattern"), DataType: text("DataType"),
	}
	var policies []json.RawMessage
	_ = json.Unmarshal([]byte(text("Policies")), &policies)
	for _, raw := range policies {
		p.Policies = append(p.Policies, string(raw))
	}
	if p.KeyID == "" && p.Type == "SecureString" {
		p.KeyID = "alias/aws/ssm"
	}
	f.parameters[text("Name")] = append(list, p)
	return map[string]any{"Version": len(list) + 1}, nil
}
