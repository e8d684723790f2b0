package rotation

import (
	"context"
	"errors"
	"fmt"

	"tandem/internal/account"
	"tandem/internal/secret"
	"tandem/internal/warning"
)

// denyProxies finds out which PROXY privileges of the two users the admin cannot pass
// on, where they have any.
func (w *setSecretRun) denyProxies(ctx context.Context, pair *account.Pair) error {
	if pair.ProxiesDenied != nil || !pair.HasProxies() {
		return nil
	}
	own, err := w.admin.OwnGrants(ctx)
	if err == nil {
		pair.ProxiesDenied, err = pair.DenyProxies(own)
	}
	if err != nil {
		return fmt.Errorf("reading what admin %s may do: %w", w.admin.Facts().Account, err)
	}
	return nil
}

// isDenial reports whether an error says that the session's account may not do a thing.
func isDenial(err error) bool {
	var denial Denial
	return errors.As(err, &denial) && denial.Denied()
}

// withoutProxies leaves out of what the pending user lacks what setSecret may have left
// out: PROXY privileges, and the GRANT OPTION that came with one, or in merge may have, which
// alone gives the original what the clone has. No application needs them to go on, and
// anybody may have given them to the current user alone.
func (s step) withoutProxies(ctx context.Context, current Session, may account.OwnGrants, missing []account.Lack) ([]account.Lack, error) {
	unproven := s.Settings.Mode == account.Merge && secret.IsClone(may.Name.User)
	ofProxies, rest, err := account.OfProxies(current.Facts().Server, may, missing, unproven)
	if err != nil {
		return nil, err
	}
	if len(ofProxies) > 0 {
		s.warn(ctx, warning.ProxyLeftOut, "the pending user lacks PROXY privileges of the current one, or what came with them", "privileges", capped(texts(ofProxies)))
	}
	return rest, nil
}
