package emulator

import "time"

const (
	leastRecoveryDays   = 7
	mostRecoveryDays    = 30
	defaultRecoveryDays = 30
)

type deleteSecretInput struct {
	SecretId                   *string
	RecoveryWindowInDays       *int64
	ForceDeleteWithoutRecovery *bool
}

type deleteSecretOutput struct {
	ARN          string
	Name         string
	DeletionDate timestamp
}

func (s *Service) deleteSecret(_ *request, in deleteSecretInput) (any, error) {
	var v validation
	v.secretID(in.SecretId)
	if err := v.err(); err != nil {
		return nil, err
	}
	force := in.ForceDeleteWithoutRecovery != nil && *in.ForceDeleteWithoutRecovery
	days := int64(defaultRecoveryDays)
	if in.RecoveryWindowInDays != nil {
		if force {
			return nil, invalidParameter("You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.")
		}
		days = *in.RecoveryWindowInDays
		if days < leastRecoveryDays || days > mostRecoveryDays {
			return nil, invalidParameter("The RecoveryWindowInDays value must be between %d and %d days (inclusive).", leastRecoveryDays, mostRecoveryDays)
		}
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	sec, err := s.locateAny(in.SecretId)
	switch {
	case err != nil && force:
		// A forced deletion of what is gone succeeds, whatever it was.
		id := *in.SecretId
		if parts := arnForm.FindStringSubmatch(id); parts != nil {
			return deleteSecretOutput{id, suffixForm.ReplaceAllString(parts[3], ""), timestamp(now)}, nil
		}
		return deleteSecretOutput{s.newARN(id), id, timestamp(now)}, nil
	case err != nil:
		return nil, err
	case force:
		delete(s.secrets, sec.name)
		sec.rotation.stop(Cancelled)
		return deleteSecretOutput{sec.arn, sec.name, timestamp(now)}, nil
	case !sec.deletion.IsZero():
		return nil, invalidRequest("You tried to perform the operation on a secret that's currently marked deleted.")
	}
	sec.deletion = now.Add(time.Duration(days) * 24 * time.Hour)
	sec.changed = now
	sec.rotation.stop(Cancelled)
	return deleteSecretOutput{sec.arn, sec.name, timestamp(sec.deletion)}, nil
}

func (s *Service) restoreSecret(_ *request, in secretIDInput) (any, error) {
	return s.withSecret(in, s.locateAny, func(sec *secret) (any, error) {
		sec.deletion = time.Time{}
		sec.changed = s.clock.Now()
		s.replan()
		return nameOutput{sec.arn, sec.name}, nil
	})
}
