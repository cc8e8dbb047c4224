package store

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/keyquench/keyquench/internal/awsapi"
	"github.com/keyquench/keyquench/rules"
)

// callTimeout is for one call. AWS answers in tenths of a second; its own clients
// give up after a minute, which a person with a leaked key does not have.
const callTimeout = 15 * time.Second

// pauses are the times between tries. They add up to less than a minute with all
// calls timed out but give a throttled service time.
var pauses = []time.Duration{200 * time.Millisecond, time.Second, 3 * time.Second}

// caller makes calls, more than once if that may help.
type caller struct {
	timeout time.Duration
	sleep   func(context.Context, time.Duration) error
	read    func(error) problem
}

func newCaller(o Options, read func(error) problem) caller {
	c := caller{timeout: o.Timeout, sleep: o.Sleep, read: read}
	if c.timeout <= 0 {
		c.timeout = callTimeout
	}
	if c.sleep == nil {
		c.sleep = awsapi.Sleep
	}
	return c
}

// do makes a call until it goes well or no further try can help. landed reads
// back whether a call that failed was carried out all the same; nil is for calls
// that only read. sent is what no message may repeat. The error is a *callError.
func (c caller) do(ctx context.Context, sent rules.Secret, call func(context.Context) error, landed func(context.Context) (bool, error)) error {
	for i := 0; ; i++ {
		err := c.once(ctx, call)
		if err == nil {
			return nil
		}
		p := c.read(err)
		if landed != nil && !p.refused {
			// Also when ctx has ended: the answer decides what is left behind.
			var ok bool
			if c.once(context.WithoutCancel(ctx), func(ctx context.Context) (err error) {
				ok, err = landed(ctx)
				return err
			}) == nil && ok {
				return nil
			}
		}
		if ctx.Err() != nil {
			return newCallError(p, ctx.Err(), sent)
		}
		if i == len(pauses) || !p.again || c.sleep(ctx, pauses[i]) != nil {
			return newCallError(p, err, sent)
		}
	}
}

func (c caller) once(ctx context.Context, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	return call(ctx)
}

// get makes a call that only reads.
func get[T any](ctx context.Context, c caller, call func(context.Context) (T, error)) (out T, err error) {
	err = c.do(ctx, rules.Secret{}, func(ctx context.Context) (err error) {
		out, err = call(ctx)
		return err
	}, nil)
	return out, err
}

// awsProblem reads an error of AWS's SDK.
func awsProblem(err error) problem {
	f := awsapi.Failed(err)
	p := problem{text: f.String(), again: f.Again(), refused: f.Denied() || f.Missing(), missing: f.Missing()}
	switch {
	case f.Denied():
		p.hint = "give the operator's own credentials the right to it, and to its KMS key"
	case f.Status == 0:
		p.hint = "see whether AWS can be reached from here and the operator's credentials are set: keyquench doctor"
	}
	return p
}

// awsParts are what every client of AWS is made of here: nothing of the
// environment, and no tries but ours.
func awsParts(spec, region string, o Options) (aws.Config, error) {
	switch {
	case o.Credentials == nil:
		return aws.Config{}, specError(spec, "no AWS credentials to write it with", "name a profile of the account that holds it")
	case region == "":
		return aws.Config{}, specError(spec, "no region", "give its ARN, or name the region")
	case !regionForm.MatchString(region):
		return aws.Config{}, specError(spec, "that is no region: "+awsapi.Clean(region, 40), "write it as in eu-central-1")
	}
	client, err := o.Reach.Client()
	if err != nil {
		return aws.Config{}, specError(spec, err.Error(), "")
	}
	return aws.Config{
		Region: region, Credentials: o.Credentials, HTTPClient: client, BaseEndpoint: o.Reach.BaseEndpoint(),
		Retryer: func() aws.Retryer { return aws.NopRetryer{} },
	}, nil
}
