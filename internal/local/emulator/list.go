package emulator

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

type listSecretsInput struct {
	IncludePlannedDeletion *bool
	MaxResults             *int64
	NextToken              *string
	Filters                []filter
	SortBy                 *string
	SortOrder              *string
}

type secretListEntry struct {
	details
	SecretVersionsToStages map[string][]string `json:",omitempty"`
}

type listSecretsOutput struct {
	SecretList []secretListEntry
	NextToken  string `json:",omitempty"`
}

func (s *Service) listSecrets(_ *request, in listSecretsInput) (any, error) {
	var v validation
	v.between("maxResults", in.MaxResults, 1, 100)
	v.length("nextToken", in.NextToken, 1, 4096)
	v.oneOf("sortBy", in.SortBy, "created-date", "last-accessed-date", "last-changed-date", "name")
	v.oneOf("sortOrder", in.SortOrder, "asc", "desc")
	v.filters(in.Filters)
	if err := v.err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	page, next, err := s.page(listing{
		filters:    in.Filters,
		deleted:    in.IncludePlannedDeletion != nil && *in.IncludePlannedDeletion,
		sortBy:     deref(in.SortBy),
		descending: deref(in.SortOrder) == "desc",
		limit:      100,
	}, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	return listSecretsOutput{page, next}, nil
}

// listing says which secrets are listed in which order.
type listing struct {
	filters    []filter
	deleted    bool
	sortBy     string
	descending bool
	limit      int
}

// sortKey orders the secrets of a listing; no two are equal.
func (l listing) sortKey(sec *secret) string {
	moment := func(t time.Time) string { return fmt.Sprintf("%020d %s", max(t.UnixNano(), 0), sec.arn) }
	switch l.sortBy {
	case "name":
		return sec.name
	case "last-accessed-date":
		return moment(sec.accessed)
	case "last-changed-date":
		return moment(sec.changed)
	}
	return moment(sec.created)
}

// page returns one page of a listing and the token of the next.
func (s *Service) page(l listing, max *int64, token *string) ([]secretListEntry, string, error) {
	s.purge()
	type keyed struct {
		key string
		sec *secret
	}
	var all []keyed
	for _, sec := range s.secrets {
		if (sec.deletion.IsZero() || l.deleted) && matchesAll(l.filters, sec) {
			all = append(all, keyed{l.sortKey(sec), sec})
		}
	}
	order := func(a, b string) int {
		if l.descending {
			return cmp.Compare(b, a)
		}
		return cmp.Compare(a, b)
	}
	slices.SortFunc(all, func(a, b keyed) int { return order(a.key, b.key) })

	keys := make([]string, len(all))
	for i, k := range all {
		keys[i] = k.key
	}
	scope, err := json.Marshal([]any{l.filters, l.deleted, l.sortBy, l.descending})
	if err != nil {
		return nil, "", err
	}
	from, to, next, err := cut(keys, order, string(scope), l.limit, max, token)
	if err != nil {
		return nil, "", err
	}
	page := []secretListEntry{}
	for _, k := range all[from:to] {
		page = append(page, secretListEntry{k.sec.details(), k.sec.labelled()})
	}
	return page, next, nil
}

// cursor is what a NextToken holds. It names the last key of the page before, not
// a position: what is created or deleted between two pages moves nothing.
type cursor struct {
	Scope string // of which list; a token of another is refused
	After string
}

// cut returns the bounds of a page among sorted keys, and the token of the next
// page if there is one.
func cut(keys []string, order func(a, b string) int, scope string, limit int, max *int64, token *string) (from, to int, next string, err error) {
	if max != nil {
		limit = int(*max)
	}
	if token != nil {
		var c cursor
		data, err := base64.RawURLEncoding.DecodeString(*token)
		if err != nil || json.Unmarshal(data, &c) != nil || c.Scope != scope {
			return 0, 0, "", failure("InvalidNextTokenException", "The NextToken value is invalid.")
		}
		for from < len(keys) && order(keys[from], c.After) <= 0 {
			from++
		}
	}
	to = min(from+limit, len(keys))
	if to < len(keys) {
		data, err := json.Marshal(cursor{scope, keys[to-1]})
		if err != nil {
			return 0, 0, "", err
		}
		next = base64.RawURLEncoding.EncodeToString(data)
	}
	return from, to, next, nil
}

type listSecretVersionIdsInput struct {
	SecretId          *string
	MaxResults        *int64
	NextToken         *string
	IncludeDeprecated *bool
}

type versionListEntry struct {
	VersionId        string
	VersionStages    []string  `json:",omitempty"`
	LastAccessedDate timestamp `json:",omitzero"`
	CreatedDate      timestamp
	KmsKeyIds        []string
}

type listSecretVersionIdsOutput struct {
	Versions  []versionListEntry
	NextToken string `json:",omitempty"`
	ARN       string
	Name      string
}

func (s *Service) listSecretVersionIds(_ *request, in listSecretVersionIdsInput) (any, error) {
	var v validation
	v.secretID(in.SecretId)
	v.between("maxResults", in.MaxResults, 1, 100)
	v.length("nextToken", in.NextToken, 1, 4096)
	if err := v.err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sec, err := s.locateAny(in.SecretId)
	if err != nil {
		return nil, err
	}
	deprecated := in.IncludeDeprecated != nil && *in.IncludeDeprecated
	var listed []*version
	var keys []string
	for _, v := range sec.versions {
		if len(v.stages) > 0 || deprecated {
			listed = append(listed, v)
		}
	}
	slices.SortFunc(listed, func(a, b *version) int { return cmp.Compare(versionKey(a), versionKey(b)) })
	for _, v := range listed {
		keys = append(keys, versionKey(v))
	}
	scope := fmt.Sprint(sec.arn, deprecated)
	from, to, next, err := cut(keys, strings.Compare, scope, 100, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := listSecretVersionIdsOutput{Versions: []versionListEntry{}, NextToken: next, ARN: sec.arn, Name: sec.name}
	key := sec.kmsKeyID
	if key == "" {
		key = "DefaultEncryptionKey"
	}
	for _, v := range listed[from:to] {
		out.Versions = append(out.Versions, versionListEntry{
			v.id, v.stageList(), timestamp(v.accessed), timestamp(v.created), []string{key},
		})
	}
	return out, nil
}

func versionKey(v *version) string { return fmt.Sprintf("%020d %s", v.created.UnixNano(), v.id) }
