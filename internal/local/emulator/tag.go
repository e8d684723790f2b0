package emulator

import "slices"

// The service takes up to 50 tags for a secret (API Reference, TagResource).
const mostTags = 50

func tooManyTags() error { return invalidParameter("A secret can have at most %d tags.", mostTags) }

type tagResourceInput struct {
	SecretId *string
	Tags     []tag
}

type untagResourceInput struct {
	SecretId *string
	TagKeys  []string
}

func (v *validation) tags(tags []tag) {
	for _, t := range tags {
		v.length("tags.member.key", &t.Key, 1, 128)
		v.length("tags.member.value", &t.Value, 0, 256)
	}
}

func (sec *secret) tag(tags []tag) {
	for _, t := range tags {
		sec.tagged = true
		if i := slices.IndexFunc(sec.tags, func(old tag) bool { return old.Key == t.Key }); i >= 0 {
			sec.tags[i] = t
		} else {
			sec.tags = append(sec.tags, t)
		}
	}
}

func (s *Service) tagResource(_ *request, in tagResourceInput) (any, error) {
	var v validation
	v.secretID(in.SecretId)
	if in.Tags == nil {
		v.required("tags", nil)
	}
	v.tags(in.Tags)
	if err := v.err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sec, err := s.locate(in.SecretId)
	if err != nil {
		return nil, err
	}
	before := slices.Clone(sec.tags)
	sec.tag(in.Tags)
	if len(sec.tags) > mostTags {
		sec.tags = before
		return nil, tooManyTags()
	}
	sec.changed = s.clock.Now()
	return struct{}{}, nil
}

func (s *Service) untagResource(_ *request, in untagResourceInput) (any, error) {
	var v validation
	v.secretID(in.SecretId)
	if in.TagKeys == nil {
		v.required("tagKeys", nil)
	}
	if err := v.err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sec, err := s.locate(in.SecretId)
	if err != nil {
		return nil, err
	}
	sec.tags = slices.DeleteFunc(sec.tags, func(t tag) bool { return slices.Contains(in.TagKeys, t.Key) })
	sec.changed = s.clock.Now()
	return struct{}{}, nil
}
