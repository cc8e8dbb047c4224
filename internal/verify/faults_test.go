package verify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keyquench/keyquench/internal/awsapi"
	"github.com/keyquench/keyquench/internal/awstest"
	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/rules/rulestest"
)

// inRegion gives a fault to calls of one region.
func inRegion(region string, fault awstest.Fault) func(awstest.Call) awstest.Fault {
	return func(c awstest.Call) awstest.Fault {
		if c.Region == region {
			return fault
		}
		return awstest.Fault{}
	}
}

// A failure is never a state.
func TestFailuresDecideNothing(t *testing.T) {
	const page = "<html><body>Please log in to the network</body></html>"
	const refusal = "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidClientTokenId</Code><Message>The security token included in the request is invalid</Message></Error>%s</ErrorResponse>"
	const success = "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>%s</Arn><UserId>u</UserId><Account>%s</Account></GetCallerIdentityResult>%s</GetCallerIdentityResponse>"
	const meta, reqID = "<ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata>", "<RequestId>r-1</RequestId>"
	good := "arn:aws:iam::123456789012:user/u"
	hostile := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") }))
	t.Cleanup(hostile.Close)
	xml := func(status int, format string, args ...any) awstest.Fault {
		return awstest.Say(status, "text/xml", fmt.Sprintf(format, args...))
	}
	for name, tt := range map[string]struct {
		fault  awstest.Fault
		tries  int
		reason string
	}{
		"throttled":                  {awstest.Throttle(), tries, "Throttling: Rate exceeded"},
		"throttled by status":        {awstest.Refuse(429, "Odd", "slow"), tries, "Odd: slow"},
		"broken":                     {awstest.Broken(), tries, "InternalFailure"},
		"service unavailable":        {awstest.Say(503, "text/html", page), tries, "HTTP 503, and the answer does not have AWS's form"},
		"closed":                     {awstest.Lost(), tries, ""},
		"silent":                     {awstest.Silent(), tries, "no answer within 50ms"},
		"endless":                    {awstest.Huge(), tries, "over 4194304 bytes"},
		"a portal":                   {awstest.Say(200, "text/html", page), 1, "HTTP 200, and the answer does not have AWS's form"},
		"a portal that forbids":      {awstest.Say(403, "text/html", page), 1, "HTTP 403, and the answer does not have AWS's form"},
		"redirect":                   {awstest.Redirect(hostile.URL), 1, "HTTP 307"},
		"empty":                      {awstest.Say(200, "text/xml", " "), 1, "HTTP 200"},
		"empty refusal":              {awstest.Say(403, "text/xml", " "), 1, "HTTP 403"},
		"refusal without request ID": {xml(403, refusal, ""), 1, "HTTP 403"},
		"refusal as success":         {xml(200, refusal, reqID), 1, "HTTP 200"},
		"refusal as redirect":        {xml(302, refusal, reqID), 1, "HTTP 302"},
		"refusal in a page":          {xml(403, "<html>"+refusal+"</html>", reqID), 1, "HTTP 403"},
		"refusal as a page":          {xml(403, strings.ReplaceAll(refusal, "ErrorResponse", "html"), reqID), 1, "HTTP 403"},
		"refusal cut off":            {xml(403, strings.TrimSuffix(refusal, "</ErrorResponse>"), reqID), 1, "HTTP 403"},
		"success without request ID": {xml(200, success, good, "123456789012", ""), 1, "HTTP 200"},
		"success as a refusal":       {xml(403, success, good, "123456789012", meta), 1, "HTTP 403"},
		"success of nobody":          {xml(200, success, "", "", meta), 1, "the answer names nobody"},
		"no account in the ARN":      {xml(200, success, "arn:aws:iam::12345:user/u", "12345", meta), 1, "the answer names nobody"},
		"two accounts":               {xml(200, success, "arn:aws:iam::210987654321:user/u", "123456789012", meta), 1, "the answer does not fit itself"},
		"another partition":          {xml(200, success, "arn:aws-cn:iam::123456789012:user/u", "123456789012", meta), 1, "the answer does not fit the question"},
		"another account":            {xml(200, success, "arn:aws:iam::210987654321:user/u", "210987654321", meta), 1, "the answer does not fit the key"},
		"a role of IAM":              {xml(200, success, "arn:aws:iam::123456789012:assumed-role/r/s", "123456789012", meta), 1, "the answer names nobody"},
		"escapes in the ARN":         {xml(200, success, "arn:aws:iam::123456789012:user/&#x9b;31m", "123456789012", meta), 1, "the answer names nobody"},
		"VPC endpoint":               {awstest.Refuse(403, "AccessDenied", "no VPC endpoint policy allows the sts:GetCallerIdentity action"), 1, "the question was forbidden"},
		"denied by name":             {awstest.Refuse(403, "AccessDenied", "User: "+good+" is not authorized to perform: sts:GetCallerIdentity"), 1, "the question was forbidden"},
		"blocked on the way":         {awstest.Refuse(403, "AccessDenied", "Blocked by your administrator"), 1, "the question was forbidden, which says nothing of the key: AccessDenied: Blocked"},
		"denied with a reason":       {awstest.Refuse(403, "AccessDenied", "Access Denied: ask the network team"), 1, "the question was forbidden"},
		"an unknown code":            {awstest.Refuse(403, "SomethingNew", "\x1b[31mnew\u202e"), 1, "SomethingNew: [31mnew"},
		"incomplete signature":       {awstest.Refuse(400, "IncompleteSignature", "x"), 1, "IncompleteSignature"},
		"signature, no reason":       {awstest.Refuse(403, "SignatureDoesNotMatch", "Credential should be scoped to a valid region."), 1, "SignatureDoesNotMatch"},
		"expired, of a long key":     {awstest.Refuse(403, "ExpiredToken", "x"), 1, "ExpiredToken"},
	} {
		t.Run(name, func(t *testing.T) {
			timeout := 5 * time.Second
			if name == "silent" {
				timeout = 50 * time.Millisecond
			}
			aws, c := newWorld(t, awstest.Options{}, func(o *Options) { o.Partitions, o.Timeout = []string{"aws"}, timeout })
			key := aws.Account("aws", "123456789012").User("u").Key()
			aws.Inject(func(awstest.Call) awstest.Fault { return tt.fault })
			v := c.Check(t.Context(), key)
			if v.State != Unknown || len(v.Asked) != tt.tries || !strings.Contains(v.Reason, tt.reason) {
				t.Errorf("Check = %v (%s) by %d calls, want unknown (%s) by %d", v.State, v.Reason, len(v.Asked), tt.reason, tt.tries)
			}
			for _, a := range v.Asked {
				if a.Accepted() || a.Refused() {
					t.Errorf("the answer counts as one of AWS: %+v", a)
				}
			}
			told(t, v, key)
			// Nothing was decided, so that the next Check asks again.
			aws.Inject(nil)
			if v := c.Check(t.Context(), key); v.State != Live {
				t.Errorf("Check afterwards = %v (%s), want live", v.State, v.Reason)
			}
		})
	}
}

// A fault that passes is not noticed but in the evidence.
func TestPassingFaultsAreOutlived(t *testing.T) {
	for name, fault := range map[string]awstest.Fault{"throttled": awstest.Throttle(), "broken": awstest.Broken(), "closed": awstest.Lost()} {
		aws, c := newWorld(t, awstest.Options{})
		key := aws.Account("aws", "123456789012").User("u").Key()
		aws.Inject(awstest.First(tries-1, "", fault))
		before := aws.Clock().Now()
		v := c.Check(t.Context(), key)
		if v.State != Live || len(v.Asked) != tries {
			t.Errorf("%s: Check = %v (%s) by %d calls, want live by %d", name, v.State, v.Reason, len(v.Asked), tries)
		}
		if waited := aws.Clock().Now().Sub(before); waited < firstWait || waited > 4*firstWait {
			t.Errorf("%s: it waited %v between the calls", name, waited)
		}
	}
}

// Where one partition does not answer, a key can be live there.
func TestGoneNeedsEveryPartition(t *testing.T) {
	for _, region := range []string{"us-east-1", "cn-northwest-1", "us-gov-west-1", "eusc-de-east-1"} {
		aws, c := newWorld(t, awstest.Options{})
		u := aws.Account("aws", "123456789012").User("u")
		off, on := u.Key(), aws.Account("aws-eusc", "210987654321").User("u").Key()
		u.SetActive(off.ID, false)
		aws.Inject(inRegion(region, awstest.Lost()))
		v := c.Check(t.Context(), off)
		partition := map[string]string{"us-east-1": "aws", "cn-northwest-1": "aws-cn", "us-gov-west-1": "aws-us-gov", "eusc-de-east-1": "aws-eusc"}[region]
		if v.State != Unknown || !strings.HasPrefix(v.Reason, "not every partition could be asked: "+partition+": ") {
			t.Errorf("%s is silent: Check = %v (%s), want unknown, and that it was %s", region, v.State, v.Reason, partition)
		}
		if region == "eusc-de-east-1" {
			continue
		}
		if v := c.Check(t.Context(), on); v.State != Live || v.Partition != "aws-eusc" {
			t.Errorf("%s is silent: Check of a key elsewhere = %v (%s), want live", region, v.State, v.Reason)
		}
	}
}

// A failure in the second round leaves it open whose fault a wrong secret is.
func TestAWrongSecretThatCannotBeAskedAgain(t *testing.T) {
	aws, c := newWorld(t, awstest.Options{})
	key := aws.Account("aws", "123456789012").User("u").Key()
	for name, fault := range map[string]func(awstest.Call) awstest.Fault{
		"second round": awstest.Nth(3, awstest.Refuse(403, "Odd", "odd")),
		"first round":  awstest.Nth(2, awstest.Refuse(403, "Odd", "odd")),
		"deactivated":  awstest.Nth(3, awstest.Refuse(403, "InvalidClientTokenId", "x")),
	} {
		aws.Inject(fault)
		if v := c.Check(t.Context(), wrong(key, 1), wrong(key, 2)); v.State != Unknown || !strings.Contains(v.Reason, "AWS") {
			t.Errorf("%s: Check = %v (%s), want unknown", name, v.State, v.Reason)
		}
	}
}

// AWS documents inactive keys that fail with AccessDenied; then it gives no reason.
func TestAccessDeniedWithoutAReasonIsARefusal(t *testing.T) {
	aws, c := newWorld(t, awstest.Options{})
	for _, text := range []string{"", "Access Denied", "access denied.", "AccessDenied"} {
		key := aws.Account("aws", "123456789012").User("u").Key()
		aws.Account("aws", "123456789012").User("u").RemoveKey(key.ID)
		aws.Inject(func(awstest.Call) awstest.Fault { return awstest.Refuse(403, "AccessDenied", text) })
		if v := c.Check(t.Context(), key); v.State != Gone {
			t.Errorf("%q: Check = %v (%s), want gone", text, v.State, v.Reason)
		}
	}
}

func TestClocks(t *testing.T) {
	for _, tt := range []struct {
		off    time.Duration // of this machine's clock
		calls  int
		reason string
	}{
		{0, 1, ""},
		{30 * time.Second, 1, ""},
		{-2 * time.Minute, 1, "this machine's clock is 2m0s behind"},
		{3 * time.Minute, 1, "this machine's clock is 3m0s ahead"},
		{-7 * time.Minute, 2, "this machine's clock is 7m0s behind"},
		{7 * time.Minute, 2, "this machine's clock is 7m0s ahead"},
		{-400 * 24 * time.Hour, 2, "this machine's clock is 9600h0m0s behind"},
	} {
		aws, c := newWorld(t, awstest.Options{}, func(o *Options) {
			right := o.Now
			o.Now = func() time.Time { return right().Add(tt.off) }
		})
		user := aws.Account("aws", "123456789012").User("u")
		key, second := user.Key(), user.Key()
		if v := c.Check(t.Context(), key); v.State != Live || len(v.Asked) != tt.calls || v.Reason != tt.reason {
			t.Errorf("%v off: Check = %v (%q) by %d calls, want live (%q) by %d", tt.off, v.State, v.Reason, len(v.Asked), tt.reason, tt.calls)
		}
		// What was found out once holds for the next key.
		if v := c.Check(t.Context(), second); v.State != Live || len(v.Asked) != 1 || v.Reason != tt.reason {
			t.Errorf("%v off: the second Check = %v (%q) by %d calls, want live (%q) by 1", tt.off, v.State, v.Reason, len(v.Asked), tt.reason)
		}
	}
}

// A complaint about the time that the clocks do not explain is no verdict.
func TestAClockThatExplainsNothing(t *testing.T) {
	aws, c := newWorld(t, awstest.Options{})
	key := aws.Account("aws", "123456789012").User("u").Key()
	for _, f := range []awstest.Fault{
		awstest.Refuse(403, "SignatureDoesNotMatch", "Signature expired: 20261122T110000Z is now earlier than 20261122T115500Z"),
		awstest.Refuse(403, "SignatureDoesNotMatch", "Signature not yet current: 20261122T110000Z is still later than 20261122T100000Z"),
		awstest.Refuse(400, "RequestExpired", "Request has expired."),
	} {
		aws.Inject(func(awstest.Call) awstest.Fault { return f })
		v := c.Check(t.Context(), key)
		if v.State != Unknown || !strings.Contains(v.Reason, "did not believe the time of the request, though its clock and this machine's agree") || len(v.Asked) != 1 {
			t.Errorf("Check = %v (%s) by %d calls, want unknown and why", v.State, v.Reason, len(v.Asked))
		}
	}
}

// A server that answers with what it was sent gets nothing of it shown.
func TestEchoesAreMasked(t *testing.T) {
	aws, c := newWorld(t, awstest.Options{}, func(o *Options) { o.Partitions = []string{"aws"} })
	key := aws.Account("aws", "123456789012").Role("r", awstest.Trust("123456789012", "")).Session("s", time.Hour)
	for _, message := range []string{
		"you sent " + key.Token.Reveal(), "you sent " + key.Secret.Reveal(), strings.Repeat("x", 280) + key.Token.Reveal(),
		"we calculated. The Canonical String for this request should have been 'POST x-amz-security-token:" + key.Token.Reveal(),
		strings.Repeat("y", 150) + key.Secret.Reveal(),
		"you sent " + key.Token.Reveal()[40:60] + " and " + key.Secret.Reveal()[5:30],
	} {
		aws.Inject(func(awstest.Call) awstest.Fault { return awstest.Refuse(403, "Odd", message) })
		v := c.Check(t.Context(), key)
		text := fmt.Sprintf("%+v", v)
		for _, s := range []string{key.Token.Reveal(), key.Secret.Reveal()} {
			for i := 0; i+12 <= len(s); i++ {
				if strings.Contains(text, s[i:i+12]) {
					t.Fatal("the verdict tells a part of a secret")
				}
			}
		}
	}
}

// Nothing that a hostile environment names is asked, and no verdict changes.
func TestTheEnvironmentIsNotAsked(t *testing.T) {
	var asked atomic.Int64
	lie := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte("<ErrorResponse><Error><Code>InvalidClientTokenId</Code></Error><RequestId>r</RequestId></ErrorResponse>"))
	}))
	t.Cleanup(lie.Close)
	home := t.TempDir()
	profile := filepath.Join(home, ".aws", "config")
	if err := os.Mkdir(filepath.Dir(profile), 0o700); err != nil {
		t.Fatal(err)
	}
	text := "[default]\nregion = us-west-2\nendpoint_url = " + lie.URL + "\n[profile other]\nendpoint_url = " + lie.URL + "\n"
	if err := os.WriteFile(profile, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": lie.URL, "AWS_ENDPOINT_URL_STS": lie.URL, "AWS_CA_BUNDLE": profile, "AWS_PROFILE": "other", "HOME": home,
		"HTTP_PROXY": lie.URL, "HTTPS_PROXY": lie.URL, "ALL_PROXY": lie.URL, "http_proxy": lie.URL, "https_proxy": lie.URL, "NO_PROXY": "",
		"AWS_CONFIG_FILE": profile, "AWS_SHARED_CREDENTIALS_FILE": profile, "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
		"AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "AWS_SESSION_TOKEN": "x", "AWS_REGION": "eu-west-1",
		"AWS_DEFAULT_REGION": "eu-west-1", "AWS_USE_FIPS_ENDPOINT": "true", "AWS_USE_DUALSTACK_ENDPOINT": "true", "AWS_STS_REGIONAL_ENDPOINTS": "legacy",
		"AWS_MAX_ATTEMPTS": "9", "AWS_RETRY_MODE": "adaptive", "AWS_EC2_METADATA_SERVICE_ENDPOINT": lie.URL, "AWS_CONTAINER_CREDENTIALS_FULL_URI": lie.URL,
	} {
		t.Setenv(name, value)
	}
	aws, c := newWorld(t, awstest.Options{})
	u := aws.Account("aws", "123456789012").User("u")
	on, off := u.Key(), u.Key()
	u.SetActive(off.ID, false)
	for i, tt := range []struct {
		key  rules.Key
		want State
	}{{on, Live}, {off, Gone}, {wrong(on, 1), WrongSecret}} {
		if v := c.Check(t.Context(), tt.key); v.State != tt.want {
			t.Errorf("%d: Check = %v (%s), want %v", i, v.State, v.Reason, tt.want)
		}
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("%d requests went to what the environment names", n)
	}
}

// Without a named endpoint, AWS's own hosts are asked, each for its partition:
// through the proxy of the operator, which sees the names.
func TestWhoIsAsked(t *testing.T) {
	hosts := make(chan string, 100)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hosts <- r.Method + " " + r.Host
		w.WriteHeader(http.StatusBadGateway)
	}))
	t.Cleanup(proxy.Close)
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
	clock := awstest.NewClock(start)
	c, err := New(Options{Reach: awsapi.Reach{Proxy: proxy.URL}, Now: clock.Now, Sleep: clock.Sleep})
	if err != nil {
		t.Fatal(err)
	}
	r := rulestest.Rand(1)
	v := c.Check(t.Context(), rules.Key{ID: rulestest.KeyIDOf(r, "AKIA", 5), Secret: rules.NewSecret(rulestest.Secret(r))})
	if v.State != Unknown {
		t.Errorf("Check = %v (%s), want unknown", v.State, v.Reason)
	}
	close(hosts)
	got := map[string]int{}
	for h := range hosts {
		got[h]++
	}
	for i, host := range []string{
		"sts.us-east-1.amazonaws.com", "sts.cn-northwest-1.amazonaws.com.cn", "sts.us-gov-west-1.amazonaws.com", "sts.eusc-de-east-1.amazonaws.eu",
	} {
		if got["CONNECT "+host+":443"] != tries || v.Asked[i*tries].Endpoint != host {
			t.Errorf("the proxy saw %v, want CONNECT %s; the evidence says %s", got, host, v.Asked[i*tries].Endpoint)
		}
	}
}

func TestTheEndOfAContextIsUnknown(t *testing.T) {
	aws, c := newWorld(t, awstest.Options{})
	u := aws.Account("aws", "123456789012").User("u")
	key := u.Key()
	why := errors.New("it was enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	aws.Inject(func(awstest.Call) awstest.Fault {
		cancel(why)
		return awstest.Silent()
	})
	begun := time.Now()
	v := c.Check(ctx, key)
	if v.State != Unknown || !strings.Contains(v.Reason, why.Error()) || len(v.Asked) != 1 {
		t.Errorf("Check = %v (%s) by %d calls, want unknown, and %q", v.State, v.Reason, len(v.Asked), why)
	}
	if took := time.Since(begun); took > 3*time.Second {
		t.Errorf("Check took %v to end", took)
	}
	if v := c.Check(ctx, key); v.State != Unknown || !strings.Contains(v.Reason, why.Error()) {
		t.Errorf("Check after the end = %v (%s), want unknown", v.State, v.Reason)
	}
	// During the wait before a wrong secret is believed.
	aws.Inject(nil)
	ctx, cancel = context.WithCancelCause(t.Context())
	c.sleep = func(context.Context, time.Duration) error { cancel(why); return why }
	if v := c.Check(ctx, wrong(key, 1)); v.State != Unknown || !strings.Contains(v.Reason, why.Error()) {
		t.Errorf("Check = %v (%s), want unknown, and %q", v.State, v.Reason, why)
	}
}
