package emulator

import "encoding/json"

// A resource policy is kept and given back, so that tools which read one find it.
// It decides nothing here: Options.Authorize does.

type putResourcePolicyInput struct {
	SecretId       *string
	ResourcePolicy *string
}

type resourcePolicyOutput struct {
	ARN            string
	Name           string
	ResourcePolicy string `json:",omitempty"`
}

func (s *Service) putResourcePolicy(_ *request, in putResourcePolicyInput) (any, error) {
	var v validation
	v.secretID(in.SecretId)
	v.required("resourcePolicy", in.ResourcePolicy)
	v.length("resourcePolicy", in.ResourcePolicy, 1, 20480)
	if err := v.err(); err != nil {
		return nil, err
	}
	var document map[string]any
	if err := json.Unmarshal([]byte(*in.ResourcePolicy), &document); err != nil {
		return nil, failure("MalformedPolicyDocumentException", "This policy contains invalid Json")
	}
	return s.setPolicy(in.SecretId, *in.ResourcePolicy)
}

func (s *Service) deleteResourcePolicy(_ *request, in secretIDInput) (any, error) {
	var v validation
	v.secretID(in.SecretId)
	if err := v.err(); err != nil {
		return nil, err
	}
	return s.setPolicy(in.SecretId, "")
}

func (s *Service) setPolicy(id *string, policy string) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sec, err := s.locate(id)
	if err != nil {
		return nil, err
	}
	sec.policy = policy
	sec.changed = s.clock.Now()
	return nameOutput{sec.arn, sec.name}, nil
}

func (s *Service) getResourcePolicy(_ *request, in secretIDInput) (any, error) {
	var v validation
	v.secretID(in.SecretId)
	if err := v.err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sec, err := s.locate(in.SecretId)
	if err != nil {
		return nil, err
	}
	return resourcePolicyOutput{sec.arn, sec.name, sec.policy}, nil
}
