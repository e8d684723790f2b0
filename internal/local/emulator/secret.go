package emulator

import (
	"crypto/rand"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"tandem/internal/redact"
)

// The staging labels that the service itself moves.
const (
	stageCurrent  = "AWSCURRENT"
	stagePending  = "AWSPENDING"
	stagePrevious = "AWSPREVIOUS"
)

// The service's quotas (User Guide, "Quotas").
const (
	largestValue     = 65536 // bytes
	mostStages       = 20    // labels across all versions of a secret
	versionsKept     = 100   // beyond these, versions without a label go
	versionKeptAtAll = 24 * time.Hour
)

// secret is a secret's state. The Service's mutex guards it.
type secret struct {
	name, arn   string
	description string
	kmsKeyID    string
	tags        []tag
	tagged      bool // has ever had a tag: an empty list is answered then

	created, changed, accessed time.Time
	deletion                   time.Time // when it will be deleted; zero if it will not

	versions []*version // in the order of their creation

	rotationEnabled *bool // nil if rotation was never configured
	functionARN     string
	rules           rotationRules
	schedule        Schedule
	lastRotated     time.Time
	nextWindow      Window    // in which the next rotation was planned when the last ended
	due             time.Time // when the scheduler acts; zero for never

	rotation *rotation // the latest; nil if there never was one
}

type version struct {
	id                string
	value             *value // nil while a rotation has not stored one
	stages            map[string]bool
	created, accessed time.Time
	unseen            int // reads that do not find the value yet
}

// value is a version's content: text or bytes.
type value struct {
	content redact.Secret
	binary  bool
}

func (v *value) equal(other *value) bool {
	return v.binary == other.binary && v.content.Equal(other.content)
}

type tag struct {
	Key   string
	Value string
}

func (v *version) stageList() []string { return slices.Sorted(maps.Keys(v.stages)) }

func (sec *secret) version(id string) *version {
	for _, v := range sec.versions {
		if v.id == id {
			return v
		}
	}
	return nil
}

// repeats reports whether a request to store a value has been carried out before:
// the token's version has that value. Such a request is ignored, its labels and
// attributes too. A version of another value, or of none, is an error: a version
// cannot be changed.
//
// Source: AWS Secrets Manager API Reference, "CreateSecret", "PutSecretValue" and
// "UpdateSecret", ClientRequestToken.
func (sec *secret) repeats(token string, content *value) (bool, error) {
	switch made := sec.version(token); {
	case made == nil:
		return false, nil
	case made.value == nil || !made.value.equal(content):
		return false, tokenInUse(token, sec.arn)
	}
	return true, nil
}

func (sec *secret) staged(stage string) *version {
	for _, v := range sec.versions {
		if v.stages[stage] {
			return v
		}
	}
	return nil
}

// unfinished returns the version that has AWSPENDING and is not AWSCURRENT: the
// mark of a rotation that is under way or has failed.
func (sec *secret) unfinished() *version {
	v := sec.staged(stagePending)
	if v == nil || v.stages[stageCurrent] {
		return nil
	}
	return v
}

// attach moves a label to a version. AWSPREVIOUS follows AWSCURRENT by itself.
func (sec *secret) attach(stage string, to *version) {
	from := sec.staged(stage)
	if from == to {
		return
	}
	if from != nil {
		delete(from.stages, stage)
	}
	to.stages[stage] = true
	if stage == stageCurrent && from != nil {
		sec.attach(stagePrevious, from)
	}
	sec.sweep()
}

// detach takes a label off the version that has it.
func (sec *secret) detach(stage string) {
	if v := sec.staged(stage); v != nil {
		delete(v.stages, stage)
		sec.sweep()
	}
}

// sweep removes versions that never got a value and have lost their last label:
// there is nothing to keep.
func (sec *secret) sweep() {
	sec.versions = slices.DeleteFunc(sec.versions, func(v *version) bool { return v.value == nil && len(v.stages) == 0 })
}

func (sec *secret) drop(gone *version) {
	sec.versions = slices.DeleteFunc(sec.versions, func(v *version) bool { return v == gone })
}

// add appends a version and clears away what the service would have by then: of
// more than a hundred versions the oldest without a label, once they are a day
// old.
func (sec *secret) add(id string, content *value, now time.Time) *version {
	v := &version{id: id, value: content, stages: map[string]bool{}, created: now}
	sec.versions = append(sec.versions, v)
	surplus := len(sec.versions) - versionsKept
	sec.versions = slices.DeleteFunc(sec.versions, func(old *version) bool {
		goes := surplus > 0 && old != v && len(old.stages) == 0 && now.Sub(old.created) >= versionKeptAtAll
		if goes {
			surplus--
		}
		return goes
	})
	return v
}

// fits reports whether labels can be added without exceeding the quota.
func (sec *secret) fits(stages []string) error {
	all := map[string]bool{}
	for _, v := range sec.versions {
		maps.Copy(all, v.stages)
	}
	for _, stage := range stages {
		all[stage] = true
	}
	if len(all) > mostStages {
		return failure("LimitExceededException", "You can't have more than %d staging labels on a secret.", mostStages)
	}
	return nil
}

var (
	nameForm   = regexp.MustCompile(`^[A-Za-z0-9/_+=.@!-]+$`)
	arnForm    = regexp.MustCompile(`^arn:[^:]*:secretsmanager:([^:]*):([^:]*):secret:(.+)$`)
	suffixForm = regexp.MustCompile(`-[A-Za-z0-9]{6}$`)
)

// find leads from a name, an ARN or a partial ARN (one without the hyphen and the
// six random characters) to a secret, or nil. What ends like a complete ARN is
// taken for one, as the service warns.
func (s *Service) find(id string) *secret {
	s.purge()
	parts := arnForm.FindStringSubmatch(id)
	if parts == nil {
		return s.secrets[id]
	}
	region, account, rest := parts[1], parts[2], parts[3]
	if region != s.options.Region || account != s.options.Account {
		return nil
	}
	if suffixForm.MatchString(rest) {
		for _, sec := range s.secrets {
			if sec.arn == id {
				return sec
			}
		}
		return nil
	}
	return s.secrets[rest]
}

// locate is find for operations that need the secret to be there and not to be
// marked for deletion.
func (s *Service) locate(id *string) (*secret, error) {
	sec, err := s.locateAny(id)
	if err == nil && !sec.deletion.IsZero() {
		return nil, markedForDeletion()
	}
	return sec, err
}

func (s *Service) locateAny(id *string) (*secret, error) {
	if id != nil {
		if sec := s.find(*id); sec != nil {
			return sec, nil
		}
	}
	return nil, secretNotFound()
}

// purge deletes what was scheduled for deletion and is due.
func (s *Service) purge() {
	now := s.clock.Now()
	for name, sec := range s.secrets {
		if !sec.deletion.IsZero() && !sec.deletion.After(now) {
			delete(s.secrets, name)
		}
	}
}

func (s *Service) newARN(name string) string {
	return fmt.Sprintf("arn:aws:secretsmanager:%s:%s:secret:%s-%s", s.options.Region, s.options.Account, name, randomText(6, lowercase+uppercase+digits))
}

// randomText draws n characters, each with the same probability.
func randomText(n int, from string) string {
	var b strings.Builder
	for range n {
		b.WriteByte(from[randomBelow(len(from))])
	}
	return b.String()
}

// randomBelow returns a number from 0 to n-1, each with the same probability; n is
// at most 1<<16.
func randomBelow(n int) int {
	const all = 1 << 16
	for {
		var b [2]byte
		_, _ = rand.Read(b[:]) // never fails
		// Above the last multiple of n some numbers would come up more often.
		if drawn := int(b[0])<<8 | int(b[1]); drawn < all-all%n {
			return drawn % n
		}
	}
}

// withSecret performs an operation on the secret that is named, found by one of locate
// and locateAny, with the service locked.
func (s *Service) withSecret(in secretIDInput, locate func(id *string) (*secret, error), do func(sec *secret) (any, error)) (any, error) {
	var v validation
	v.secretID(in.SecretId)
	if err := v.err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sec, err := locate(in.SecretId)
	if err != nil {
		return nil, err
	}
	return do(sec)
}
