package awstest

import (
	"encoding/xml"
	"fmt"
	"maps"
	"slices"
	"strings"
)

func listAccountAliases(r *request) (any, *apiError) {
	if err := r.authorize("*", nil); err != nil {
		return nil, err
	}
	out := struct {
		AccountAliases []string `xml:"AccountAliases>member"`
		page
	}{}
	if alias := r.caller.account.alias; alias != "" {
		out.AccountAliases = []string{alias}
	}
	return out, nil
}

func listGroupsForUser(r *request) (any, *apiError) {
	if !r.form.Has("UserName") {
		return nil, missing("userName")
	}
	u, err := r.user(true, nil)
	if err != nil {
		return nil, err
	}
	groups, end, err := list(r, u.groups.last(), func(g *Group) string { return g.name })
	if err != nil {
		return nil, err
	}
	type wire struct {
		Path, GroupName string
		GroupID         string `xml:"GroupId"`
		Arn             string
		CreateDate      stamp
	}
	out := struct {
		Groups []wire `xml:"Groups>member"`
		page
	}{page: end}
	for _, g := range groups {
		out.Groups = append(out.Groups, wire{g.path, g.name, g.id, g.account.iamARN("group" + g.path + g.name), stamp(g.created)})
	}
	return out, nil
}

// summary is IAM's map from names to numbers.
type summary map[string]int

// MarshalXML writes entries of key and value, in the order of the keys.
func (s summary) MarshalXML(e *xml.Encoder, start xml.StartElement) error {
	type entry struct {
		Key   string `xml:"key"`
		Value int    `xml:"value"`
	}
	var out struct {
		Entries []entry `xml:"entry"`
	}
	for _, key := range slices.Sorted(maps.Keys(s)) {
		out.Entries = append(out.Entries, entry{key, s[key]})
	}
	if err := e.EncodeElement(out, start); err != nil {
		return fmt.Errorf("write a map: %w", err)
	}
	return nil
}

func getAccountSummary(r *request) (any, *apiError) {
	if err := r.authorize("*", nil); err != nil {
		return nil, err
	}
	a := r.caller.account
	mfa := 0
	for _, u := range a.users {
		mfa += len(u.mfa)
	}
	return struct{ SummaryMap summary }{summary{
		"AccessKeysPerUserQuota":       maxKeys,
		"AccountAccessKeysPresent":     min(1, len(a.root.keys)),
		"AccountMFAEnabled":            min(1, len(a.root.mfa)),
		"AccountPasswordPresent":       1,
		"AttachedPoliciesPerUserQuota": maxAttached,
		"Groups":                       len(a.groups),
		"MFADevices":                   mfa + len(a.root.mfa),
		"Policies":                     len(a.managed),
		"Roles":                        len(a.roles),
		"Users":                        len(a.users),
	}}, nil
}

// deleteUser deletes only a user that has nothing any more.
func deleteUser(r *request) (any, *apiError) {
	if !r.form.Has("UserName") {
		return nil, missing("userName")
	}
	u, err := r.user(true, nil)
	if err != nil {
		return nil, err
	}
	g := u.grants.last()
	switch {
	case len(u.keys) > 0:
		return nil, conflict("Cannot delete entity, must delete access keys first.")
	case u.login != nil:
		return nil, conflict("Cannot delete entity, must delete login profile first.")
	case len(g.inline) > 0:
		return nil, conflict("Cannot delete entity, must delete policies first.")
	case len(g.attached) > 0:
		return nil, conflict("Cannot delete entity, must detach all policies first.")
	case len(u.groups.last()) > 0:
		return nil, conflict("Cannot delete entity, must remove users from group first.")
	case len(u.services)+len(u.sshKeys)+len(u.certs)+len(u.mfa) > 0:
		return nil, conflict("Cannot delete entity, must delete its credentials first.")
	}
	u.gone.set(r.now, true)
	delete(u.account.users, strings.ToLower(u.name))
	return nil, nil
}
