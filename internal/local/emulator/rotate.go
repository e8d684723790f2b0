package emulator

import (
	"maps"

	"tandem/internal/redact"
)

type rotateSecretInput struct {
	SecretId           *string
	ClientRequestToken *string
	RotationLambdaARN  *string
	RotationRules      *rotationRulesInput
	RotateImmediately  *bool // true if absent
}

type rotationRulesInput struct {
	AutomaticallyAfterDays *int64
	Duration               *string
	ScheduleExpression     *string
}

// rotationRules are the rules as the service answers them.
type rotationRules struct {
	AutomaticallyAfterDays int64  `json:",omitempty"`
	Duration               string `json:",omitempty"`
	ScheduleExpression     string `json:",omitempty"`
}

func (sec *secret) rotates() bool { return sec.rotationEnabled != nil && *sec.rotationEnabled }

// rotateSecret configures a rotation and starts it; the answer does not wait for
// it.
func (s *Service) rotateSecret(_ *request, in rotateSecretInput) (any, error) {
	var v validation
	v.secretID(in.SecretId)
	v.versionID("clientRequestToken", in.ClientRequestToken)
	v.length("rotationLambdaARN", in.RotationLambdaARN, 0, 2048)
	if in.RotationRules != nil {
		v.between("rotationRules.automaticallyAfterDays", in.RotationRules.AutomaticallyAfterDays, 1, 1000)
		v.length("rotationRules.duration", in.RotationRules.Duration, 2, 3)
		v.length("rotationRules.scheduleExpression", in.RotationRules.ScheduleExpression, 1, 256)
	}
	if err := v.err(); err != nil {
		return nil, err
	}
	if in.ClientRequestToken == nil {
		return nil, invalidParameter(tokenMissing)
	}
	var rules rotationRules
	var schedule Schedule
	if in.RotationRules != nil {
		if in.RotationRules.AutomaticallyAfterDays != nil {
			rules.AutomaticallyAfterDays = *in.RotationRules.AutomaticallyAfterDays
		}
		rules.Duration, rules.ScheduleExpression = deref(in.RotationRules.Duration), deref(in.RotationRules.ScheduleExpression)
		if rules.AutomaticallyAfterDays != 0 && rules.ScheduleExpression != "" {
			return nil, invalidParameter("You cannot specify both rotation frequency and schedule expression together.")
		}
		var err error
		if schedule, err = ParseSchedule(Rules{int(rules.AutomaticallyAfterDays), rules.ScheduleExpression, rules.Duration}); err != nil {
			return nil, invalidParameter("%s", err)
		}
	}

	function, err := s.rotationFunction(in.SecretId, in.RotationLambdaARN)
	if err != nil {
		return nil, err
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	sec, err := s.locate(in.SecretId)
	if err != nil {
		return nil, err
	}
	token := *in.ClientRequestToken
	immediately := in.RotateImmediately == nil || *in.RotateImmediately
	out := versionOutput{ARN: sec.arn, Name: sec.name, VersionId: token}

	if pending := sec.unfinished(); pending != nil && pending.id != token {
		// As the message says: what is not under way any more is taken up again.
		if sec.rotates() && !sec.rotation.underway() {
			s.start(sec, pending.id)
		}
		return nil, rotationIncomplete()
	}
	target := sec.version(token)
	if current := sec.staged(stageCurrent); current != nil && current.id != token && sec.rotation.isOf(current.id) && sec.rotation.underway() {
		return nil, rotationIncomplete() // its finishSecret has not returned yet
	}
	if target != nil && target.stages[stagePending] && !target.stages[stageCurrent] && !immediately {
		return nil, rotationIncomplete() // its version cannot serve for a test
	}
	if target != nil && !target.stages[stagePending] && !target.stages[stageCurrent] {
		return nil, tokenInUse(token, sec.arn)
	}
	current := sec.staged(stageCurrent)
	if current == nil || current.value == nil {
		return nil, valueNotFoundByStage(stageCurrent)
	}

	now := s.clock.Now()
	enabled := true
	sec.rotationEnabled, sec.functionARN, sec.changed = &enabled, function, now
	if in.RotationRules != nil {
		sec.rules, sec.schedule = rules, schedule
		s.plan(sec, now)
	}
	switch {
	case target != nil && target.stages[stageCurrent]:
		// The same request again after the rotation has succeeded.
	case target != nil && sec.rotation.isOf(token) && sec.rotation.underway():
		// The same request again while the rotation is under way.
	case immediately:
		s.start(sec, token)
	default:
		s.plan(sec, now)
		s.startTest(sec, token, current)
	}
	return out, nil
}

// rotationFunction returns the function that is to rotate a secret, if it may be
// invoked.
func (s *Service) rotationFunction(id, given *string) (string, error) {
	s.mu.Lock()
	sec, err := s.locate(id)
	var function string
	if err == nil {
		function = sec.functionARN
	}
	s.mu.Unlock()
	if given != nil && *given != "" {
		function = *given
	}
	switch {
	case err != nil:
		return "", err
	case function == "":
		return "", noFunction()
	case s.options.Invoker == nil, s.options.KnowsFunction != nil && !s.options.KnowsFunction(function):
		return "", functionNotInvokable()
	}
	return function, nil
}

// start begins a rotation, or takes up one that has stopped: its version may be
// there already, with a value or without.
func (s *Service) start(sec *secret, token string) {
	if sec.version(token) == nil {
		sec.attach(stagePending, sec.add(token, nil, s.clock.Now()))
	}
	s.launch(sec, token, false)
}

// startTest begins the test of a rotation that is to happen later: testSecret
// alone, on a pending version with the existing value.
func (s *Service) startTest(sec *secret, token string, current *version) {
	existing := *current.value
	sec.attach(stagePending, sec.add(token, &existing, s.clock.Now()))
	s.launch(sec, token, true)
}

func (s *Service) launch(sec *secret, token string, test bool) {
	if s.closed {
		return
	}
	sec.rotation.stop(Abandoned) // superseded, if it is still there
	sec.rotation = &rotation{
		service: s, secret: sec, token: token, test: test,
		rotationToken: redact.New(newUUID()), functionARN: sec.functionARN,
		stopped: make(chan struct{}), ended: make(chan struct{}),
	}
	s.running.Add(1)
	go sec.rotation.run()
}

// cancelRotateSecret turns rotation off. What runs of a rotation runs to its end,
// since nothing can recall a function that was invoked; its next step is not
// invoked, and its labels stay.
func (s *Service) cancelRotateSecret(_ *request, in secretIDInput) (any, error) {
	return s.withSecret(in, s.locate, func(sec *secret) (any, error) {
		if sec.functionARN == "" {
			return nil, noFunction()
		}
		enabled := false
		sec.rotationEnabled, sec.changed = &enabled, s.clock.Now()
		sec.rotation.stop(Cancelled)
		out := versionOutput{ARN: sec.arn, Name: sec.name}
		if pending := sec.unfinished(); pending != nil {
			out.VersionId = pending.id
		}
		return out, nil
	})
}

// finish tidies up after the last step and reports what is missing for success.
func (sec *secret) finish(token string) error {
	v := sec.version(token)
	if v == nil || !v.stages[stageCurrent] {
		return errNotCurrent
	}
	if v.stages[stagePending] {
		sec.detach(stagePending)
	}
	return nil
}

// endTest removes the temporary version. If somebody has given it another label
// meanwhile it is no longer temporary.
func (sec *secret) endTest(token string) {
	v := sec.version(token)
	if v == nil {
		return
	}
	others := maps.Clone(v.stages)
	delete(others, stagePending)
	if v.stages[stagePending] {
		sec.detach(stagePending)
	}
	if len(others) == 0 {
		sec.drop(v)
	}
}
