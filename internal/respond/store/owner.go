package store

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/keyquench/keyquench/internal/form"
)

// whoCall is by which call the account of the credentials is found out.
const whoCall = "sts:GetCallerIdentity"

// accountForm is the number of an account.
var accountForm = form.New(`^[0-9]{12}$`)

// owner is the account that a place of AWS's belongs to: the one that an ARN
// names, or that of the credentials, since a name alone is looked for there.
type owner struct {
	account string // of an ARN, or ""
	sts     *sts.Client
	calls   caller
}

// ask makes the client that asks whose the credentials are.
func (o *owner) ask(cfg aws.Config, c caller) {
	o.calls = c
	o.sts = sts.New(sts.Options{
		Region: cfg.Region, Credentials: cfg.Credentials, HTTPClient: cfg.HTTPClient,
		BaseEndpoint: cfg.BaseEndpoint, Retryer: aws.NopRetryer{},
	})
}

// accounts is the one account.
func (o *owner) accounts(ctx context.Context, spec string) ([]string, error) {
	if o.account != "" {
		return []string{o.account}, nil
	}
	const op, hint = "ask into which account it writes", "see whether your AWS credentials work: keyquench doctor"
	out, err := get(ctx, o.calls, func(ctx context.Context) (*sts.GetCallerIdentityOutput, error) {
		return o.sts.GetCallerIdentity(ctx, nil)
	})
	if err != nil {
		return nil, &Error{Store: spec, Op: op, Err: err, hint: hint}
	}
	account := aws.ToString(out.Account)
	if !accountForm.MatchString(account) {
		return nil, &Error{Store: spec, Op: op, Err: errors.New("the answer names no account"), hint: hint}
	}
	return []string{account}, nil
}
