package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/keyquench/keyquench/internal/awsapi"
)

// findTime is how long the operator's credentials are looked for. The last place
// is the metadata of a virtual machine, which other machines wait for in vain.
const findTime = 4 * time.Second

// maxProfiles bounds the files that AWS's SDK reads whole: profiles have some
// lines each, and tokens some kilobytes.
const maxProfiles = 1 << 20

// ungoverned are the variables that would say who answers for AWS. The SDK reads
// them itself, past all options, when a profile assumes a role.
func ungoverned(name string) bool {
	switch name {
	case "AWS_CA_BUNDLE", "AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT":
		return true
	}
	return strings.HasPrefix(name, "AWS_ENDPOINT_URL")
}

// operator finds the credentials of whoever runs the program, as AWS's own
// programs do: variables, profiles, single sign-on, the machine's role. Only
// credentials are taken from there: no endpoint, no proxy, no certificates.
func (p *program) operator(ctx context.Context, profile string, reach awsapi.Reach) (aws.CredentialsProvider, error) {
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); ungoverned(name) {
			if err := os.Unsetenv(name); err != nil {
				return nil, fmt.Errorf("forget %s: %w", name, err)
			}
		}
	}
	if err := os.Setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true"); err != nil {
		return nil, err
	}
	if err := p.checkProfiles(); err != nil {
		return nil, err
	}
	options, err := loadOptions(profile, reach)
	if err != nil {
		return nil, err
	}
	found, err := search(ctx, findTime, func(ctx context.Context) (aws.CredentialsProvider, error) { return load(ctx, options) })
	switch {
	case err == nil:
		return found, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case p.namesCertificates(profile):
		return nil, hinted{errors.New("find your AWS credentials: ca_bundle in your profile is not obeyed: a file does not decide who may answer for AWS"), "take ca_bundle out of the profile, or name another: --profile NAME"}
	}
	return nil, hinted{fmt.Errorf("find your AWS credentials: %s", awsapi.Clean(err.Error(), 300)), "set up AWS credentials (aws configure, aws sso login), or name a profile: --profile NAME"}
}

// profileFiles are where AWS's programs look for profiles.
func (p *program) profileFiles() (config, credentials string) {
	if config = p.getenv("AWS_CONFIG_FILE"); config == "" {
		config = awsconfig.DefaultSharedConfigFilename()
	}
	return config, p.credentialsFile()
}

// checkProfiles refuses files that would keep the SDK reading for ever.
func (p *program) checkProfiles() error {
	config, credentials := p.profileFiles()
	for _, f := range []struct{ variable, name string }{
		{"AWS_CONFIG_FILE", config},
		{"AWS_SHARED_CREDENTIALS_FILE", credentials},
		{"AWS_WEB_IDENTITY_TOKEN_FILE", p.getenv("AWS_WEB_IDENTITY_TOKEN_FILE")},
		{"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", p.getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")},
	} {
		info, err := os.Stat(f.name)
		if f.name == "" || err != nil { // the SDK goes on without it, or says so
			continue
		}
		what := ""
		switch {
		case !info.Mode().IsRegular():
			what = "not a regular file"
		case info.Size() > maxProfiles:
			what = fmt.Sprintf("longer than %d bytes", maxProfiles)
		default:
			continue
		}
		return hinted{fmt.Errorf("find your AWS credentials: %q is %s", f.name, what), "name a file of profiles or a token with " + f.variable + ", or unset it"}
	}
	return nil
}

// namesCertificates tells whether the profile has a ca_bundle.
func (p *program) namesCertificates(profile string) bool {
	for _, name := range []string{p.getenv("AWS_PROFILE"), p.getenv("AWS_DEFAULT_PROFILE"), "default"} {
		if profile == "" {
			profile = name
		}
	}
	config, credentials := p.profileFiles()
	c, err := awsconfig.LoadSharedConfigProfile(context.Background(), profile, func(o *awsconfig.LoadSharedConfigOptions) {
		o.ConfigFiles, o.CredentialsFiles = []string{config}, []string{credentials}
	})
	return err == nil && c.CustomCABundle != ""
}

// loadOptions are for the SDK's search: every request of it goes the way that the
// operator named.
func loadOptions(profile string, reach awsapi.Reach) ([]func(*awsconfig.LoadOptions) error, error) {
	client, err := reach.Client()
	if err != nil {
		return nil, err
	}
	// The host of credentials of a container is not one of AWS.
	container := *client
	if reach.Endpoint != "" {
		to, err := url.Parse(reach.Endpoint)
		if err != nil {
			return nil, fmt.Errorf("endpoint: %w", err)
		}
		client.Transport = detour{to, client.Transport}
	}
	options := []func(*awsconfig.LoadOptions) error{
		awsconfig.WithHTTPClient(client), awsconfig.WithDefaultRegion("us-east-1"),
		awsconfig.WithUseFIPSEndpoint(aws.FIPSEndpointStateDisabled), awsconfig.WithUseDualStackEndpoint(aws.DualStackEndpointStateDisabled),
		awsconfig.WithEndpointCredentialOptions(func(o *endpointcreds.Options) { o.HTTPClient = &container }),
		awsconfig.WithAssumeRoleCredentialOptions(func(o *stscreds.AssumeRoleOptions) {
			// At its first call, for a check of the options, there is no client yet.
			if theirs, ok := o.Client.(*sts.Client); ok {
				o.Client = stsFor(o.RoleARN, theirs.Options().Credentials, client, reach)
			}
		}),
		awsconfig.WithWebIdentityRoleCredentialOptions(func(o *stscreds.WebIdentityRoleOptions) {
			o.Client = stsFor(o.RoleARN, nil, client, reach)
		}),
	}
	if profile != "" {
		options = append(options, awsconfig.WithSharedConfigProfile(profile))
	}
	return options, nil
}

// stsFor makes the client that assumes a profile's role. The SDK would make one of
// what variables and profiles say, which can be another region, or a name that is
// no region; here the role's partition decides.
func stsFor(role string, c aws.CredentialsProvider, client *http.Client, reach awsapi.Reach) *sts.Client {
	region := awsapi.Partitions()[0].STS
	if a, err := arn.Parse(role); err == nil {
		if p, err := awsapi.PartitionNamed(a.Partition); err == nil {
			region = p.STS
		}
	}
	return sts.New(sts.Options{
		Region: region, Credentials: c, HTTPClient: client, BaseEndpoint: reach.BaseEndpoint(), Retryer: aws.NopRetryer{},
	})
}

// detour sends what is meant for AWS to the emulator: the SDK's clients for single
// sign-on take no endpoint but one of the environment. The host stays as it was
// signed. Addresses of this machine and of its metadata stay as they are.
type detour struct {
	to   *url.URL
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (d detour) RoundTrip(req *http.Request) (*http.Response, error) {
	host := req.URL.Hostname()
	if _, err := netip.ParseAddr(host); err == nil || awsapi.Loopback(host) {
		return d.next.RoundTrip(req)
	}
	req = req.Clone(req.Context())
	if req.Host == "" {
		req.Host = req.URL.Host
	}
	req.URL.Scheme, req.URL.Host = d.to.Scheme, d.to.Host
	return d.next.RoundTrip(req)
}

// errSlow: the search took too long.
var errSlow = errors.New("they were not there in time: a credential_process or a network that does not answer")

// search runs find, and does not wait for it for longer than limit or than ctx
// lasts: a program that a profile names may leave children that hold its output
// open, for which the SDK waits. The search then ends with the process.
func search(ctx context.Context, limit time.Duration, find func(context.Context) (aws.CredentialsProvider, error)) (aws.CredentialsProvider, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errSlow)
	defer cancel()
	type result struct {
		c   aws.CredentialsProvider
		err error
	}
	done := make(chan result, 1)
	go func() {
		c, err := find(ctx)
		done <- result{c, err}
	}()
	select {
	case r := <-done:
		if r.err != nil && ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return r.c, r.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// load finds credentials. The SDK panics at some files of profiles that are wrong,
// such as one with a lone quotation mark.
func load(ctx context.Context, options []func(*awsconfig.LoadOptions) error) (_ aws.CredentialsProvider, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("a file of profiles cannot be read: look for quotation marks that are not closed")
		}
	}()
	c, err := awsconfig.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, err
	}
	if _, err := c.Credentials.Retrieve(ctx); err != nil {
		return nil, err
	}
	return c.Credentials, nil
}
