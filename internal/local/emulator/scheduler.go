package emulator

import "time"

// plan computes when the secret is rotated next, counting from a rotation at the
// moment last.
func (s *Service) plan(sec *secret, last time.Time) {
	sec.nextWindow = sec.schedule.Next(last)
	sec.due = sec.nextWindow.Opens
	if s.options.Every > 0 {
		sec.due = last.Add(s.options.Every)
	}
	s.replan()
}

// account enters the end of a rotation into the secret's dates.
func (s *Service) account(sec *secret, status Status) {
	now := s.clock.Now()
	if status == Succeeded {
		sec.lastRotated, sec.changed = now, now
	}
	switch {
	case !sec.rotates():
	case status == Succeeded:
		s.plan(sec, now)
		if sec.rules.ScheduleExpression != "" {
			// "calculated from the rotation schedule after every successful rotation"
			days := midnight(sec.nextWindow.Opens).Sub(midnight(now.UTC())) / (24 * time.Hour)
			sec.rules.AutomaticallyAfterDays = max(1, int64(days))
		}
	case status == Abandoned:
		s.plan(sec, now) // a value was put in place by hand, which counts
	case status == Failed:
		// NextRotationDate stays, and "may be in the past"; the next window tries again.
		promised := sec.nextWindow
		s.plan(sec, now)
		if promised != (Window{}) {
			sec.nextWindow = promised
		}
	}
}

// replan tells the scheduler to look again.
func (s *Service) replan() {
	select {
	case s.wake <- struct{}{}:
	default: // it will
	}
}

// runSchedules rotates what is due.
func (s *Service) runSchedules() {
	defer s.running.Done()
	for {
		var alarm <-chan time.Time
		if next := s.rotateDue(); !next.IsZero() {
			alarm = s.clock.At(next)
		}
		select {
		case <-alarm:
		case <-s.wake:
		case <-s.ctx.Done():
			return
		}
	}
}

// rotateDue starts the rotations that are due, and returns when the next one will
// be; the zero time if none is planned.
func (s *Service) rotateDue() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.purge()
	now := s.clock.Now()
	var next time.Time
	for _, sec := range s.secrets {
		switch {
		case !sec.rotates() || sec.due.IsZero() || !sec.deletion.IsZero():
		case sec.due.After(now):
			if next.IsZero() || sec.due.Before(next) {
				next = sec.due
			}
		case !sec.rotation.underway():
			token := newUUID()
			if pending := sec.unfinished(); pending != nil {
				token = pending.id // one that has failed is taken up again
			}
			s.start(sec, token)
		}
	}
	return next
}
