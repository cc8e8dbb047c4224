package respond

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/middleware"
	"github.com/keyquench/keyquench/internal/awsapi"
	"github.com/keyquench/keyquench/rules"

	"github.com/keyquench/keyquench/internal/form"
)

// Actors are those who may act, in the order in which they are tried: the role,
// the profile, whoever runs the program, and the leaked key itself.
type Actors struct {
	// Operator are the credentials of whoever runs the program, or nil. They
	// assume the role; without role and profile they act themselves.
	Operator aws.CredentialsProvider
	// Role is the name, with its path, of the role in each account that may act.
	Role       string
	ExternalID string
	// Profile names a profile, for the record, and ProfileCredentials are its own.
	Profile            string
	ProfileCredentials aws.CredentialsProvider
	// Self lets the leaked key turn itself off. AWS's quarantine takes that right
	// from it about a minute after a push, so it comes last.
	Self bool
}

var (
	roleName   = form.New(`^(/?([A-Za-z0-9_+=,.@-]+/)*)[A-Za-z0-9_+=,.@-]{1,64}$`)
	externalID = form.New(`^[A-Za-z0-9_+=,.@:/-]+$`)
)

func (a Actors) check() error {
	if a.Role != "" && !roleName.MatchString(a.Role) {
		return fmt.Errorf("role %q is no role's name: the name alone, with its path if it has one", a.Role)
	}
	if a.ExternalID != "" && (len(a.ExternalID) < 2 || len(a.ExternalID) > 1224 || !externalID.MatchString(a.ExternalID)) {
		return fmt.Errorf("external ID: want 2 to 1224 letters, digits or any of _+=,.@:/-")
	}
	return nil
}

// any are some credentials of the operator, or nil.
func (a Actors) any() aws.CredentialsProvider {
	if a.Operator != nil {
		return a.Operator
	}
	return a.ProfileCredentials
}

// session is somebody who acts in one account.
type session struct {
	how       string // for people: who acts
	arn       string
	self      bool // the leaked key
	account   string
	partition awsapi.Partition
	iam       *iam.Client
	skew      time.Duration // of AWS's clock, seen from this machine
	patient   func(context.Context, func() error) error
}

// opener makes a session, or says why not.
type opener struct {
	how  string
	open func(context.Context) (*session, error)
}

// openers are the actors that may act on a key, in order.
func (r *Responder) openers(t Target, p place) (list []opener) {
	a := r.Actors
	if base := a.any(); a.Role != "" && base != nil {
		arn := "arn:" + p.partition.Name + ":iam::" + p.account + ":role/" + trimSlash(a.Role)
		list = append(list, opener{"role " + arn, func(ctx context.Context) (*session, error) { return r.assume(ctx, base, arn, p) }})
	}
	if a.ProfileCredentials != nil {
		how := "profile " + a.Profile
		list = append(list, opener{how, func(ctx context.Context) (*session, error) { return r.direct(ctx, how, a.ProfileCredentials, t, p) }})
	}
	if a.Operator != nil && a.Role == "" && a.ProfileCredentials == nil {
		const how = "your own credentials"
		list = append(list, opener{how, func(ctx context.Context) (*session, error) { return r.direct(ctx, how, a.Operator, t, p) }})
	}
	if a.Self && !t.Key.Secret.IsZero() && !p.assumed { // it cannot look in which account it is
		list = append(list, opener{"the leaked key itself", func(context.Context) (*session, error) { return r.leaked(t.Key, p) }})
	}
	return list
}

func trimSlash(s string) string {
	if s != "" && s[0] == '/' {
		return s[1:]
	}
	return s
}

// sts makes a client of a partition's STS.
func (r *Responder) sts(c aws.CredentialsProvider, p awsapi.Partition) (*sts.Client, error) {
	client, err := r.client()
	if err != nil {
		return nil, err
	}
	return sts.New(sts.Options{
		Region: p.STS, BaseEndpoint: r.Reach.BaseEndpoint(), Credentials: c, HTTPClient: client, Retryer: aws.NopRetryer{},
	}), nil
}

// client is shared by all sessions, and with it the connections.
func (r *Responder) client() (_ *http.Client, err error) {
	if r.http == nil {
		if r.http, err = r.Reach.Client(); err == nil {
			r.http.Timeout = r.Timeout
		}
	}
	return r.http, err
}

// roleSeconds is how long an assumed role lasts: the least that STS gives.
const roleSeconds = 900

// assume takes the responder role of an account.
func (r *Responder) assume(ctx context.Context, base aws.CredentialsProvider, arn string, p place) (*session, error) {
	client, err := r.sts(base, p.partition)
	if err != nil {
		return nil, err
	}
	in := &sts.AssumeRoleInput{RoleArn: &arn, RoleSessionName: aws.String("keyquench"), DurationSeconds: aws.Int32(roleSeconds)}
	if r.Actors.ExternalID != "" {
		in.ExternalId = &r.Actors.ExternalID
	}
	var out *sts.AssumeRoleOutput
	if err = r.patient(ctx, func() (err error) {
		out, err = client.AssumeRole(ctx, in)
		return err
	}); err != nil {
		return nil, failure("sts:AssumeRole", err)
	}
	c := out.Credentials
	if c == nil || out.AssumedRoleUser == nil {
		return nil, fmt.Errorf("sts:AssumeRole: the answer has no credentials")
	}
	s, err := r.session("role "+arn, credentials.NewStaticCredentialsProvider(aws.ToString(c.AccessKeyId), aws.ToString(c.SecretAccessKey), aws.ToString(c.SessionToken)), p)
	if err != nil {
		return nil, err
	}
	s.arn, s.skew = aws.ToString(out.AssumedRoleUser.Arn), r.skewIn(out.ResultMetadata)
	return s, nil
}

// direct takes credentials as they are, if they belong to the account.
func (r *Responder) direct(ctx context.Context, how string, c aws.CredentialsProvider, t Target, p place) (*session, error) {
	if own, err := c.Retrieve(ctx); err == nil && own.AccessKeyID == t.ID {
		return nil, &Error{"it is the leaked key itself", "--self with its secret lets it turn itself off; or act by another", nil}
	}
	client, err := r.sts(c, p.partition)
	if err != nil {
		return nil, err
	}
	var out *sts.GetCallerIdentityOutput
	if err = r.patient(ctx, func() (err error) {
		out, err = client.GetCallerIdentity(ctx, nil)
		return err
	}); err != nil {
		return nil, failure("sts:GetCallerIdentity", err)
	}
	if got := aws.ToString(out.Account); got != p.account {
		return nil, fmt.Errorf("it belongs to account %s, the key to %s", awsapi.Clean(got, 12), p.account)
	}
	s, err := r.session(how, c, p)
	if err != nil {
		return nil, err
	}
	s.arn, s.skew = aws.ToString(out.Arn), r.skewIn(out.ResultMetadata)
	return s, nil
}

// whoIs is the ARN of whom credentials belong to.
func (r *Responder) whoIs(ctx context.Context, c aws.CredentialsProvider, p awsapi.Partition) (arn string, err error) {
	client, err := r.sts(c, p)
	if err != nil {
		return "", err
	}
	err = r.patient(ctx, func() error {
		out, err := client.GetCallerIdentity(ctx, nil)
		if err == nil {
			arn = awsapi.Clean(aws.ToString(out.Arn), 300)
		}
		return err
	})
	if err != nil {
		return "", failure("sts:GetCallerIdentity", err)
	}
	if arn == "" {
		return "", fmt.Errorf("sts:GetCallerIdentity: the answer names nobody")
	}
	return arn, nil
}

// leaked lets the leaked key act for itself.
func (r *Responder) leaked(k rules.Key, p place) (*session, error) {
	client, err := r.client()
	if err != nil {
		return nil, err
	}
	own := *client
	own.Transport = covered{client.Transport, k}
	s := r.sessionBy(&own, "the leaked key itself", selfCredentials(k), p)
	s.self = true
	return s, nil
}

// covered keeps the key's secret out of what a server answers, for it may quote
// what it was sent: error texts are shown and recorded.
type covered struct {
	next http.RoundTripper
	key  rules.Key
}

// RoundTrip implements http.RoundTripper.
func (c covered) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := c.next.RoundTrip(req)
	if err != nil || resp.StatusCode < http.StatusBadRequest {
		return resp, err
	}
	body, err := io.ReadAll(resp.Body) // bounded below
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(strings.NewReader(rules.Cover(string(body), c.key.Secret, c.key.Token)))
	return resp, nil
}

// selfCredentials are the leaked key's. It is the only place where its secret
// serves to change something.
func selfCredentials(k rules.Key) aws.CredentialsProvider {
	return credentials.NewStaticCredentialsProvider(k.ID, k.Secret.Reveal(), k.Token.Reveal())
}

func (r *Responder) session(how string, c aws.CredentialsProvider, p place) (*session, error) {
	client, err := r.client()
	if err != nil {
		return nil, err
	}
	return r.sessionBy(client, how, c, p), nil
}

func (r *Responder) sessionBy(client *http.Client, how string, c aws.CredentialsProvider, p place) *session {
	return &session{
		how: how, account: p.account, partition: p.partition, patient: r.patient,
		iam: iam.New(iam.Options{
			Region: p.partition.IAM, BaseEndpoint: r.Reach.BaseEndpoint(), Credentials: c, HTTPClient: client, Retryer: aws.NopRetryer{},
		}),
	}
}

// skewIn is how far AWS's clock is ahead of this machine's.
func (r *Responder) skewIn(m middleware.Metadata) time.Duration {
	at, ok := awsmiddleware.GetServerTime(m)
	if !ok || at.IsZero() {
		return 0
	}
	return at.Sub(r.Now())
}

// How often a call is tried that got no answer or was told to come back, and how
// long is waited behind the first time. It doubles: 0.2 to 3.2 s, 6 s in all.
const (
	tries     = 6
	firstWait = 200 * time.Millisecond
)

// patient calls f until it goes well or it makes no sense to try again.
func (r *Responder) patient(ctx context.Context, f func() error) error {
	wait := firstWait
	for try := 1; ; try++ {
		err := f()
		if err == nil || try == tries || ctx.Err() != nil || !again(err) {
			return err
		}
		if r.Sleep(ctx, wait) != nil {
			return err
		}
		wait *= 2
	}
}

// again tells whether the same call may do better: later, by AWS's clock, or where
// a success could not be read.
func again(err error) bool {
	f := failed(err)
	return f.Again() || f.Skewed() || f.Status > 0 && f.Status < http.StatusMultipleChoices
}
