package awstest

import (
	"net/http"
	"slices"
	"time"
)

type wireKey struct {
	UserName        string `xml:",omitempty"`
	AccessKeyID     string `xml:"AccessKeyId"`
	Status          keyStatus
	SecretAccessKey *open `xml:",omitempty"`
	CreateDate      stamp
}

func (k *accessKey) wire() wireKey {
	return wireKey{UserName: k.user.name, AccessKeyID: k.id, Status: k.status.last(), CreateDate: stamp(k.created)}
}

func createAccessKey(r *request) (any, *apiError) {
	u, err := r.user(true, nil)
	if err != nil {
		return nil, err
	}
	if len(u.keys) >= maxKeys {
		return nil, limit("Cannot exceed quota for AccessKeysPerUser: %d", maxKeys)
	}
	k := u.newKey(false)
	k.created = r.now
	k.status.set(r.now, active)
	wire := k.wire()
	wire.SecretAccessKey = &open{k.secret}
	return struct{ AccessKey wireKey }{wire}, nil
}

// ownKey is the key that the request names, of the user that it names.
func (r *request) ownKey() (*User, *accessKey, *apiError) {
	id := r.param("AccessKeyId")
	if !keyForm.MatchString(id) {
		return nil, nil, invalid("1 validation error detected: Value at 'accessKeyId' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w]+")
	}
	u, err := r.user(true, nil)
	if err != nil {
		return nil, nil, err
	}
	k := u.key(id)
	if k == nil {
		return nil, nil, notFound("The Access Key with id %s cannot be found.", id)
	}
	return u, k, nil
}

func updateAccessKey(r *request) (any, *apiError) {
	status, err := r.oneOf("Status", "Active", "Inactive")
	if err != nil {
		return nil, err
	}
	_, k, err := r.ownKey()
	if err != nil {
		return nil, err
	}
	k.status.set(r.now, keyStatus(status))
	return nil, nil
}

func deleteAccessKey(r *request) (any, *apiError) {
	u, k, err := r.ownKey()
	if err != nil {
		return nil, err
	}
	k.status.set(r.now, absent)
	u.keys = slices.DeleteFunc(u.keys, func(o *accessKey) bool { return o == k })
	return nil, nil
}

func listAccessKeys(r *request) (any, *apiError) {
	u, err := r.user(false, nil)
	if err != nil {
		return nil, err
	}
	keys, end, err := list(r, u.keys, func(k *accessKey) string { return k.id })
	if err != nil {
		return nil, err
	}
	out := struct {
		UserName          string    `xml:",omitempty"`
		AccessKeyMetadata []wireKey `xml:"AccessKeyMetadata>member"`
		page
	}{UserName: u.name, page: end}
	for _, k := range keys {
		out.AccessKeyMetadata = append(out.AccessKeyMetadata, k.wire())
	}
	return out, nil
}

// getAccessKeyLastUsed answers only for keys of the caller's own account: of
// others it does not even say whether they exist.
func getAccessKeyLastUsed(r *request) (any, *apiError) {
	id := r.param("AccessKeyId")
	if !keyForm.MatchString(id) {
		return nil, invalid("1 validation error detected: Value at 'accessKeyId' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w]+")
	}
	k := r.keys[id]
	if k == nil || k.user.account != r.caller.account || k.status.last() == absent {
		r.judged = true
		return nil, denied(r.caller.arn, "iam:GetAccessKeyLastUsed", "access key "+id, "")
	}
	if err := r.authorize(k.user.resource(), nil); err != nil {
		return nil, err
	}
	type use struct {
		LastUsedDate *stamp `xml:",omitempty"`
		ServiceName  string
		Region       string
	}
	last := use{nil, "N/A", "N/A"}
	if at := k.used.at; !at.IsZero() {
		t := stamp(at.Truncate(time.Second))
		last = use{&t, k.used.service, k.used.region}
	}
	return struct {
		UserName          string `xml:",omitempty"`
		AccessKeyLastUsed use
	}{k.user.name, last}, nil
}

// conflict is IAM's refusal to delete what still has parts.
func conflict(text string) *apiError {
	return &apiError{http.StatusConflict, "DeleteConflict", text}
}
