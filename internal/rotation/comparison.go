package rotation

import (
	"context"
	"fmt"
	"strings"

	"tandem/internal/account"
	"tandem/internal/failure"
	"tandem/internal/secret"
	"tandem/internal/warning"
)

// compare fails where pending may not do something that current may.
func (s step) compare(ctx context.Context, current, pending Session) error {
	may, err := current.OwnGrants(ctx)
	if err != nil {
		return fmt.Errorf("reading what %s may do: %w", current.Facts().Account, err)
	}
	mayThen, err := pending.OwnGrants(ctx)
	if err != nil {
		return fmt.Errorf("reading what %s may do: %w", pending.Facts().Account, err)
	}
	missing, extra, err := account.CompareOwn(current.Facts().Server, may, mayThen)
	if err != nil {
		return fmt.Errorf("comparing what %s and %s may do: %w", current.Facts().Account, pending.Facts().Account, err)
	}
	if len(extra) > 0 {
		s.warn(ctx, warning.PendingHasMore, "the pending user may do more than the current one", "privileges", capped(texts(extra)))
	}
	if missing, err = s.withoutProxies(ctx, current, may, missing); err != nil {
		return fmt.Errorf("comparing what %s and %s may do: %w", current.Facts().Account, pending.Facts().Account, err)
	}
	if missing, err = s.present(ctx, current, missing); err != nil {
		return err
	}
	if len(missing) == 0 {
		return nil
	}
	if s.Settings.Mode == account.Off || s.Settings.Mode == account.Mirror && !secret.IsClone(pending.Facts().Account.User) {
		s.warn(ctx, warning.PendingHasLess, "the pending user may do less than the current one", "privileges", capped(texts(missing)))
		return nil
	}
	return failure.Errorf(failure.PendingLacksPrivileges, "%s may not do everything that %s may, it lacks %s: rotate again, which makes them equal; if this repeats, grant it to the original",
		pending.Facts().Account, current.Facts().Account, strings.Join(capped(texts(missing)), "; "))
}

// present leaves out, with a warning, what current has on a table, a column or a routine
// that was dropped, on a column of a table or a view that cannot be opened, or on a table
// that another session keeps locked: setSecret cannot always grant that again.
func (s step) present(ctx context.Context, current Session, missing []account.Lack) ([]account.Lack, error) {
	var there []account.Lack
	var gone, unseen []string
	waits := tableWaits{session: current}
	locked := map[account.Object]bool{}
	for _, lack := range missing {
		exists := true
		if lack.MayBeGone() && !locked[lack.Object] {
			err := waits.shortly(ctx)
			if err == nil {
				exists, err = current.Exists(ctx, lack.Object, lack.Column)
			}
			if isLocked(err) {
				locked[lack.Object] = true
				waits.inVain++
			} else if err != nil {
				return nil, fmt.Errorf("looking whether what %s has a privilege on still exists: %w", current.Facts().Account, err)
			}
		}
		switch {
		case lack.MayBeGone() && locked[lack.Object]:
			unseen = append(unseen, lack.Text)
		case exists:
			there = append(there, lack)
		default:
			gone = append(gone, lack.Text)
		}
	}
	if len(gone) > 0 {
		s.warn(ctx, warning.ObjectGone, "the current user has privileges on objects that no longer exist, or cannot be opened", "privileges", capped(gone))
	}
	if len(unseen) > 0 {
		s.warn(ctx, warning.TableLocked, "the pending user lacks privileges of the current one on a table that another session has locked; rotate again when it is unlocked, or, if nobody meant to give them, revoke them from the current user", "privileges", capped(unseen))
	}
	return there, nil
}

func texts(lacks []account.Lack) []string {
	out := make([]string, len(lacks))
	for i, lack := range lacks {
		out[i] = lack.Text
	}
	return out
}
