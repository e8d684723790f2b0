package emulator

import (
	"encoding/base64"

	"tandem/internal/redact"
)

type createSecretInput struct {
	Name               *string
	ClientRequestToken *string
	Description        *string
	KmsKeyId           *string
	SecretBinary       *string // base64
	SecretString       *string
	Tags               []tag
	AddReplicaRegions  []any
}

type versionOutput struct {
	ARN           string
	Name          string
	VersionId     string   `json:",omitempty"`
	VersionStages []string `json:",omitempty"`
}

func (s *Service) createSecret(_ *request, in createSecretInput) (any, error) {
	var v validation
	v.required("name", in.Name)
	v.length("name", in.Name, 1, 512)
	v.versionID("clientRequestToken", in.ClientRequestToken)
	v.length("description", in.Description, 0, 2048)
	v.length("kmsKeyId", in.KmsKeyId, 0, 2048)
	v.content(in.SecretString, in.SecretBinary)
	v.tags(in.Tags)
	if err := v.err(); err != nil {
		return nil, err
	}
	if !nameForm.MatchString(*in.Name) {
		return nil, failure("ValidationException", "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!")
	}
	if in.AddReplicaRegions != nil {
		return nil, invalidParameter("Replication to other Regions is not emulated; leave AddReplicaRegions out.")
	}
	content, err := readValue(in.SecretString, in.SecretBinary)
	if err != nil {
		return nil, err
	}
	if content != nil && in.ClientRequestToken == nil {
		return nil, invalidRequest(tokenMissing)
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	s.purge()
	now := s.clock.Now()
	if old := s.secrets[*in.Name]; old != nil {
		if !old.deletion.IsZero() {
			return nil, invalidRequest("You can't create this secret because a secret with this name is already scheduled for deletion.")
		}
		if content != nil {
			if used, err := old.repeats(*in.ClientRequestToken, content); used || err != nil {
				return versionOutput{ARN: old.arn, Name: old.name, VersionId: *in.ClientRequestToken}, err
			}
		}
		return nil, failure("ResourceExistsException", "The operation failed because the secret %s already exists.", *in.Name)
	}
	sec := &secret{
		name: *in.Name, arn: s.newARN(*in.Name),
		description: deref(in.Description), kmsKeyID: deref(in.KmsKeyId),
		created: now, changed: now,
	}
	sec.tag(in.Tags)
	if len(sec.tags) > mostTags {
		return nil, tooManyTags()
	}
	s.secrets[sec.name] = sec
	out := versionOutput{ARN: sec.arn, Name: sec.name}
	if content != nil {
		sec.attach(stageCurrent, sec.add(*in.ClientRequestToken, content, now))
		out.VersionId = *in.ClientRequestToken
	}
	return out, nil
}

// content checks the sizes of a secret's value without repeating it.
func (v *validation) content(text, binary *string) {
	if text != nil {
		v.size("secretString", "", len(*text), 1, largestValue)
	}
	if binary != nil {
		v.size("secretBinary", "", base64.StdEncoding.DecodedLen(len(*binary)), 1, largestValue+2)
	}
}

// readValue makes the version's content; nil if there is none.
func readValue(text, binary *string) (*value, error) {
	switch {
	case text != nil && binary != nil:
		return nil, invalidParameter("You can't specify both a binary secret value and a string secret value in the same secret.")
	case text != nil:
		return &value{content: redact.New(*text)}, nil
	case binary != nil:
		data, err := base64.StdEncoding.DecodeString(*binary)
		if err != nil {
			return nil, failure("SerializationException", "SecretBinary is not base64.")
		}
		if len(data) > largestValue {
			var v validation
			v.size("secretBinary", "", len(data), 1, largestValue)
			return nil, v.err()
		}
		return &value{content: redact.New(string(data)), binary: true}, nil
	}
	return nil, nil
}

func deref(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}
