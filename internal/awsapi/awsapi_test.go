package awsapi

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

func TestCheck(t *testing.T) {
	for text, ok := range map[string]bool{
		"":                          true,
		"http://127.0.0.1:5000":     true,
		"http://[::1]:5000/":        true,
		"http://localhost:1":        true,
		"https://emulator.test":     true,
		"http://emulator.test":      false,
		"http://127.0.0.1.test:80":  false,
		"127.0.0.1:5000":            false,
		"ftp://127.0.0.1":           false,
		"http://a:b@127.0.0.1":      false,
		"http://127.0.0.1/?x=1":     false,
		"http://localhost.evil.net": false,
	} {
		if err := (Reach{Endpoint: text}).Check(); (err == nil) != ok {
			t.Errorf("Check(%q) = %v, want ok %v", text, err, ok)
		}
	}
	for text, ok := range map[string]bool{"http://p:3128": true, "socks5://p:1": true, "p:3128": false, "file:///x": false} {
		if err := (Reach{Proxy: text}).Check(); (err == nil) != ok {
			t.Errorf("Check(proxy %q) = %v, want ok %v", text, err, ok)
		}
	}
}

// Every partition has an endpoint of its own for what is asked of it.
func TestPartitionsHaveEndpoints(t *testing.T) {
	for _, p := range Partitions() {
		s, err := sts.NewDefaultEndpointResolverV2().ResolveEndpoint(t.Context(), sts.EndpointParameters{Region: aws.String(p.STS)})
		if err != nil || s.URI.Host != "sts."+p.STS+"."+p.Domain {
			t.Errorf("STS of %s is %v (%v)", p.Name, s.URI.Host, err)
		}
		i, err := iam.NewDefaultEndpointResolverV2().ResolveEndpoint(t.Context(), iam.EndpointParameters{Region: aws.String(p.IAM)})
		if err != nil || !strings.HasSuffix(i.URI.Host, p.Domain) || !strings.HasPrefix(i.URI.Host, "iam.") {
			t.Errorf("IAM of %s is %v (%v)", p.Name, i.URI.Host, err)
		}
	}
}

// ask sends one request to a server that gives this answer.
func ask(t *testing.T, answer http.HandlerFunc) Failure {
	t.Helper()
	srv := httptest.NewServer(answer)
	t.Cleanup(srv.Close)
	r := Reach{Endpoint: srv.URL}
	client, err := r.Client()
	if err != nil {
		t.Fatal(err)
	}
	_, err = sts.New(sts.Options{
		Region: "us-east-1", BaseEndpoint: r.BaseEndpoint(), HTTPClient: client, Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", ""),
	}).GetCallerIdentity(context.Background(), nil)
	if err == nil {
		t.Fatal("the call went well, want a failure")
	}
	return Failed(err)
}

func reply(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func TestFailed(t *testing.T) {
	const wrapped = "<%s>%s<Error><Type>Sender</Type><Code>SignatureDoesNotMatch</Code><Message>we\x20calculated\n it</Message></Error>%s<%s>r-1</%s></%s>"
	for name, tt := range map[string]struct {
		status int
		body   string
		want   string
	}{
		"as STS":              {403, fmt.Sprintf(wrapped, "ErrorResponse", "", "", "RequestId", "RequestId", "ErrorResponse"), "SignatureDoesNotMatch: we calculated  it"},
		"as EC2":              {403, fmt.Sprintf(wrapped, "Response", "<Errors>", "</Errors>", "RequestID", "RequestID", "Response"), "SignatureDoesNotMatch: we calculated  it"},
		"nested, as moto":     {403, fmt.Sprintf(wrapped, "ErrorResponse", "<Errors>", "</Errors>", "RequestId", "RequestId", "ErrorResponse"), "SignatureDoesNotMatch: we calculated  it"},
		"no code":             {403, "<ErrorResponse><Error></Error></ErrorResponse>", "HTTP 403: "},
		"a page":              {503, "<html><body>Sorry</body></html>", "HTTP 503: "},
		"a redirect":          {302, "", "HTTP 302: "},
		"success that is not": {200, "<html></html>", "HTTP 200: "},
	} {
		got := ask(t, reply(tt.status, tt.body)).String()
		if !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: Failed = %q, want %q", name, got, tt.want)
		}
	}
	long := ask(t, reply(403, "<ErrorResponse><Error><Code>A</Code><Message>\x1b[31m"+strings.Repeat("é", 1000)+"</Message></Error></ErrorResponse>"))
	if len(long.String()) > maxMessage+20 || strings.Contains(long.String(), "\x1b") {
		t.Errorf("Failed = %q, want it cleaned and bounded", long)
	}
}

func TestFailuresWithoutAnswer(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"closed": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"endless": func(w http.ResponseWriter, _ *http.Request) {
			for range maxAnswer/1024 + 2 {
				_, _ = w.Write(make([]byte, 1024))
			}
		},
	} {
		if f := ask(t, answer); f.Status != 0 || !f.Again() || !strings.HasPrefix(f.String(), "no answer: ") {
			t.Errorf("%s: Failed = %+v, want no answer", name, f)
		}
	}
}

// No variable decides who answers for AWS.
func TestTheEnvironmentIsNotAsked(t *testing.T) {
	hostile := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("a request went to what the environment names")
	}))
	t.Cleanup(hostile.Close)
	for _, name := range []string{"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"} {
		t.Setenv(name, hostile.URL)
	}
	if f := ask(t, reply(400, "<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>")); !f.Throttled() {
		t.Errorf("Failed = %v, want what the named endpoint said", f)
	}
	client, err := (Reach{}).Client()
	if err != nil {
		t.Fatal(err)
	}
	if got := client.Transport.(bounded).next.(*http.Transport).Proxy; got != nil {
		t.Error("the client asks the environment for a proxy")
	}
}

func FuzzOneShape(f *testing.F) {
	f.Add([]byte("<Response><Errors><Error><Code>A</Code><Message>b</Message></Error></Errors><RequestID>c</RequestID></Response>"))
	f.Add([]byte("<ErrorResponse><Error><Code>A</Code></Error></ErrorResponse>"))
	f.Fuzz(func(t *testing.T, body []byte) {
		once := oneShape(body)
		if twice := oneShape(once); string(once) != string(twice) {
			t.Errorf("oneShape(%q) = %q, and again %q", body, once, twice)
		}
	})
}
