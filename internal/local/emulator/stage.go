package emulator

type updateSecretVersionStageInput struct {
	SecretId            *string
	VersionStage        *string
	RemoveFromVersionId *string
	MoveToVersionId     *string
}

// updateSecretVersionStage moves or removes one label. The caller names the
// version that has it now: of two that move it at once, one is refused.
func (s *Service) updateSecretVersionStage(_ *request, in updateSecretVersionStageInput) (any, error) {
	var v validation
	v.secretID(in.SecretId)
	v.required("versionStage", in.VersionStage)
	v.stage("versionStage", in.VersionStage)
	v.versionID("removeFromVersionId", in.RemoveFromVersionId)
	v.versionID("moveToVersionId", in.MoveToVersionId)
	if err := v.err(); err != nil {
		return nil, err
	}
	if in.RemoveFromVersionId == nil && in.MoveToVersionId == nil {
		return nil, invalidParameter("You must provide MoveToVersionId, RemoveFromVersionId or both.")
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	sec, err := s.locate(in.SecretId)
	if err != nil {
		return nil, err
	}
	stage := *in.VersionStage
	holder := sec.staged(stage)
	var target *version
	if in.MoveToVersionId != nil {
		if target = sec.version(*in.MoveToVersionId); target == nil {
			return nil, failure("ResourceNotFoundException", "Secrets Manager can't find the specified secret version: %s", *in.MoveToVersionId)
		}
	}
	switch {
	case in.RemoveFromVersionId != nil && holder == nil:
		return nil, invalidParameter("The parameter RemoveFromVersionId doesn't match. Staging label %s isn't attached to any version.", stage)
	case in.RemoveFromVersionId != nil && holder.id != *in.RemoveFromVersionId:
		return nil, invalidParameter("The parameter RemoveFromVersionId doesn't match. Staging label %s is currently attached to version %s.", stage, holder.id)
	case in.RemoveFromVersionId == nil && holder != nil && holder != target:
		return nil, invalidParameter("The parameter RemoveFromVersionId can't be empty. Staging label %s is currently attached to version %s, so you must explicitly reference that version in RemoveFromVersionId.", stage, holder.id)
	case target == nil && stage == stageCurrent:
		return nil, invalidParameter("You can only move staging label AWSCURRENT to a different secret version. It can't be completely removed.")
	}
	if target == nil {
		sec.detach(stage)
	} else {
		if err := sec.fits([]string{stage}); err != nil {
			return nil, err
		}
		sec.attach(stage, target)
	}
	sec.changed = s.clock.Now()
	return nameOutput{sec.arn, sec.name}, nil
}
