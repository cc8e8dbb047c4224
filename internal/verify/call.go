package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/keyquench/keyquench/internal/awsapi"
	"github.com/keyquench/keyquench/rules"
)

// call asks one partition once. Whoever calls it has the turn of the key ID.
func (c *Checker) call(ctx context.Context, lane *lane, key rules.Key, p awsapi.Partition) Answer {
	a := Answer{Partition: p.Name, Endpoint: c.reach.Host("sts", p.STS, p.Domain)}
	if err := c.pace.wait(ctx); err != nil {
		a.At, a.Message = c.now(), "not asked: "+awsapi.Clean(err.Error(), maxMessage)
		return a
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.timeout, errTimeout)
	defer cancel()
	w := &witness{client: c.client}
	api := sts.New(sts.Options{
		Region: p.STS, BaseEndpoint: c.reach.BaseEndpoint(), HTTPClient: w, Retryer: aws.NopRetryer{},
		Credentials: leaked(key), HTTPSignerV4: punctual{v4.NewSigner(), c.signingTime}, DisableClockSkewCorrection: true,
	})
	out, err := api.GetCallerIdentity(ctx, nil)
	a.At = c.now()
	lane.last = a.At
	a.read(w, out, err, key)
	if err != nil && a.Status == 0 && errors.Is(context.Cause(ctx), errTimeout) {
		a.Message = fmt.Sprintf("no answer within %v", c.timeout)
	}
	return a
}

var errTimeout = errors.New("no answer in time")

// leaked gives the SDK the key that is asked about, and only that.
func leaked(key rules.Key) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{
			AccessKeyID: key.ID, SecretAccessKey: key.Secret.Reveal(), SessionToken: key.Token.Reveal(), Source: "leaked key",
		}, nil
	})
}

// punctual signs for the time that its own clock says.
type punctual struct {
	signer sts.HTTPSignerV4
	now    func() time.Time
}

// SignHTTP implements sts.HTTPSignerV4.
func (s punctual) SignHTTP(ctx context.Context, credentials aws.Credentials, r *http.Request, payloadHash, service, region string, _ time.Time, optFns ...func(*v4.SignerOptions)) error {
	return s.signer.SignHTTP(ctx, credentials, r, payloadHash, service, region, s.now(), optFns...)
}

// witness keeps what a server answered, of which the SDK tells only a part. The
// body is bounded by awsapi's client.
type witness struct {
	client *http.Client
	status int
	header http.Header
	body   []byte
}

// Do implements sts.HTTPClient.
func (w *witness) Do(req *http.Request) (*http.Response, error) {
	resp, err := w.client.Do(req)
	if err != nil {
		return nil, err
	}
	w.body, err = io.ReadAll(resp.Body)
	_ = resp.Body.Close() // what was to be read of it has been
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	w.status, w.header = resp.StatusCode, resp.Header
	resp.Body = io.NopCloser(bytes.NewReader(w.body))
	return resp, nil
}
