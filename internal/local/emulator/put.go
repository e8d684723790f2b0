package emulator

import "slices"

type putSecretValueInput struct {
	SecretId           *string
	ClientRequestToken *string
	SecretBinary       *string // base64
	SecretString       *string
	VersionStages      []string
	RotationToken      *string
}

func (s *Service) putSecretValue(r *request, in putSecretValueInput) (any, error) {
	var v validation
	v.secretID(in.SecretId)
	v.versionID("clientRequestToken", in.ClientRequestToken)
	v.content(in.SecretString, in.SecretBinary)
	if in.VersionStages != nil {
		v.size("versionStages", "", len(in.VersionStages), 1, mostStages)
	}
	for _, stage := range in.VersionStages {
		v.stage("versionStages.member", &stage)
	}
	if in.RotationToken != nil {
		v.size("rotationToken", "", len(*in.RotationToken), 36, 256)
	}
	if err := v.err(); err != nil {
		return nil, err
	}
	content, err := readValue(in.SecretString, in.SecretBinary)
	if err != nil {
		return nil, err
	}
	if content == nil {
		return nil, invalidRequest("You must provide either SecretString or SecretBinary.")
	}
	if in.ClientRequestToken == nil {
		return nil, invalidRequest(tokenMissing)
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	sec, err := s.locate(in.SecretId)
	if err != nil {
		return nil, err
	}
	token := *in.ClientRequestToken
	if s.options.RequireRotationToken && sec.rotation.isOf(token) {
		if in.RotationToken == nil || *in.RotationToken != sec.rotation.rotationToken.Reveal() {
			return nil, failure("AccessDeniedException", "The RotationToken of the rotation that is in progress is required to store its value.")
		}
	}
	target := sec.version(token)
	if target != nil && target.value != nil { // one without a value is a rotation's, which this is to give it
		if _, err := sec.repeats(token, content); err != nil {
			return nil, err
		}
		return versionOutput{sec.arn, sec.name, target.id, target.stageList()}, nil
	}
	stages := slices.Clone(in.VersionStages)
	if stages == nil || sec.staged(stageCurrent) == nil && !slices.Contains(stages, stageCurrent) {
		// Left out they mean AWSCURRENT, and so does a secret's first value.
		stages = append(stages, stageCurrent)
	}
	if err := sec.fits(stages); err != nil {
		return nil, err
	}
	s.store(r, sec, target, token, content, stages)
	target = sec.version(token)
	target.unseen = s.options.PendingLag
	return versionOutput{sec.arn, sec.name, target.id, target.stageList()}, nil
}

// store gives a new version, or the empty one of a rotation, its value and labels.
func (s *Service) store(r *request, sec *secret, target *version, token string, content *value, stages []string) {
	now := s.clock.Now()
	manual := target == nil
	if manual {
		target = sec.add(token, content, now)
	} else {
		target.value, target.created = content, now
	}
	for _, stage := range stages {
		sec.attach(stage, target)
	}
	sec.changed = now
	if !manual || !slices.Contains(stages, stageCurrent) {
		return
	}
	// A value that was put in place by hand ends the rotation that it overtakes
	// (User Guide, RotationAbandoned), and counts as a rotation for the schedule.
	if pending := sec.unfinished(); pending != nil {
		sec.detach(stagePending)
		sec.rotation.stop(Abandoned)
		r.events = append(r.events, s.event(RotationAbandoned, sec, pending.id))
	}
	if sec.rotates() && sec.schedule.fromLast() {
		s.plan(sec, now)
	}
}

type updateSecretInput struct {
	SecretId           *string
	ClientRequestToken *string
	Description        *string
	KmsKeyId           *string
	SecretBinary       *string // base64
	SecretString       *string
}

func (s *Service) updateSecret(r *request, in updateSecretInput) (any, error) {
	var v validation
	v.secretID(in.SecretId)
	v.versionID("clientRequestToken", in.ClientRequestToken)
	v.length("description", in.Description, 0, 2048)
	v.length("kmsKeyId", in.KmsKeyId, 0, 2048)
	v.content(in.SecretString, in.SecretBinary)
	if err := v.err(); err != nil {
		return nil, err
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
	sec, err := s.locate(in.SecretId)
	if err != nil {
		return nil, err
	}
	out := versionOutput{ARN: sec.arn, Name: sec.name}
	if content != nil {
		out.VersionId = *in.ClientRequestToken
		if repeated, err := sec.repeats(out.VersionId, content); repeated || err != nil {
			return out, err
		}
		if err := sec.fits([]string{stageCurrent}); err != nil {
			return nil, err
		}
		s.store(r, sec, nil, out.VersionId, content, []string{stageCurrent})
	}
	if in.Description != nil {
		sec.description = *in.Description
	}
	if in.KmsKeyId != nil {
		sec.kmsKeyID = *in.KmsKeyId
	}
	sec.changed = s.clock.Now()
	return out, nil
}
