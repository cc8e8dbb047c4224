// Package awsapi is how AWS is reached: partitions, endpoints, and a client that
// obeys no environment.
//
// AWS's SDK lets variables and profiles name endpoints, proxies and certificates.
// A program that decides over somebody's key must not be told by a hostile
// process who answers for AWS, so nothing here reads the environment. Another
// endpoint or a proxy is only what the operator wrote by hand.
package awsapi

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Partition is one of the separate worlds that AWS consists of. A key exists in
// one of them and is unknown in all others.
type Partition struct {
	Name   string // as in ARNs: "aws"
	STS    string // region whose STS is asked
	IAM    string // region that IAM's requests are signed for
	Domain string // of its endpoints
}

// partitions are in the order in which they are asked: by how many keys they have.
var partitions = []Partition{
	{"aws", "us-east-1", "us-east-1", "amazonaws.com"},
	{"aws-cn", "cn-northwest-1", "cn-north-1", "amazonaws.com.cn"},
	{"aws-us-gov", "us-gov-west-1", "us-gov-west-1", "amazonaws.com"},
	{"aws-eusc", "eusc-de-east-1", "eusc-de-east-1", "amazonaws.eu"},
}

// Partitions gives all partitions, in the order in which to ask them.
func Partitions() []Partition { return slices.Clone(partitions) }

// PartitionNamed finds a partition by its name.
func PartitionNamed(name string) (Partition, error) {
	for _, p := range partitions {
		if p.Name == name {
			return p, nil
		}
	}
	var names []string
	for _, p := range partitions {
		names = append(names, p.Name)
	}
	return Partition{}, fmt.Errorf("no partition %q: there are %s", name, strings.Join(names, ", "))
}

// Reach says by which way AWS is reached. The zero value is AWS itself, directly.
type Reach struct {
	// Endpoint is the address of an emulator that answers for all services and
	// regions: http only on loopback, since what is sent to it holds session
	// tokens, and what it answers new keys.
	Endpoint string
	// Proxy is an HTTP proxy to go through.
	Proxy string
}

// Times after which an answer is not waited for any more. A whole call is bounded
// by its context.
const (
	dialTimeout   = 5 * time.Second
	headerTimeout = 15 * time.Second
	idleTimeout   = 30 * time.Second
)

// Check tells whether the addresses can be used.
func (r Reach) Check() error {
	if r.Endpoint != "" {
		if err := checkURL(r.Endpoint); err != nil {
			return fmt.Errorf("endpoint: %w", err)
		}
	}
	if r.Proxy != "" {
		if u, err := url.Parse(r.Proxy); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "socks5" {
			return errors.New("proxy: want http://HOST:PORT, https://HOST:PORT or socks5://HOST:PORT")
		}
	}
	return nil
}

func checkURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("want https://HOST[:PORT], or http:// on this machine")
	}
	switch {
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && Loopback(u.Hostname()):
		return nil
	}
	return fmt.Errorf("%s://%s is not encrypted and not on this machine: use https", u.Scheme, u.Host)
}

// Loopback tells whether a host is this machine.
func Loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// BaseEndpoint is what goes into the options of a service's client: nil leaves
// the choice to the SDK's own table of regions.
func (r Reach) BaseEndpoint() *string {
	if r.Endpoint == "" {
		return nil
	}
	return new(strings.TrimSuffix(r.Endpoint, "/"))
}

// Host names who is asked, for a report.
func (r Reach) Host(service, region, domain string) string {
	if u, err := url.Parse(r.Endpoint); err == nil && r.Endpoint != "" {
		return u.Host
	}
	return service + "." + region + "." + domain
}

// Client makes a client for AWS's services: no redirects, no proxy but the one
// named, no environment. It may be used by many goroutines and should be shared.
func (r Reach) Client() (*http.Client, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	t := &http.Transport{
		DialContext:            (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    dialTimeout,
		ResponseHeaderTimeout:  headerTimeout,
		IdleConnTimeout:        idleTimeout,
		MaxIdleConnsPerHost:    8,
		MaxResponseHeaderBytes: 64 << 10,
		ForceAttemptHTTP2:      true,
	}
	if r.Proxy != "" {
		u, err := url.Parse(r.Proxy)
		if err != nil {
			return nil, errors.New("proxy: not an address")
		}
		t.Proxy = http.ProxyURL(u)
	}
	return &http.Client{
		Transport:     bounded{t},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// Sleep waits for a time or for the end of ctx. It is what programs give where
// tests give a clock of their own.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
