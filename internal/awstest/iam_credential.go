package awstest

import (
	"slices"
)

// findByID is the item with the ID, nil for none.
func findByID[T any](items []*T, id string, idOf func(*T) string) *T {
	if i := slices.IndexFunc(items, func(t *T) bool { return idOf(t) == id }); i >= 0 {
		return items[i]
	}
	return nil
}

func serviceID(c *ServiceCredential) string { return c.ID }

func attachmentID(a *attachment) string { return a.id }

type wireServiceCredential struct {
	UserName                    string
	Status                      keyStatus
	ServiceUserName             string `xml:",omitempty"`
	ServiceCredentialAlias      string `xml:",omitempty"`
	CreateDate                  stamp
	ExpirationDate              *stamp `xml:",omitempty"`
	ServiceSpecificCredentialID string `xml:"ServiceSpecificCredentialId"`
	ServiceName                 string
}

func (c *ServiceCredential) wire() wireServiceCredential {
	w := wireServiceCredential{
		UserName: c.user.name, Status: c.status, CreateDate: stamp(c.created),
		ServiceSpecificCredentialID: c.ID, ServiceName: c.Service,
	}
	if c.Service == Bedrock {
		w.ServiceCredentialAlias = c.UserName
	} else {
		w.ServiceUserName = c.UserName
	}
	if !c.expires.IsZero() {
		t := stamp(c.expires)
		w.ExpirationDate = &t
	}
	return w
}

func listServiceSpecificCredentials(r *request) (any, *apiError) {
	var all []*ServiceCredential
	if r.param("AllUsers") == "true" {
		if r.form.Has("UserName") {
			return nil, invalid("UserName and AllUsers cannot be given together")
		}
		if err := r.authorize(r.caller.account.iamARN("user/*"), nil); err != nil {
			return nil, err
		}
		for _, u := range r.caller.account.users {
			all = append(all, u.services...)
		}
	} else {
		u, err := r.user(false, nil)
		if err != nil {
			return nil, err
		}
		all = u.services
	}
	if name := r.param("ServiceName"); name != "" {
		all = slices.DeleteFunc(slices.Clone(all), func(c *ServiceCredential) bool { return c.Service != name })
	}
	found, end, err := list(r, all, serviceID)
	if err != nil {
		return nil, err
	}
	out := struct {
		ServiceSpecificCredentials []wireServiceCredential `xml:"ServiceSpecificCredentials>member"`
		page
	}{page: end}
	for _, c := range found {
		out.ServiceSpecificCredentials = append(out.ServiceSpecificCredentials, c.wire())
	}
	return out, nil
}

func (r *request) serviceCredential() (*User, *ServiceCredential, *apiError) {
	u, err := r.user(false, nil)
	if err != nil {
		return nil, nil, err
	}
	id := r.param("ServiceSpecificCredentialId")
	c := findByID(u.services, id, serviceID)
	if c == nil {
		return nil, nil, notFound("No such credential %s exists", id)
	}
	return u, c, nil
}

func updateServiceSpecificCredential(r *request) (any, *apiError) {
	status, err := r.oneOf("Status", "Active", "Inactive")
	if err != nil {
		return nil, err
	}
	_, c, err := r.serviceCredential()
	if err != nil {
		return nil, err
	}
	c.status = keyStatus(status)
	return nil, nil
}

func deleteServiceSpecificCredential(r *request) (any, *apiError) {
	u, c, err := r.serviceCredential()
	if err != nil {
		return nil, err
	}
	u.services = slices.DeleteFunc(u.services, func(o *ServiceCredential) bool { return o == c })
	return nil, nil
}

func listSSHPublicKeys(r *request) (any, *apiError) {
	u, err := r.user(false, nil)
	if err != nil {
		return nil, err
	}
	found, end, err := list(r, u.sshKeys, attachmentID)
	if err != nil {
		return nil, err
	}
	type wire struct {
		UserName       string
		SSHPublicKeyID string `xml:"SSHPublicKeyId"`
		Status         keyStatus
		UploadDate     stamp
	}
	out := struct {
		SSHPublicKeys []wire `xml:"SSHPublicKeys>member"`
		page
	}{page: end}
	for _, k := range found {
		out.SSHPublicKeys = append(out.SSHPublicKeys, wire{u.name, k.id, k.status, stamp(k.created)})
	}
	return out, nil
}

func updateSSHPublicKey(r *request) (any, *apiError) {
	status, err := r.oneOf("Status", "Active", "Inactive")
	if err != nil {
		return nil, err
	}
	if !r.form.Has("UserName") {
		return nil, missing("userName")
	}
	u, err := r.user(true, nil)
	if err != nil {
		return nil, err
	}
	id := r.param("SSHPublicKeyId")
	k := findByID(u.sshKeys, id, attachmentID)
	if k == nil {
		return nil, notFound("The Public Key with id %s cannot be found.", id)
	}
	k.status = keyStatus(status)
	return nil, nil
}

func listSigningCertificates(r *request) (any, *apiError) {
	u, err := r.user(false, nil)
	if err != nil {
		return nil, err
	}
	found, end, err := list(r, u.certs, attachmentID)
	if err != nil {
		return nil, err
	}
	type wire struct {
		UserName        string `xml:",omitempty"`
		CertificateID   string `xml:"CertificateId"`
		CertificateBody string
		Status          keyStatus
		UploadDate      stamp
	}
	out := struct {
		Certificates []wire `xml:"Certificates>member"`
		page
	}{page: end}
	for _, c := range found {
		out.Certificates = append(out.Certificates, wire{u.name, c.id, c.body, c.status, stamp(c.created)})
	}
	return out, nil
}

func updateSigningCertificate(r *request) (any, *apiError) {
	status, err := r.oneOf("Status", "Active", "Inactive")
	if err != nil {
		return nil, err
	}
	u, err := r.user(false, nil)
	if err != nil {
		return nil, err
	}
	id := r.param("CertificateId")
	c := findByID(u.certs, id, attachmentID)
	if c == nil {
		return nil, notFound("The Certificate with id %s cannot be found.", id)
	}
	c.status = keyStatus(status)
	return nil, nil
}

func listMFADevices(r *request) (any, *apiError) {
	u, err := r.user(false, nil)
	if err != nil {
		return nil, err
	}
	found, end, err := list(r, u.mfa, func(m *mfaDevice) string { return m.serial })
	if err != nil {
		return nil, err
	}
	type wire struct {
		UserName     string `xml:",omitempty"`
		SerialNumber string
		EnableDate   stamp
	}
	out := struct {
		MFADevices []wire `xml:"MFADevices>member"`
		page
	}{page: end}
	for _, m := range found {
		out.MFADevices = append(out.MFADevices, wire{u.name, m.serial, stamp(m.created)})
	}
	return out, nil
}
