package rules_test

import (
	"strings"
	"testing"

	"github.com/keyquench/keyquench/rules/rulestest"
)

// A key ID in a signed request is told apart, one in a list of settings is not.
func TestSignedRequestsAreToldApart(t *testing.T) {
	r := rulestest.Rand(80)
	for text, want := range map[string]bool{
		"https://b.s3.amazonaws.com/k?X-Amz-Credential=ID%2F20200101%2Feu-west-1%2Fs3%2Faws4_request&X-Amz-Signature=00": true,
		"Authorization: AWS4-HMAC-SHA256 Credential=ID/20200101/eu-west-1/s3/aws4_request, Signature=00":                 true,
		`{"url": "https://b.s3.amazonaws.com/k?x=1\u0026AWSAccessKeyId=ID\u0026Expires=1\u0026Signature=xx%3D"}`:         true,
		"<a href='http://b.s3.amazonaws.com/k?AWSAccessKeyId=ID&amp;Expires=1&amp;Signature=xx%3D'>":                     true,
		"AWSAccessKeyId=ID\n":                false, // the file that AWS hands out
		"aws_access_key_id = ID\n":           false,
		"see ID/2020\n":                      false,
		"ID/202001011\n":                     false,
		"?AWSAccessKeyId = ID":               false,
		"path ID/20200101x/eu-west-1/s3/aws": false,
	} {
		id := rulestest.KeyID(r, "AKIA")
		m := keyOf(t, strings.Replace(text, "ID", id, 1), id)
		if m.Signed != want {
			t.Errorf("%q is signed: %t, want %t", text, m.Signed, want)
		}
	}
	id, secret := rulestest.KeyID(r, "AKIA"), rulestest.Secret(r)
	if m := keyOf(t, "x?AWSAccessKeyId="+id+"&secret="+secret, id); m.Signed || m.Key.Secret.IsZero() {
		t.Error("a key with its secret passes for a signed request")
	}
}
