package awstest

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// answer writes what AWS would.
func (r *request) answer(w http.ResponseWriter, result any, refusal *apiError) {
	isJSON := r.service != nil && r.service.json() || r.http.Header.Get("X-Amz-Target") != ""
	h := w.Header()
	h.Set("Date", r.clock.Now().Format(http.TimeFormat))
	h.Set("X-Amzn-Requestid", r.id)
	if isJSON {
		r.answerJSON(w, result, refusal)
		return
	}
	h.Set("Content-Type", "text/xml")
	if refusal != nil {
		writeXMLError(w, r.namespace(), r.id, refusal)
		return
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, `<%sResponse xmlns="%s">`, r.action, r.service.namespace)
	if result != nil {
		e := xml.NewEncoder(&b)
		if err := e.EncodeElement(result, xml.StartElement{Name: xml.Name{Local: r.action + "Result"}}); err != nil {
			r.t.Errorf("awstest: write the answer of %s: %v", r.action, err)
		}
	}
	fmt.Fprintf(&b, "<ResponseMetadata><RequestId>%s</RequestId></ResponseMetadata></%sResponse>\n", r.id, r.action)
	_, _ = w.Write(b.Bytes())
}

func (r *request) namespace() string {
	if r.service != nil {
		return r.service.namespace
	}
	return known["sts"].namespace
}

func writeXMLError(w http.ResponseWriter, namespace, id string, e *apiError) {
	kind := "Receiver"
	if e.sender() {
		kind = "Sender"
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "<ErrorResponse xmlns=\"%s\">\n  <Error>\n    <Type>%s</Type>\n    <Code>", namespace, kind)
	_ = xml.EscapeText(&b, []byte(e.code))
	b.WriteString("</Code>\n    <Message>")
	_ = xml.EscapeText(&b, []byte(e.message))
	fmt.Fprintf(&b, "</Message>\n  </Error>\n  <RequestId>%s</RequestId>\n</ErrorResponse>\n", id)
	w.WriteHeader(e.status)
	_, _ = w.Write(b.Bytes())
}

func (r *request) answerJSON(w http.ResponseWriter, result any, refusal *apiError) {
	h := w.Header()
	h.Set("Content-Type", "application/x-amz-json-1.1")
	if refusal != nil {
		refusal = refusal.asJSON()
		h.Set("X-Amzn-Errortype", refusal.code)
		w.WriteHeader(refusal.status)
		result = map[string]string{"__type": refusal.code, "message": refusal.message}
	}
	b, err := json.Marshal(result)
	if err != nil {
		r.t.Errorf("awstest: write the answer of %s: %v", r.action, err)
	}
	_, _ = w.Write(b)
}

// stamp is a time as query services write it.
type stamp time.Time

// MarshalText writes whole seconds in UTC.
func (t stamp) MarshalText() ([]byte, error) {
	return []byte(time.Time(t).UTC().Format("2006-01-02T15:04:05Z")), nil
}

// epoch is a time as JSON services write it.
func epoch(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// urlDocument is a policy as IAM gives it out: encoded as RFC 3986 has it.
func urlDocument(text string) string {
	return strings.ReplaceAll(url.QueryEscape(text), "+", "%20")
}

// page is the end of a list's answer.
type page struct {
	IsTruncated bool
	Marker      string `xml:",omitempty"`
}
