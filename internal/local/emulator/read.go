package emulator

import (
	"encoding/base64"
	"time"
)

type secretIDInput struct {
	SecretId *string
}

type nameOutput struct {
	ARN  string
	Name string
}

// details are what DescribeSecret and ListSecrets answer alike.
type details struct {
	ARN               string
	Name              string
	Description       string         `json:",omitempty"`
	KmsKeyId          string         `json:",omitempty"`
	RotationEnabled   *bool          `json:",omitempty"`
	RotationLambdaARN string         `json:",omitempty"`
	RotationRules     *rotationRules `json:",omitempty"`
	LastRotatedDate   timestamp      `json:",omitzero"`
	LastChangedDate   timestamp      `json:",omitzero"`
	LastAccessedDate  timestamp      `json:",omitzero"`
	DeletedDate       timestamp      `json:",omitzero"`
	NextRotationDate  timestamp      `json:",omitzero"`
	Tags              []tag          `json:",omitzero"`
	CreatedDate       timestamp
}

type describeSecretOutput struct {
	details
	VersionIdsToStages map[string][]string `json:",omitempty"`
}

func (sec *secret) details() details {
	d := details{
		ARN: sec.arn, Name: sec.name, Description: sec.description, KmsKeyId: sec.kmsKeyID,
		RotationEnabled: sec.rotationEnabled, RotationLambdaARN: sec.functionARN,
		LastChangedDate: timestamp(sec.changed), LastAccessedDate: timestamp(sec.accessed),
		DeletedDate: timestamp(sec.deletion), CreatedDate: timestamp(sec.created),
	}
	if sec.tagged {
		d.Tags = append([]tag{}, sec.tags...)
	}
	if sec.rules != (rotationRules{}) {
		rules := sec.rules
		d.RotationRules = &rules
	}
	if sec.rotates() {
		d.LastRotatedDate = timestamp(sec.lastRotated)
		if sec.nextWindow != (Window{}) {
			// "on or before this date": the last second of the window.
			d.NextRotationDate = timestamp(sec.nextWindow.Closes.Add(-time.Second))
		}
	}
	return d
}

// labelled maps versions to their labels; a version without one is deprecated and
// left out.
func (sec *secret) labelled() map[string][]string {
	m := map[string][]string{}
	for _, v := range sec.versions {
		if len(v.stages) > 0 {
			m[v.id] = v.stageList()
		}
	}
	return m
}

func (s *Service) describeSecret(_ *request, in secretIDInput) (any, error) {
	return s.withSecret(in, s.locateAny, func(sec *secret) (any, error) {
		return describeSecretOutput{sec.details(), sec.labelled()}, nil
	})
}

type getSecretValueInput struct {
	SecretId     *string
	VersionId    *string
	VersionStage *string
}

type secretValueOutput struct {
	ARN           string
	Name          string
	VersionId     string
	SecretString  *string  `json:",omitempty"`
	SecretBinary  *string  `json:",omitempty"`
	VersionStages []string `json:",omitempty"`
	CreatedDate   timestamp
}

func (s *Service) getSecretValue(_ *request, in getSecretValueInput) (any, error) {
	var v validation
	v.secretID(in.SecretId)
	v.versionID("versionId", in.VersionId)
	v.stage("versionStage", in.VersionStage)
	if err := v.err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sec, err := s.locate(in.SecretId)
	if err != nil {
		return nil, err
	}
	return s.read(sec, in.VersionId, in.VersionStage)
}

// read answers with the value of the version that an ID, a label or both name;
// AWSCURRENT if neither does.
func (s *Service) read(sec *secret, id, stage *string) (secretValueOutput, error) {
	var found *version
	var missing *Error
	if id != nil {
		found, missing = sec.version(*id), valueNotFoundByID(*id)
		if found != nil && stage != nil && !found.stages[*stage] {
			return secretValueOutput{}, invalidRequest("You provided a VersionStage that is not associated to the provided VersionId.")
		}
	} else {
		wanted := stageCurrent
		if stage != nil {
			wanted = *stage
		}
		found, missing = sec.staged(wanted), valueNotFoundByStage(wanted)
	}
	if found == nil || found.value == nil {
		return secretValueOutput{}, missing
	}
	if found.unseen > 0 && found == sec.unfinished() {
		found.unseen--
		return secretValueOutput{}, missing
	}
	today := s.clock.Now().UTC().Truncate(24 * time.Hour)
	found.accessed, sec.accessed = today, today
	out := secretValueOutput{
		ARN: sec.arn, Name: sec.name, VersionId: found.id,
		VersionStages: found.stageList(), CreatedDate: timestamp(found.created),
	}
	content := found.value.content.Reveal()
	if found.value.binary {
		content = base64.StdEncoding.EncodeToString([]byte(content))
		out.SecretBinary = &content
	} else {
		out.SecretString = &content
	}
	return out, nil
}

type batchGetSecretValueInput struct {
	SecretIdList []string
	Filters      []filter
	MaxResults   *int64
	NextToken    *string
}

type batchError struct {
	SecretId  string
	ErrorCode string
	Message   string
}

type batchGetSecretValueOutput struct {
	SecretValues []secretValueOutput
	Errors       []batchError
	NextToken    string `json:",omitempty"`
}

func (s *Service) batchGetSecretValue(r *request, in batchGetSecretValueInput) (any, error) {
	var v validation
	v.between("maxResults", in.MaxResults, 1, 20)
	v.length("nextToken", in.NextToken, 1, 4096)
	if in.SecretIdList != nil {
		v.size("secretIdList", "", len(in.SecretIdList), 1, 20)
	}
	v.filters(in.Filters)
	if err := v.err(); err != nil {
		return nil, err
	}
	if (in.SecretIdList == nil) == (in.Filters == nil) {
		return nil, invalidParameter("You must include Filters or SecretIdList, but not both.")
	}
	if in.SecretIdList != nil && (in.MaxResults != nil || in.NextToken != nil) {
		return nil, invalidParameter("MaxResults and NextToken can only be used together with Filters.")
	}

	ids, next := in.SecretIdList, ""
	if in.Filters != nil {
		s.mu.Lock()
		page, token, err := s.page(listing{filters: in.Filters, limit: 20}, in.MaxResults, in.NextToken)
		s.mu.Unlock()
		if err != nil {
			return nil, err
		}
		next = token
		for _, sec := range page {
			ids = append(ids, sec.ARN)
		}
	}
	out := batchGetSecretValueOutput{SecretValues: []secretValueOutput{}, Errors: []batchError{}, NextToken: next}
	for _, id := range ids {
		value, err := s.readOneOfMany(r, id)
		if err != nil {
			e := asError(err)
			out.Errors = append(out.Errors, batchError{id, e.Code, e.Message})
			continue
		}
		out.SecretValues = append(out.SecretValues, value)
	}
	return out, nil
}

func (s *Service) readOneOfMany(r *request, id string) (secretValueOutput, error) {
	s.mu.Lock()
	sec, err := s.locate(&id)
	s.mu.Unlock()
	if err != nil {
		return secretValueOutput{}, err
	}
	if err := s.authorize(r.by, "secretsmanager", "GetSecretValue", sec.arn); err != nil {
		return secretValueOutput{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.read(sec, nil, nil)
}
