package main

import (
	"fmt"
	"strings"

	"github.com/keyquench/keyquench/internal/awsapi"
	"github.com/keyquench/keyquench/internal/verify"
	"github.com/spf13/pflag"
)

// awsFlags say how AWS is reached. No variable of the environment does.
type awsFlags struct {
	endpoint, proxy string
	partitions      []string
}

func (f *awsFlags) add(s *pflag.FlagSet) {
	s.StringVar(&f.endpoint, "aws-endpoint", "", "ask the emulator at `URL` in the place of AWS")
	s.StringVar(&f.proxy, "aws-proxy", "", "reach AWS through the proxy at `URL`; no variable names one")
	s.StringArrayVar(&f.partitions, "partition", nil, "ask only in partition `NAME`: "+strings.Join(partitionNames(), ", ")+"; may be repeated")
}

func partitionNames() (names []string) {
	for _, p := range awsapi.Partitions() {
		names = append(names, p.Name)
	}
	return names
}

// given is one of the flags that was, or "".
func (f *awsFlags) given() string {
	switch {
	case f.endpoint != "":
		return "--aws-endpoint"
	case f.proxy != "":
		return "--aws-proxy"
	case len(f.partitions) > 0:
		return "--partition"
	}
	return ""
}

// reach is the way to AWS that the flags mean.
func (f *awsFlags) reach() (awsapi.Reach, error) {
	r := awsapi.Reach{Endpoint: f.endpoint}
	if err := r.Check(); err != nil {
		return r, usageError{fmt.Sprintf("--aws-endpoint: %v", err), "--aws-endpoint http://127.0.0.1:5000, or leave it out to ask AWS"}
	}
	r.Proxy = f.proxy
	if err := r.Check(); err != nil {
		return r, usageError{fmt.Sprintf("--aws-proxy: %v", err), "--aws-proxy http://proxy.example:3128"}
	}
	return r, nil
}

// checker makes what asks about keys.
func (p *program) checker(f *awsFlags) (*verify.Checker, error) {
	reach, err := f.reach()
	if err != nil {
		return nil, err
	}
	for _, name := range f.partitions {
		if _, err := awsapi.PartitionNamed(name); err != nil {
			return nil, usageError{fmt.Sprintf("--partition: %v", err), "leave it out to ask everywhere"}
		}
	}
	return verify.New(verify.Options{Reach: reach, Now: p.now, Sleep: p.sleep, Partitions: f.partitions})
}
