package rotation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"tandem/internal/account"
	"tandem/internal/conntrace"
	"tandem/internal/failure"
	"tandem/internal/redact"
	"tandem/internal/secret"
	"tandem/internal/timeout"
	"tandem/internal/warning"
)

// look runs the checks. Each names those without which it cannot be made, so that
// one that fails hides nothing else.
func (i *inspection) look(ctx context.Context) {
	i.check(ctx, checkConfiguration, nil, func(context.Context) outcome {
		return outcomeOf(i.Settings.inWords(), i.ConfigError)
	})
	if !i.passed(checkConfiguration) {
		// Without one there is nothing to ask with.
		for _, c := range Checks()[1:] {
			i.check(ctx, c.Name, []string{checkConfiguration}, nil)
		}
		return
	}
	labels := i.service(ctx)
	current := i.documents(ctx, labels)
	i.pending = i.readUnfinished(ctx, labels)
	admin := i.adminSecret(ctx, current)
	i.server(ctx, labels, current, admin)
	i.rotationState(ctx, labels, current)
}

// attachFirst is what a refusal may be owed to before the first rotation.
func (i *inspection) attachFirst() string {
	return "; a role that allows it on the condition secretsmanager:resource/AllowRotationLambdaArn is refused until the rotation of the secret is attached to this function: " +
		"aws secretsmanager rotate-secret --secret-id " + shellWord(i.event.SecretID) + " --rotation-lambda-arn " + shellWord(cmp.Or(i.Function.ARN, "FUNCTION")) + " --no-rotate-immediately, and check again"
}

// service reaches Secrets Manager, and asks what needs the permission to read.
func (i *inspection) service(ctx context.Context) Labels {
	traced, trip := conntrace.WithTrace(ctx)
	began := time.Now()
	labels, err := i.Secrets.Describe(traced, i.event.SecretID)
	took := time.Since(began)
	answered := err == nil
	switch failure.Of(err) {
	case failure.SecretsManagerUnreachable, failure.SecretsManagerTimeout, failure.SecretsManagerTLSFailed, failure.RoleNotAssumed:
	default:
		answered = true
	}
	i.reportStages(ctx, trip, []string{checkServiceDNS, checkServiceConnect, checkServiceTLS}, answered, false, err, []string{checkConfiguration})

	permission := func(err error, of string) outcome {
		o := outcomeOf("allowed", err)
		if failure.Of(err) == failure.SecretsManagerAccessDenied {
			o.remedy = fmt.Sprintf("allow secretsmanager:%s on it to the function's role", of) + i.attachFirst()
		}
		return o
	}
	reached := []string{checkServiceTLS}
	i.check(ctx, checkDescribe, reached, func(context.Context) outcome {
		o := permission(err, "DescribeSecret")
		o.took = took
		return o
	})
	i.check(ctx, checkRandom, reached, func(ctx context.Context) outcome {
		password, err := i.Secrets.RandomPassword(ctx, "")
		i.unused = password
		return permission(err, "GetRandomPassword")
	})
	for _, one := range []struct{ name, text string }{
		{checkPut, "only storing a value shows it: allow secretsmanager:PutSecretValue, and kms:GenerateDataKey where the secret has a key of its own"},
		{checkMove, "only moving a label shows it: allow secretsmanager:UpdateSecretVersionStage"},
	} {
		i.check(ctx, one.name, nil, func(context.Context) outcome { return outcome{result: ResultUnprovable, detail: one.text} })
	}
	return labels
}

// reportStages tells of the stages of a way. The request that took it was answered, or
// ended in an error at the first stage that was not passed.
func (i *inspection) reportStages(ctx context.Context, trip *conntrace.Trace, names []string, answered, encrypted bool, err error, needs []string) {
	for n, stage := range []conntrace.Stage{conntrace.DNS, conntrace.Connect, conntrace.TLS} {
		i.check(ctx, names[n], needs, func(context.Context) outcome {
			done, passed := trip.Passed(stage)
			host, _, _ := net.SplitHostPort(trip.Address())
			switch {
			case passed:
				if stage == conntrace.DNS {
					done.Detail = host + " is " + done.Detail
				}
				return outcome{detail: done.Detail, took: done.Took}
			case trip.Reused() && (answered || stage != conntrace.TLS):
				return outcome{detail: "to " + trip.Address() + ", by a connection that was there already"}
			case stage == conntrace.DNS && (trip.Stuck(conntrace.Connect) || net.ParseIP(host) != nil):
				return outcome{detail: host + " is an address"}
			case answered && err != nil && stage == conntrace.TLS && encrypted:
				return outcome{result: ResultSkipped, detail: "the server gave its answer before TLS was agreed on"}
			case answered:
				return outcome{detail: "none: the connection is not encrypted"}
			}
			return outcome{err: err}
		})
		needs = []string{names[n]}
	}
}

// documents reads the secret's document.
func (i *inspection) documents(ctx context.Context, labels Labels) document {
	var version Version
	i.check(ctx, checkRead, []string{checkServiceTLS}, func(ctx context.Context) outcome {
		var err error
		if version, err = i.Secrets.Current(ctx, i.event.SecretID); errors.Is(err, ErrVersionNotFound) && i.passed(checkDescribe) {
			err = failure.Errorf(failure.CurrentSecretMissing, "reading the %s document: %w: store a document in the secret", Current, err)
		}
		o := outcomeOf(fmt.Sprintf("%s is version %s", Current, version.ID), err)
		if failure.Of(err) == failure.SecretsManagerAccessDenied {
			o.remedy = "allow secretsmanager:GetSecretValue on it to the function's role" + i.attachFirst()
		}
		return o
	})
	var current document
	i.check(ctx, checkDocument, []string{checkRead}, func(ctx context.Context) outcome {
		read, err := secret.Parse(version.Document)
		if err != nil {
			return outcomeOf("", fmt.Errorf("reading the %s document: %w", Current, err))
		}
		current = document{read, version.ID, version.Created}
		i.record.application(read, i.Settings.next(read.Username()))
		o := outcomeOf(fmt.Sprintf("engine %s, %s:%d, user %q, database %q, ssl %s", read.Engine(), read.Host(), read.Port(), read.Username(), read.Database(), read.TLS()), nil)
		return i.foretell(ctx, o, labels, read)
	})
	i.check(ctx, checkName, []string{checkDocument}, func(context.Context) outcome {
		err := i.Settings.checkUsername(current.Engine(), current.Username(), i.Settings.UsernameLimit)
		if i.Settings.Strategy == SingleUser {
			return outcomeOf(fmt.Sprintf("%q keeps its name", current.Username()), err)
		}
		return outcomeOf(fmt.Sprintf("it is %q's turn after %q", secret.Other(current.Username()), current.Username()), err)
	})
	return current
}

// adminSecret reads the admin's secret, and finds where its server is.
func (i *inspection) adminSecret(ctx context.Context, current document) documents {
	d := documents{current: current}
	i.check(ctx, checkAdminNamed, []string{checkDocument}, func(context.Context) outcome {
		var err error
		d.adminARN, err = i.adminARN(current.Document)
		if err == nil && d.adminARN == "" {
			return outcomeOf(fmt.Sprintf("none: %q changes its own password", current.Username()), nil)
		}
		return outcomeOf(d.adminARN, err)
	})
	if i.passed(checkAdminNamed) && d.adminARN == "" {
		d.admin = ownLogin(current.Document)
		for _, name := range []string{checkAdminRead, checkAdminDocument, checkRDS} {
			i.check(ctx, name, nil, func(context.Context) outcome { return outcomeOf("not needed: there is no admin secret", nil) })
		}
		return d
	}
	var version Version
	i.check(ctx, checkAdminRead, []string{checkAdminNamed}, func(ctx context.Context) outcome {
		var err error
		if version, err = i.Secrets.Current(ctx, d.adminARN); errors.Is(err, ErrVersionNotFound) {
			err = failure.Errorf(failure.AdminSecretNotFound, "reading the admin secret: %w: correct masterarn in the secret's document, or SUPERUSER_SECRET_ARN", err)
		} else if err != nil {
			err = fmt.Errorf("reading the admin secret: %w", err)
		} else if _, err = i.Secrets.Describe(ctx, d.adminARN); err != nil {
			err = fmt.Errorf("reading the admin secret's labels, which a rotation of it in the meantime makes necessary: %w", err)
		}
		return outcomeOf(fmt.Sprintf("%s is version %s", Current, version.ID), err)
	})
	d.adminVersion = version.ID
	i.check(ctx, checkAdminDocument, []string{checkAdminRead}, func(context.Context) outcome {
		read, err := secret.ParseAdmin(version.Document)
		if err != nil {
			return outcomeOf("", fmt.Errorf("reading the admin secret %s: %w", d.adminARN, err))
		}
		d.admin.Document = read
		detail := fmt.Sprintf("user %q at %s:%d", read.Username(), read.Host(), read.Port())
		if read.ManagedByRDS() {
			detail = fmt.Sprintf("user %q, managed by RDS", read.Username())
		}
		return outcomeOf(detail, adminIsAnother(read, d.adminARN, current.Username(), i.Settings.next(current.Username())))
	})
	i.check(ctx, checkRDS, []string{checkAdminDocument}, func(ctx context.Context) outcome {
		at, err := i.topology(ctx, d.admin.Document, d.adminARN, current.Document)
		d.admin.topology = at
		switch {
		case err != nil:
			return outcomeOf("", err)
		case at.viaReader:
			return outcomeOf(fmt.Sprintf("%s:%d is a reader of %s:%d, where the users are changed", current.Host(), current.Port(), at.writer.Host, at.writer.Port), nil)
		case d.admin.ManagedByRDS():
			return outcomeOf(fmt.Sprintf("the admin's server is %s:%d", at.writer.Host, at.writer.Port), nil)
		}
		return outcomeOf("not asked: both secrets name the same host", nil)
	})
	return d
}

// server reaches the server as both, and looks at what a setSecret would do there.
func (i *inspection) server(ctx context.Context, labels Labels, current document, d documents) {
	var proof, admin Session
	var refused error
	if i.passed(checkDocument) {
		traced, trip := conntrace.WithTrace(ctx)
		began := time.Now()
		var err error
		if ctx.Err() == nil {
			proof, err = i.Database.Connect(traced, login(current.Document))
		}
		took := time.Since(began)
		refused = err
		// The login is a matter of its own; what is before it has been passed where the
		// server has answered to it.
		answered := err == nil || failure.Number(err) != 0 || errors.Is(err, ErrLoginRefused) ||
			failure.Of(err) == failure.PluginUnsupported || failure.Of(err) == failure.ServerUnsupported || failure.Of(err) == failure.TLSRequired
		i.reportStages(ctx, trip, []string{checkServerDNS, checkServerConnect, checkServerTLS}, answered, current.TLS() != secret.TLSDisabled, err, []string{checkDocument})
		i.certificate(proof)
		before := checkServerTLS
		if answered {
			before = checkServerConnect
		}
		i.check(ctx, checkCurrent, []string{before}, func(context.Context) outcome {
			if err != nil {
				return outcomeOf("", refusedLogin(failure.CurrentCredentialsRejected, fmt.Errorf("proving the %s credentials: %w", Current, err)))
			}
			facts := proof.Facts()
			return outcome{detail: fmt.Sprintf("%q is logged in as %s, and seen as coming from %s", current.Username(), facts.Account, facts.From), took: took}
		})
	}
	for _, name := range []string{checkServerDNS, checkServerConnect, checkServerTLS, checkCurrent} {
		if _, looked := i.findings[name]; !looked {
			i.check(ctx, name, []string{checkDocument}, nil)
		}
	}
	if proof == nil && d.admin.own {
		proof = i.currentInGap(ctx, d, nil, refused)
	}
	reaches := []string{checkRDS, checkName}
	if d.admin.own {
		reaches = append(reaches, checkCurrent)
	}
	i.check(ctx, checkAdmin, reaches, func(ctx context.Context) outcome {
		next, err := i.nextDocument(current)
		if err != nil {
			return outcomeOf("", err)
		}
		d.pending = next
		if d.admin.own {
			admin = proof
			return outcomeOf(fmt.Sprintf("%s changes its own password", proof.Facts().Account), nil)
		}
		session, as, err := i.connectAdmin(ctx, d)
		if err != nil {
			return outcomeOf("", err)
		}
		admin, d.admin = session, as
		return outcomeOf(fmt.Sprintf("logged in as %s", session.Facts().Account), nil)
	})
	if proof == nil && admin != nil {
		proof = i.currentInGap(ctx, d, admin, refused)
	}
	if proof != nil {
		defer i.close(ctx, proof)
	}
	i.checkOpens(ctx, proof, current)
	if admin != nil {
		if !d.admin.own {
			defer i.close(ctx, admin)
		}
		i.nameAnonymous(ctx, admin, current.Username(), refused)
		i.orRepairCurrent(current.Username(), d.admin.own, refused)
	}
	i.checkServerState(ctx, proof, admin, current)
	i.check(ctx, checkIdentity, []string{checkCurrent, checkAdmin}, func(ctx context.Context) outcome {
		at := proof
		if d.admin.viaReader {
			proven, label := current, Current
			if i.goesOn {
				proven, _ = i.ofSingleUser(current)
				label = Pending
			}
			there, err := i.Database.Connect(ctx, d.admin.topology.login(proven.Document))
			if err != nil {
				refused = refusedLogin(failure.CurrentCredentialsRejected, fmt.Errorf("proving the %s credentials at the writer: %w", label, err))
				if session := i.inGapBy(ctx, d, admin, refused, d.admin.topology.login); session != nil {
					i.close(ctx, session)
				}
				if i.inGap {
					i.goesOn = i.Settings.Strategy == SingleUser
					return outcome{err: fmt.Errorf("%w; %s", refused, i.whyInGap()), remedy: i.outOfGap()}
				}
				return outcomeOf("", i.orRepair(current.Username(), refused))
			}
			defer i.close(ctx, there)
			at = there
		}
		return outcomeOf("both logins stand on "+at.Facts().Identity, d.admin.sameServer(at.Facts(), admin.Facts()))
	})
	i.lock(ctx, admin, current)
	if i.Settings.Strategy == SingleUser {
		i.planSingleUser(ctx, labels, d, proof, admin, refused)
		return
	}
	i.plan(ctx, labels, d, proof, admin)
}

// checkOpens opens the document's database.
func (i *inspection) checkOpens(ctx context.Context, proof Session, current document) {
	i.check(ctx, checkDatabase, []string{checkCurrent}, func(ctx context.Context) outcome {
		if current.Database() == "" {
			return outcomeOf("the document names none", nil)
		}
		ctx, cancel := timeout.Check().Context(ctx)
		defer cancel()
		err := proof.Use(ctx, current.Database())
		if err != nil {
			err = databaseNotOpened(current.Username(), err)
		}
		return outcomeOf(fmt.Sprintf("%q is opened", current.Database()), err)
	})
}

// certificate adds to the server's TLS what it was verified by, or warns of its end.
func (i *inspection) certificate(session Session) {
	if session == nil {
		return
	}
	f := i.findings[checkServerTLS]
	facts := session.Facts()
	if facts.Plaintext && f.Result == ResultOK {
		f.Result, f.Type, f.NoAlarm = ResultAttention, warning.Plaintext, warning.Lasting(warning.Plaintext)
	}
	for _, w := range expiryWarnings(Facts{Server: facts.Server, Certificate: facts.Certificate}, time.Now()) {
		if w.Type == warning.OldServer {
			continue
		}
		f.Detail += "; " + w.Message
		if near := nearExpiry(w.Type, facts.Certificate, time.Now()); near || f.Result != ResultAttention || f.NoAlarm {
			f.Result, f.Type, f.NoAlarm = ResultAttention, w.Type, !near
		}
	}
	if f.Type != "" && f.Remedy == "" {
		f.Remedy = warning.Remedy(f.Type)
	}
	i.findings[checkServerTLS] = f
}

// checkServerState tells what server it is. Either login will do.
func (i *inspection) checkServerState(ctx context.Context, proof, admin Session, current document) {
	session, need := admin, checkAdmin
	if session == nil {
		session, need = proof, checkCurrent
	}
	i.check(ctx, checkServer, []string{need}, func(ctx context.Context) outcome {
		facts := session.Facts()
		detail := fmt.Sprintf("%s %s", facts.Server.Flavor, facts.Server.Text)
		if facts.Server.Flavor == account.MySQL {
			if err := i.Settings.checkUsername(secret.MySQL, current.Username(), 0); err != nil {
				return outcomeOf("", fmt.Errorf("the server is MySQL, the secret's engine %s: %w", current.Engine(), err))
			}
		}
		ctx, cancel := timeout.Check().Context(ctx)
		defer cancel()
		inspector, ok := session.(Inspector)
		if !ok {
			return outcomeOf(detail, nil)
		}
		state, err := inspector.State(ctx)
		switch {
		case err != nil:
			return outcomeOf("", err)
		case facts.ReadOnly && need == checkAdmin:
			return outcomeOf("", failure.Errorf(failure.ReadOnlyServer, "%s is read-only: use the address of the writer, or wait for the end of a failover", detail))
		case facts.ReadOnly:
			detail += ", read-only"
		default:
			detail += ", takes changes"
		}
		switch {
		case !state.SourcesKnown:
			detail += "; it does not tell this user whether it is a replica"
		case len(state.Sources) > 0:
			detail += "; it replicates from " + strings.Join(state.Sources, ", ")
		default:
			detail += "; it is not a replica"
		}
		o := outcomeOf(detail, nil)
		for _, w := range expiryWarnings(Facts{Server: facts.Server}, time.Now()) {
			o.result, o.kind, o.detail, o.remedy = ResultAttention, w.Type, w.Message, warning.Remedy(w.Type)
		}
		return o
	})
}

// nextDocument is the pending document of the rotation that is in progress, or else
// one as the next rotation would make it, with a password that is used for nothing.
func (i *inspection) nextDocument(current document) (document, error) {
	if pending := i.pending; pending.id != "" && pending.id != current.versionID {
		switch {
		case pending.err == nil:
			if next, err := i.parseMatching(current.Document, pending.version); err == nil {
				return document{next, pending.version.ID, pending.version.Created}, nil
			}
		case !errors.Is(pending.err, ErrVersionNotFound):
			return document{}, pending.err
		}
	}
	password := i.unused
	if password.Empty() {
		password = redact.New("not a password of anybody's")
	}
	next, err := i.Settings.renew(current.Document, i.Settings.next(current.Username()), password)
	return document{next.Document, "", current.created}, err
}
