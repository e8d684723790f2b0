package rotation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"tandem/internal/account"
	"tandem/internal/failure"
	"tandem/internal/secret"
	"tandem/internal/warning"
)

// Where somebody has changed a single user's password by hand, the secret has none that
// logs in, and whoever may write the secret is all that vouches for a new one. So the
// admin sets it by itself only for those users whom REPAIR_WITH_ADMIN allows it for, who
// may do nothing that the admin's word is needed for, and where the stored passwords show
// that it is the password that the server refuses.

// Repair is REPAIR_WITH_ADMIN: whose password the admin may set that nobody has proven.
type Repair struct {
	// Everybody: each user's who may act on data alone.
	Everybody bool
	// Users are otherwise those, by their names; without any, nobody's.
	Users []string
}

// ParseRepair reads true, false, or names of users with commas between them.
func ParseRepair(text string) (Repair, error) {
	names := strings.Split(text, ",")
	for i := range names {
		names[i] = strings.TrimSpace(names[i])
	}
	if word := strings.ToLower(names[0]); len(names) == 1 {
		switch word {
		case "true", "false":
			return Repair{Everybody: word == "true"}, nil
		case "1", "0", "y", "n", "yes", "no", "on", "off":
			return Repair{}, repairInvalid("%q may be the name of a user, or meant for true or false: write one of these, or the names of two users or more", text)
		}
	}
	for _, name := range names {
		user, host, _ := cutLast(name, "@")
		switch word := strings.ToLower(name); {
		case name == "":
			return Repair{}, repairInvalid("%q has a name that is empty: write the names of users with one comma between each two", text)
		case word == "true" || word == "false":
			return Repair{}, repairInvalid("%q has %s among the names of users, which it does not go with: write that alone, or the names alone", text, name)
		case strings.ContainsAny(name, "'\"`"), user != "" && (host == "localhost" || strings.Contains(host, "%")):
			return Repair{}, repairInvalid("%q is not the name of a user: write it without quotes and without a host, as all of a user's accounts get one password", name)
		}
		if err := secret.CheckSingleUsername(secret.MariaDB, name, longestUsername); err != nil {
			return Repair{}, fmt.Errorf("%q cannot be the name of a user: %w", name, err)
		}
	}
	return Repair{Users: names}, nil
}

// longestUsername is MariaDB's, in characters.
const longestUsername = 128

func repairInvalid(format string, arguments ...any) error {
	return failure.Errorf(failure.ConfigurationInvalid, format, arguments...)
}

// cutLast cuts a text at the last separator.
func cutLast(text, separator string) (before, after string, found bool) {
	i := strings.LastIndex(text, separator)
	if i < 0 {
		return "", "", false
	}
	return text[:i], text[i+len(separator):], true
}

// Allows reports whether it is allowed for a user.
func (r Repair) Allows(user string) bool { return r.Everybody || slices.Contains(r.Users, user) }

// AllowsAny reports whether there may be somebody for whom it is allowed.
func (r Repair) AllowsAny() bool { return r.Everybody || len(r.Users) > 0 }

// inWords says it to a person.
func (r Repair) inWords() string {
	switch {
	case r.Everybody:
		return "true"
	case len(r.Users) > 0:
		return strings.Join(r.Users, ", ")
	}
	return "false"
}

// mayRepair reports whether the admin may set the user's password although the current one
// was refused, or nobody can tell since the account is blocked: as it is after a change by
// hand, by clients that go on with the password from before.
func (s step) mayRepair(user string, refused error) bool {
	return s.Settings.Strategy == SingleUser && (passwordMayBeWrong(refused) || errors.Is(refused, ErrAccountBlocked)) && s.Settings.Repair.Allows(user)
}

// mayRepairHere reports whether this step's admin may: setSecret's, and no other's, as
// further ones only end what it has begun, and so does a rotation that is given up.
func (w *underLock) mayRepairHere() bool {
	return w.event.Step == SetSecret && !w.givenUp && !w.documents.admin.own && w.mayRepair(w.current.Username(), w.refused)
}

// orRepair adds to refused current credentials what an admin could do about them.
func (s step) orRepair(user string, refused error) error {
	last, before := errors.Is(refused, ErrLastPluginRefused), "" // it may be the password
	if last {
		before = failure.RemedyOf(refused) + "; or, if that is not all that the account has, "
	}
	if s.Settings.Strategy != SingleUser || !last && failure.Of(refused) != failure.CurrentCredentialsRejected {
		return refused
	}
	return failure.WithRemedy(refused, before+fmt.Sprintf("look who wrote the secret; if somebody has changed the password by hand, store it in the secret, or have the admin set another: REPAIR_WITH_ADMIN is %s, and has to name %q for that",
		s.Settings.Repair.inWords(), user))
}

// checkRepairable refuses to set a password that nobody has proven, unless it is known
// that somebody has changed it by hand, and the user may act on data alone.
func (w *underLock) checkRepairable(ctx context.Context, user account.SingleUser) error {
	named, err := findAnonymous(ctx, w.admin, user.User.Name, w.refused)
	if err != nil {
		return w.notRepaired(fmt.Errorf("looking for an account without a name that the login is taken for: %w", err), "")
	}
	if failure.Of(named) == failure.LoggedInAsOtherUser {
		return named
	}
	facts := w.admin.Facts()
	refusal := account.Refusal{From: facts.From, Plaintext: w.current.TLS() == secret.TLSDisabled || facts.Plaintext, Blocked: errors.Is(w.refused, ErrAccountBlocked)}
	reason, err := user.OtherReason(refusal, w.passwords())
	if err != nil {
		return err
	}
	if reason != nil {
		return w.notRepaired(failure.New(failure.CurrentCredentialsRejected, reason.Text), reason.Remedy)
	}
	roles, err := w.admin.RoleGrants(ctx, user.User.RoleNames())
	if err != nil {
		return fmt.Errorf("reading what the roles of %q may do: %w", user.User.Name, denied(failure.AdminAccessDenied, err))
	}
	if privileged, more := user.User.Privileged(roles); more != "" {
		to := user.Login
		if to == (account.Name{}) {
			to = privileged
		}
		return w.notRepaired(failure.Errorf(failure.CurrentCredentialsRejected, "%s has %s, which is more than to act on data, and whoever may do more gets no password by the admin's word alone", privileged, more),
			fmt.Sprintf("look who wrote the secret; if it has to name this user, store in it the password that the server has; or, to set it by hand to the one in the secret, run: %s", user.SetByHand(to)))
	}
	return nil
}

// notRepaired is the refused login of before, with why the admin does not go on without it.
func (w *underLock) notRepaired(why error, remedy string) error {
	err := fmt.Errorf("%w; REPAIR_WITH_ADMIN does not set another password, and nothing was changed: %w", w.refused, why)
	if remedy == "" {
		return err
	}
	return failure.WithRemedy(err, remedy)
}

// orRepairCurrent does in a check what orRepair does in a rotation.
func (i *inspection) orRepairCurrent(user string, own bool, refused error) {
	f := i.findings[checkCurrent]
	last := errors.Is(refused, ErrLastPluginRefused)
	if own || i.inGap || f.Result != ResultFailed || !last && f.Type != string(failure.CurrentCredentialsRejected) || i.mayRepair(user, refused) {
		return
	}
	if !last {
		refused = failure.Mark(failure.CurrentCredentialsRejected, refused)
	}
	err := i.orRepair(user, refused)
	f.Remedy = failure.Line(failure.RemedyOf(err))
	i.findings[checkCurrent] = f
}

// foretellRepair says in a check that a rotation goes on without the login that was
// refused. What would need that login is left open.
func (i *inspection) foretellRepair(w *underLock) {
	for _, name := range []string{checkCurrent, checkDatabase, checkIdentity} {
		switch f := i.findings[name]; {
		case f.Type == string(failure.CurrentCredentialsRejected), f.Type == string(failure.AccountBlocked), f.Result == ResultFailed && errors.Is(w.refused, ErrLastPluginRefused):
			f.Result, f.Type, f.Number, f.Remedy = ResultAttention, warning.RepairedWithAdmin, 0, warning.Remedy(warning.RepairedWithAdmin)
			f.Detail = failure.Line(fmt.Sprintf("%s; somebody has changed the password by hand: the next setSecret has %s set another, as REPAIR_WITH_ADMIN allows", f.Detail, w.admin.Facts().Account))
			i.findings[name] = f
		case f.Result == ResultSkipped:
			f.Result, f.Detail = ResultUnprovable, "only the password that a rotation sets would log in to show it"
			i.findings[name] = f
		}
	}
}

// warnOfRepair tells of a password that the admin has set although nobody has proven the
// one before. It comes after the change: what is warned of has happened.
func (w *underLock) warnOfRepair(ctx context.Context) {
	if !w.repairs {
		return
	}
	w.step.warn(ctx, warning.RepairedWithAdmin, fmt.Sprintf("the password under %s was refused, as somebody has changed it by hand, or by another secret for the same user, and %s has set the pending one, as REPAIR_WITH_ADMIN allows: "+
		"nobody has shown to know a password of %q, and the one that it had has ended; look who changed it, and who wrote the secret, and keep one secret to a user",
		Current, w.admin.Facts().Account, w.current.Username()), "user", w.current.Username(), "admin", w.admin.Facts().Account.String())
}
