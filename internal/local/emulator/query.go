package emulator

import (
	"bytes"
	"encoding/xml"
	"net/http"
	"net/url"
	"strings"
)

// The query protocol of RDS and STS: a call is a form whose Action names the
// operation, the answer is XML.
//
// Source: Smithy, "AWS query protocol".
type queryProtocol struct {
	service   string // "rds", "sts": the service that the request is signed for
	namespace string
}

var queryProtocols = map[string]queryProtocol{
	"2014-10-31": {"rds", "http://rds.amazonaws.com/doc/2014-10-31/"},
	"2011-06-15": {"sts", "https://sts.amazonaws.com/doc/2011-06-15/"},
}

type queryOperation func(s *Service, by caller, form url.Values) (result any, err error)

var queryOperations = map[string]queryOperation{
	"rds.DescribeDBClusters":  (*Service).describeDBClusters,
	"rds.DescribeDBInstances": (*Service).describeDBInstances,
	"sts.AssumeRole":          (*Service).assumeRole,
	"sts.GetCallerIdentity":   (*Service).getCallerIdentity,
}

// parseQuery reads a call in the query protocol; false where it is another one's.
func parseQuery(r *http.Request, body []byte) (url.Values, bool) {
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		return nil, false
	}
	form, err := url.ParseQuery(string(body))
	return form, err == nil && form.Get("Action") != ""
}

func (p queryProtocol) carryOut(s *Service, by caller, form url.Values) ([]byte, *Error) {
	action := form.Get("Action")
	operation := queryOperations[p.service+"."+action]
	if operation == nil {
		return nil, failure("InvalidAction", "Could not find operation %s for version %s", action, form.Get("Version"))
	}
	result, err := operation(s, by, form)
	if err != nil {
		return nil, asError(err)
	}
	var answer bytes.Buffer
	encoder := xml.NewEncoder(&answer)
	name := func(local string) xml.StartElement { return xml.StartElement{Name: xml.Name{Local: local}} }
	outer := name(action + "Response")
	outer.Attr = []xml.Attr{{Name: xml.Name{Local: "xmlns"}, Value: p.namespace}}
	metadata := struct{ RequestId string }{newUUID()}
	for _, step := range []func() error{
		func() error { return encoder.EncodeToken(outer) },
		func() error { return encoder.EncodeElement(result, name(action+"Result")) },
		func() error { return encoder.EncodeElement(metadata, name("ResponseMetadata")) },
		func() error { return encoder.EncodeToken(outer.End()) },
		encoder.Flush,
	} {
		if err := step(); err != nil {
			return nil, asError(err)
		}
	}
	return answer.Bytes(), nil
}

// write implements protocol.
func (p queryProtocol) write(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "text/xml")
	w.Header().Set("X-Amzn-Requestid", newUUID())
	w.WriteHeader(status)
	_, _ = w.Write(body) // a caller that is gone misses nothing
}

// fail implements protocol. What the layer before the services answers has other
// names here than in the JSON protocol.
func (p queryProtocol) fail(w http.ResponseWriter, e *Error) {
	status, code := e.Status, e.Code
	switch code {
	case "AccessDeniedException":
		status, code = http.StatusForbidden, "AccessDenied"
	case "ThrottlingException":
		code = "Throttling"
	case "UnrecognizedClientException":
		status, code = http.StatusForbidden, "InvalidClientTokenId"
	case "MissingAuthenticationTokenException":
		status, code = http.StatusForbidden, "MissingAuthenticationToken"
	case "IncompleteSignatureException":
		status, code = http.StatusForbidden, "IncompleteSignature"
	}
	if status == 0 {
		status = http.StatusBadRequest
	}
	var body struct {
		XMLName xml.Name `xml:"ErrorResponse"`
		Space   string   `xml:"xmlns,attr"`
		Error   struct{ Type, Code, Message string }
		Request string `xml:"RequestId"`
	}
	body.Space, body.Request = p.namespace, newUUID()
	body.Error.Type, body.Error.Code, body.Error.Message = "Sender", code, e.Message
	if status >= http.StatusInternalServerError {
		body.Error.Type = "Receiver"
	}
	data, err := xml.Marshal(body)
	if err != nil {
		panic(err) // strings can be marshalled
	}
	p.write(w, status, data)
}
