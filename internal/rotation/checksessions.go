package rotation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tandem/internal/account"
	"tandem/internal/failure"
	"tandem/internal/timeout"
	"tandem/internal/warning"
)

// sessions looks who is logged in as the user whose turn it is: where a rotation will
// look, and at the other servers that the application may read from, as far as RDS tells
// of them.
func (i *inspection) sessions(ctx context.Context, w *setSecretRun, pair account.Pair) {
	i.check(ctx, checkSessions, []string{checkPlan}, func(ctx context.Context) outcome {
		ctx, cancel := timeout.Check().Context(ctx)
		defer cancel()
		user := w.pending.Username()
		ends, err := pair.EndsPassword(i.Settings.Mode, w.turn(), w.pending.Password(), w.matches)
		switch {
		case err != nil:
			return outcomeOf("", err)
		case len(w.pendingAccounts) == 0:
			return outcomeOf(fmt.Sprintf("%q does not exist yet", user), nil)
		case !ends:
			return outcomeOf(fmt.Sprintf("%q has its new password already", user), nil)
		}
		found := w.whoIsThere(ctx)
		near := i.pending.id != "" || w.labels.nextIsNear(w.current.created, time.Now())
		// What is not known does not become known by waiting.
		if refusal := found.refusal("a rotation would change nothing"); refusal != nil && i.Settings.PendingUserSessions == RefuseSessions && (near || len(found.unknown) > 0) {
			return outcome{err: refusal, list: found.clients}
		}
		return i.elsewhere(ctx, w, found, near)
	})
}

// nextIsNear reports whether the next rotation is so near that who is still logged in as
// its user has been left behind: within the last quarter of the time since the last
// one, and within 7 days. Before that it may be a pool that has not closed yet what it
// opened before the last rotation. An unknown date counts as near.
func (l Labels) nextIsNear(last, now time.Time) bool {
	before := 7 * 24 * time.Hour
	if between := l.NextRotation.Sub(last); !last.IsZero() {
		before = min(before, between/4)
	}
	return l.NextRotation.IsZero() || l.NextRotation.Sub(now) <= before
}

// elsewhere adds what there is at other servers to what was found, and says it all. near:
// the next rotation is.
func (i *inspection) elsewhere(ctx context.Context, w *setSecretRun, found *inUse, near bool) outcome {
	others := &inUse{user: found.user}
	limited, cancel := timeout.Sessions().Context(ctx)
	defer cancel()
	at, unlisted, err := i.otherServers(limited, w)
	i.lookAt(limited, w.documents.admin, w.admin.Facts().Identity, at, others)
	if err != nil {
		others.unknown = append(others.unknown, fmt.Errorf("the servers that RDS could not be asked about were not looked at: %w", err))
	}
	if unlisted != "" {
		others.unknown = append(others.unknown, failure.Errorf(failure.RDSServerNotFound, "other servers, such as replicas, were not looked at, as %s", unlisted))
	}
	o := outcome{result: ResultAttention}
	var texts []string
	if err := found.notKnown(); err != nil {
		texts = append(texts, err.Error())
	}
	if refusal := found.refusal(""); refusal != nil {
		o.remedy = failure.RemedyOf(refusal)
	}
	waits := found.count > 0 && i.Settings.PendingUserSessions == RefuseSessions // not for those elsewhere
	found.count += others.count
	found.clients = append(found.clients, others.clients...)
	if others.gone != "" && (found.gone == "" || others.quiet > found.quiet) {
		found.gone = others.gone
	}
	switch {
	case found.count > 0:
		o.kind, o.remedy, o.list = warning.PendingUserInUse, found.remedy(), found.clients
		o.noAlarm = !near
		text := fmt.Sprintf("%s; when the next rotation changes its password, %s", found, whatFollows)
		if waits {
			text = fmt.Sprintf("%s; as PENDING_USER_SESSIONS is refuse, the next rotation waits until they are gone", found)
		}
		if !near {
			text += fmt.Sprintf("; it is due by %s, and they may be gone by then", w.labels.NextRotation.UTC().Format(time.DateTime))
		}
		texts = append([]string{text}, texts...)
	case len(found.unknown) > 0:
		o.noAlarm = true // with refuse it is an error
	default:
		o.result = ResultOK
		text := fmt.Sprintf("nobody is logged in as %q at the moment", found.user)
		if others.servers > 0 {
			text += fmt.Sprintf(", at %d other servers neither", others.servers)
		}
		texts = append(texts, text)
	}
	if err := others.notKnown(); err != nil {
		texts = append(texts, err.Error())
	}
	o.detail = strings.Join(texts, "; ")
	return o
}

// otherServers lists the servers beside those of a rotation at which the application may
// be logged in: the cluster's other instances, or the instance's read replicas and those
// of these. unlisted says why there may be others. The admin's password is for the admin's
// server alone: what a host's name says of an instance or a cluster counts only where RDS
// has that very endpoint for it.
func (i *inspection) otherServers(ctx context.Context, w *setSecretRun) (at []Instance, unlisted string, err error) {
	if isReaderEndpoint(w.current.Host()) {
		return nil, "", nil // they are those of a rotation
	}
	writer := w.documents.admin.writer
	looked := []Endpoint{writer, {w.current.Host(), w.current.Port()}}
	named := parseHost(writer.Host)
	var cluster string
	switch named.kind {
	case clusterHost:
		var found Cluster
		found, unlisted, err = i.cluster(ctx, named.name, writer, func(c Cluster) string { return c.Writer.Host })
		cluster = found.ID
	case instanceHost:
		var found Instance
		found, unlisted, err = i.instance(ctx, named.name, writer)
		if cluster = found.Cluster; cluster == "" && unlisted == "" && err == nil {
			at, err = i.replicas(ctx, found, named.name.Region)
			return without(at, looked), "", err
		}
	default:
		unlisted = writer.Host + " is no name that RDS gives to an instance or to a cluster"
	}
	if unlisted != "" || err != nil {
		return nil, unlisted, err
	}
	at, err = i.RDS.Members(ctx, ServerName{cluster, named.name.Region})
	return without(at, looked), "", err
}

// replicas lists the read replicas of an instance, and those of these.
func (i *inspection) replicas(ctx context.Context, of Instance, region string) (found []Instance, err error) {
	for _, id := range of.Replicas {
		name := ServerName{ID: id, Region: region}
		if named, _, isARN := parseARN(id); isARN {
			name = named
		}
		instance, unread := i.RDS.Instance(ctx, name)
		if unread != nil {
			err = errors.Join(err, unread)
			continue
		}
		more, unread := i.replicas(ctx, instance, name.Region)
		found, err = append(append(found, instance), more...), errors.Join(err, unread)
	}
	return found, err
}

// without leaves out the servers that have been looked at.
func without(at []Instance, looked []Endpoint) []Instance {
	return slices.DeleteFunc(at, func(there Instance) bool {
		return slices.ContainsFunc(looked, func(other Endpoint) bool {
			return other.Port == there.Endpoint.Port && strings.EqualFold(other.Host, there.Endpoint.Host)
		})
	})
}
