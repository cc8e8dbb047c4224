package awstest

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/keyquench/keyquench/rules"
	"github.com/keyquench/keyquench/rules/rulestest"
)

// secret is one of Secrets Manager's.
type secret struct {
	name, arn, kmsKey string
	created, changed  time.Time
	versions          map[string]*version
	deleted           time.Time // when it was marked for deletion
}

// version is one value of a secret. Stages are labels; a label is on one version
// at most.
type version struct {
	id      string
	value   rules.Secret
	binary  bool
	stages  []string
	created time.Time
}

// Stages that Secrets Manager itself moves.
const (
	current  = "AWSCURRENT"
	previous = "AWSPREVIOUS"
)

// Secret makes a secret in a region, or gives it a new current value, and returns
// its ARN.
func (a *Account) Secret(region, name, value string) string {
	s := a.s
	s.mu.Lock()
	defer s.mu.Unlock()
	sec := a.secrets[place{region, name}]
	if sec == nil {
		sec = a.newSecret(region, name)
	}
	v := &version{id: requestID(s), value: rules.NewSecret(value), created: s.clock.Now()}
	sec.versions[v.id] = v
	sec.move(current, v)
	return sec.arn
}

// SecretValue is the value that has the stage, "" for none.
func (a *Account) SecretValue(region, name, stage string) rules.Secret {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	if sec := a.secrets[place{region, name}]; sec != nil {
		if v := sec.at(stage); v != nil {
			return v.value
		}
	}
	return rules.Secret{}
}

// SecretVersions are the versions that a secret has, with their stages.
func (a *Account) SecretVersions(region, name string) map[string][]string {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	m := map[string][]string{}
	if sec := a.secrets[place{region, name}]; sec != nil {
		for id, v := range sec.versions {
			m[id] = slices.Clone(v.stages)
		}
	}
	return m
}

// MarkSecretDeleted schedules a secret for deletion: nothing can be done with it.
func (a *Account) MarkSecretDeleted(region, name string) {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	a.secrets[place{region, name}].deleted = a.s.clock.Now()
}

func (a *Account) newSecret(region, name string) *secret {
	suffix := rulestest.Text(a.s.rand, rulestest.LowerAlphabet, 6)
	sec := &secret{
		name: name, arn: arn{a.partition.name, "secretsmanager", region, a.number, "secret:" + name + "-" + suffix}.String(),
		created: a.s.clock.Now(), changed: a.s.clock.Now(), versions: map[string]*version{},
	}
	a.secrets[place{region, name}] = sec
	return sec
}

// at is the version that has the stage.
func (s *secret) at(stage string) *version {
	for _, v := range s.versions {
		if slices.Contains(v.stages, stage) {
			return v
		}
	}
	return nil
}

// move puts a stage on a version and takes it from where it was. What was
// current becomes previous.
func (s *secret) move(stage string, to *version) {
	from := s.at(stage)
	if from == to {
		return
	}
	if from != nil {
		from.unstage(stage)
	}
	if to != nil {
		to.stages = append(to.stages, stage)
		slices.Sort(to.stages)
	}
	if stage == current && from != nil {
		s.move(previous, from)
	}
}

func (v *version) unstage(stage string) {
	v.stages = slices.DeleteFunc(v.stages, func(s string) bool { return s == stage })
}

var secretActions = map[string]func(*request) (any, *apiError){
	"DescribeSecret":           describeSecret,
	"GetSecretValue":           getSecretValue,
	"PutSecretValue":           putSecretValue,
	"CreateSecret":             createSecret,
	"UpdateSecretVersionStage": updateSecretVersionStage,
	"DeleteSecret":             deleteSecret,
}

const (
	maxSecret     = 65536
	maxSecretName = 512
	maxStages     = 20
)

var (
	secretName = regexp.MustCompile(`^[A-Za-z0-9/_+=.@-]+$`)
	tokenForm  = regexp.MustCompile(`^[\x21-\x7e]{32,64}$`)
)

// secret finds the one that SecretId names, by its name, its ARN, or its ARN
// without the six random characters, in the region and account of the caller.
func (r *request) secret() (*secret, *apiError) {
	id := r.text("SecretId")
	if id == "" || len(id) > 2048 {
		return nil, badRequest("InvalidParameterException", "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!")
	}
	a := r.caller.account
	var found *secret
	for at, sec := range a.secrets {
		short := sec.arn[:len(sec.arn)-len("-xxxxxx")]
		if at.region == r.region && (id == sec.name || id == sec.arn || id == short) {
			found = sec
		}
	}
	resource := id
	switch {
	case found != nil:
		resource = found.arn
	case !strings.HasPrefix(id, "arn:"):
		resource = arn{a.partition.name, "secretsmanager", r.region, a.number, "secret:" + id + "-??????"}.String()
	}
	if err := r.authorize(resource, nil); err != nil {
		return nil, err
	}
	if found == nil {
		return nil, badRequest("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
	}
	if !found.deleted.IsZero() && r.action != "DescribeSecret" {
		return nil, badRequest("InvalidRequestException", "You can't perform this operation on the secret because it was marked for deletion.")
	}
	return found, nil
}

func describeSecret(r *request) (any, *apiError) {
	if err := r.only(map[string]string{"SecretId": "string"}); err != nil {
		return nil, err
	}
	sec, err := r.secret()
	if err != nil {
		return nil, err
	}
	stages := map[string][]string{}
	for id, v := range sec.versions {
		if len(v.stages) > 0 { // a version without one is not shown
			stages[id] = slices.Clone(v.stages)
		}
	}
	out := map[string]any{
		"ARN": sec.arn, "Name": sec.name, "CreatedDate": epoch(sec.created), "LastChangedDate": epoch(sec.changed),
		"VersionIdsToStages": stages, "Tags": []any{},
	}
	if sec.kmsKey != "" {
		out["KmsKeyId"] = sec.kmsKey
	}
	if !sec.deleted.IsZero() {
		out["DeletedDate"] = epoch(sec.deleted)
	}
	return out, nil
}

func getSecretValue(r *request) (any, *apiError) {
	if err := r.only(map[string]string{"SecretId": "string", "VersionId": "string", "VersionStage": "string"}); err != nil {
		return nil, err
	}
	sec, err := r.secret()
	if err != nil {
		return nil, err
	}
	id, stage := r.text("VersionId"), r.text("VersionStage")
	if id == "" && stage == "" {
		stage = current
	}
	v := sec.versions[id]
	if id == "" {
		v = sec.at(stage)
	}
	switch {
	case v == nil && id != "":
		return nil, badRequest("ResourceNotFoundException", "Secrets Manager can't find the specified secret value for VersionId: %s", id)
	case v == nil:
		return nil, badRequest("ResourceNotFoundException", "Secrets Manager can't find the specified secret value for staging label: %s", stage)
	case stage != "" && !slices.Contains(v.stages, stage):
		return nil, badRequest("InvalidRequestException", "You provided a VersionStage that is not associated to the provided VersionId.")
	}
	out := map[string]any{
		"ARN": sec.arn, "Name": sec.name, "VersionId": v.id, "VersionStages": slices.Clone(v.stages), "CreatedDate": epoch(v.created),
	}
	if v.binary {
		out["SecretBinary"] = v.value.Reveal()
	} else {
		out["SecretString"] = v.value.Reveal()
	}
	return out, nil
}

// value is the one that a request brings, with its token.
func (r *request) value(required bool) (v *version, _ *apiError) {
	text, binary := r.text("SecretString"), r.text("SecretBinary")
	if text != "" && binary != "" || required && text == "" && binary == "" {
		return nil, badRequest("InvalidParameterException", "You must provide either SecretString or SecretBinary.")
	}
	if len(text)+len(binary) > maxSecret {
		return nil, badRequest("ValidationException", "1 validation error detected: Value at 'secretString' failed to satisfy constraint: Member must have length less than or equal to %d", maxSecret)
	}
	token := r.text("ClientRequestToken")
	if !tokenForm.MatchString(token) {
		return nil, badRequest("InvalidParameterException", "ClientRequestToken must have 32 to 64 characters")
	}
	return &version{id: token, value: rules.NewSecret(text + binary), binary: binary != "", created: r.now}, nil
}

// putSecretValue adds a version. The same token with the same value does nothing
// more; with another value it is refused.
func putSecretValue(r *request) (any, *apiError) {
	if err := r.only(map[string]string{
		"SecretId": "string", "ClientRequestToken": "string", "SecretString": "string", "SecretBinary": "string", "VersionStages": "list",
	}); err != nil {
		return nil, err
	}
	v, err := r.value(true)
	if err != nil {
		return nil, err
	}
	stages := r.listed("VersionStages")
	if len(stages) > maxStages || r.input["VersionStages"] != nil && len(stages) == 0 {
		return nil, badRequest("ValidationException", "VersionStages must have between 1 and %d members", maxStages)
	}
	sec, err := r.secret()
	if err != nil {
		return nil, err
	}
	if old := sec.versions[v.id]; old != nil {
		if old.value != v.value || old.binary != v.binary {
			return nil, badRequest("ResourceExistsException", "You can't change the value of a version that already exists: %s", v.id)
		}
		v = old
	} else {
		if len(sec.versions) == 0 && !slices.Contains(stages, current) {
			stages = append(stages, current)
		}
		if len(stages) == 0 {
			stages = []string{current}
		}
		sec.versions[v.id] = v
		for _, stage := range stages {
			sec.move(stage, v)
		}
		sec.changed = r.now
	}
	return map[string]any{"ARN": sec.arn, "Name": sec.name, "VersionId": v.id, "VersionStages": slices.Clone(v.stages)}, nil
}

func createSecret(r *request) (any, *apiError) {
	if err := r.only(map[string]string{
		"Name": "string", "ClientRequestToken": "string", "SecretString": "string", "SecretBinary": "string",
		"Description": "string", "KmsKeyId": "string", "Tags": "list",
	}); err != nil {
		return nil, err
	}
	name, a := r.text("Name"), r.caller.account
	if !secretName.MatchString(name) || len(name) > maxSecretName {
		return nil, badRequest("InvalidParameterException", "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!")
	}
	v, err := r.value(false)
	if err != nil {
		return nil, err
	}
	if err := r.authorize(arn{a.partition.name, "secretsmanager", r.region, a.number, "secret:" + name + "-??????"}.String(), nil); err != nil {
		return nil, err
	}
	sec := a.secrets[place{r.region, name}]
	if sec != nil {
		// The same request again is answered as the first was.
		if old := sec.versions[v.id]; old == nil || old.value != v.value || !sec.deleted.IsZero() {
			return nil, badRequest("ResourceExistsException", "The operation failed because the secret %s already exists.", name)
		}
		return map[string]any{"ARN": sec.arn, "Name": sec.name, "VersionId": v.id}, nil
	}
	sec = a.newSecret(r.region, name)
	sec.kmsKey = r.text("KmsKeyId")
	out := map[string]any{"ARN": sec.arn, "Name": sec.name}
	if !v.value.IsZero() {
		sec.versions[v.id] = v
		sec.move(current, v)
		out["VersionId"] = v.id
	}
	return out, nil
}

func updateSecretVersionStage(r *request) (any, *apiError) {
	if err := r.only(map[string]string{
		"SecretId": "string", "VersionStage": "string", "MoveToVersionId": "string", "RemoveFromVersionId": "string",
	}); err != nil {
		return nil, err
	}
	sec, err := r.secret()
	if err != nil {
		return nil, err
	}
	stage, to, from := r.text("VersionStage"), r.text("MoveToVersionId"), r.text("RemoveFromVersionId")
	if stage == "" || len(stage) > 256 {
		return nil, badRequest("InvalidParameterException", "VersionStage must have between 1 and 256 characters")
	}
	for _, id := range []string{to, from} {
		if id != "" && sec.versions[id] == nil {
			return nil, badRequest("ResourceNotFoundException", "Secrets Manager can't find the specified secret value for VersionId: %s", id)
		}
	}
	at := sec.at(stage)
	switch {
	case to == "" && from == "":
		return nil, badRequest("InvalidParameterException", "You must provide MoveToVersionId or RemoveFromVersionId.")
	case from != "" && (at == nil || at.id != from):
		return nil, badRequest("InvalidParameterException", "The parameter RemoveFromVersionId is not valid. Staging label %s is not attached to version %s.", stage, from)
	case stage == current && to == "":
		return nil, badRequest("InvalidParameterException", "You can't remove the staging label AWSCURRENT: move it to another version.")
	case from == "" && at != nil && at.id != to:
		return nil, badRequest("InvalidParameterException", "The parameter RemoveFromVersionId can't be empty. Staging label %s is currently attached to version %s, so you must explicitly reference that version in RemoveFromVersionId.", stage, at.id)
	}
	sec.move(stage, sec.versions[to])
	sec.changed = r.now
	return map[string]any{"ARN": sec.arn, "Name": sec.name}, nil
}

func deleteSecret(r *request) (any, *apiError) {
	if err := r.only(map[string]string{"SecretId": "string", "ForceDeleteWithoutRecovery": "bool", "RecoveryWindowInDays": "number"}); err != nil {
		return nil, err
	}
	days := r.number("RecoveryWindowInDays", 30)
	force := r.flag("ForceDeleteWithoutRecovery")
	if days < 7 || days > 30 || force && r.input["RecoveryWindowInDays"] != nil {
		return nil, badRequest("InvalidParameterException", "The RecoveryWindowInDays value must be between 7 and 30 days (inclusive), and not be given with ForceDeleteWithoutRecovery.")
	}
	sec, err := r.secret()
	if err != nil {
		return nil, err
	}
	sec.deleted = r.now
	if force {
		delete(r.caller.account.secrets, place{r.region, sec.name})
		days = 0
	}
	return map[string]any{"ARN": sec.arn, "Name": sec.name, "DeletionDate": epoch(r.now.AddDate(0, 0, days))}, nil
}
