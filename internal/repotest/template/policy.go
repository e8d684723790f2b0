package template

import "encoding/json"

// Policy is a policy of IAM, as far as the template and the documents write some.
type Policy struct {
	Version   string
	Statement []Statement
}

// Statement is a statement of a policy.
type Statement struct {
	Sid       string          `json:",omitempty"`
	Effect    string          `json:",omitempty"`
	Principal json.RawMessage `json:",omitempty"`
	Action    Texts
	Resource  Texts
	Condition map[string]map[string]Texts
}

// Texts is a text or a list of some.
type Texts []string

// UnmarshalJSON implements json.Unmarshaler.
func (s *Texts) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*s = Texts{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(s))
}
