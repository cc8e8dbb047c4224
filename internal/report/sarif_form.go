package report

// The parts of SARIF 2.1.0 that a log of ours has. Fields that hold what the
// standard takes them to hold anyway are left out. A library has them all, and a
// reader of JSON schemas, which takes half a millisecond each time that the
// program starts; tests read the logs with it.

const (
	sarifSchema  = "https://raw.githubusercontent.com/oasis-tcs/sarif-spec/main/sarif-2.1/schema/sarif-schema-2.1.0.json"
	sarifVersion = "2.1.0"
)

type sarifReport struct {
	Version string     `json:"version"`
	Schema  string     `json:"$schema"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool               sarifTool                `json:"tool"`
	AutomationDetails  sarifID                  `json:"automationDetails"`
	Invocations        []sarifInvocation        `json:"invocations"`
	OriginalURIBaseIDs map[string]sarifArtifact `json:"originalUriBaseIds"`
	ColumnKind         string                   `json:"columnKind"`
	Results            []sarifResult            `json:"results"`
	Properties         sarifRunBag              `json:"properties"`
}

type sarifRunBag struct {
	Target   string  `json:"target"`
	Rules    string  `json:"rules"`
	Columns  string  `json:"columns"`
	Allowed  int     `json:"allowed"`
	Ignored  int     `json:"ignored"`
	Known    int     `json:"known"`
	Findings int     `json:"findings"`
	Bytes    int64   `json:"bytes"`
	Seconds  float64 `json:"seconds"`
}

type sarifID struct {
	ID string `json:"id"`
}

type sarifTool struct {
	Driver sarifDriver `json:"driver"`
}

type sarifDriver struct {
	Name           string      `json:"name"`
	Version        string      `json:"version,omitempty"`
	InformationURI string      `json:"informationUri"`
	Rules          []sarifRule `json:"rules"`
	Notifications  []sarifRule `json:"notifications"`
}

// sarifRule describes a rule, or a notification.
type sarifRule struct {
	ID                   string              `json:"id"`
	Name                 string              `json:"name"`
	ShortDescription     sarifMessage        `json:"shortDescription"`
	FullDescription      sarifMessage        `json:"fullDescription"`
	DefaultConfiguration *sarifConfiguration `json:"defaultConfiguration,omitempty"`
	HelpURI              string              `json:"helpUri,omitempty"`
	Help                 sarifMessage        `json:"help"`
	Properties           *sarifRuleBag       `json:"properties,omitempty"`
}

type sarifConfiguration struct {
	Level string `json:"level"`
}

type sarifRuleBag struct {
	Tags             []string `json:"tags"`
	Precision        string   `json:"precision"`
	ProblemSeverity  string   `json:"problem.severity"`
	SecuritySeverity string   `json:"security-severity"`
}

// sarifMessage is a message, or what tells of a rule, which may have Markdown.
type sarifMessage struct {
	Text     string `json:"text"`
	Markdown string `json:"markdown,omitempty"`
}

type sarifInvocation struct {
	EndTimeUTC          string              `json:"endTimeUtc,omitempty"`
	ExecutionSuccessful bool                `json:"executionSuccessful"`
	Notifications       []sarifNotification `json:"toolExecutionNotifications"`
}

type sarifNotification struct {
	Descriptor sarifID      `json:"descriptor"`
	Level      string       `json:"level"`
	Message    sarifMessage `json:"message"`
}

type sarifResult struct {
	RuleID              string            `json:"ruleId"`
	RuleIndex           int               `json:"ruleIndex"`
	Level               string            `json:"level"`
	Message             sarifMessage      `json:"message"`
	Locations           []sarifLocation   `json:"locations"`
	RelatedLocations    []sarifLocation   `json:"relatedLocations,omitempty"`
	PartialFingerprints map[string]string `json:"partialFingerprints"`
	Properties          sarifResultBag    `json:"properties"`
}

type sarifResultBag struct {
	Kind       string       `json:"kind"`
	State      string       `json:"state"`
	Verdict    *jsonVerdict `json:"verdict,omitempty"`
	KeyID      string       `json:"keyId"`
	Account    string       `json:"account"`
	Canary     string       `json:"canary"`
	User       string       `json:"user"`
	Secret     string       `json:"secret"`
	Token      string       `json:"token"`
	Candidates int          `json:"candidates"`
	PlaceCount int          `json:"placeCount"`
	RefCount   int          `json:"refCount"`
	Refs       []string     `json:"refs"`
	InHead     *bool        `json:"inHead,omitempty"` // nil when it is not known
}

type sarifLocation struct {
	ID               int              `json:"id"`
	Message          sarifMessage     `json:"message"`
	PhysicalLocation sarifPhysical    `json:"physicalLocation"`
	LogicalLocations []sarifLogical   `json:"logicalLocations,omitempty"`
	Properties       sarifLocationBag `json:"properties"`
}

type sarifLocationBag struct {
	Place jsonPlace `json:"place"`
}

type sarifPhysical struct {
	ArtifactLocation sarifArtifact `json:"artifactLocation"`
	Region           sarifRegion   `json:"region"`
}

type sarifArtifact struct {
	URI         string        `json:"uri,omitempty"`
	URIBaseID   string        `json:"uriBaseId,omitempty"`
	Description *sarifMessage `json:"description,omitempty"`
}

// sarifRegion has lines and columns from 1, and where there are bytes to count,
// how many stand before it and in it.
type sarifRegion struct {
	StartLine   int  `json:"startLine"`
	StartColumn int  `json:"startColumn"`
	EndLine     int  `json:"endLine"`
	EndColumn   int  `json:"endColumn"`
	ByteOffset  *int `json:"byteOffset,omitempty"`
	ByteLength  *int `json:"byteLength,omitempty"`
}

type sarifLogical struct {
	Name               string `json:"name"`
	FullyQualifiedName string `json:"fullyQualifiedName"`
	Kind               string `json:"kind"`
}
