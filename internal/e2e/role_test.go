package e2e

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tandem/internal/local/dbserver"
	"tandem/internal/local/emulator"
	"tandem/internal/local/sandbox"
)

// The secrets are another account's, where the function works as a role of that
// account, and as nobody else.

const (
	otherAccount = "210987654321"
	otherRole    = "arn:aws:iam::" + otherAccount + ":role/rotation"
	ownRole      = "arn:aws:sts::123456789012:assumed-role/tandem-function/tandem"
	ownKey       = "FUNCTION"
)

// roleOfReadme allows what .github/deploying/README.md says that the role needs: of a secret that this
// function rotates, of the admin secret, and of none in particular.
func roleOfReadme() emulator.Role {
	secrets := "arn:aws:secretsmanager:" + sandbox.Region + ":" + otherAccount + ":secret:*"
	return emulator.Role{
		ARN: otherRole, Trusts: []string{ownRole}, ExternalID: "as-agreed",
		Allows: []emulator.Permission{
			{
				Actions: []string{
					"secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue", "secretsmanager:UpdateSecretVersionStage",
				},
				Resources: []string{secrets}, RotationFunction: sandbox.FunctionARN,
			},
			{Actions: []string{"secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"}, Resources: []string{secrets + "admin*", strings.Replace(secrets, "*", "rds!*", 1)}},
			{Actions: []string{"secretsmanager:GetRandomPassword"}, Resources: []string{"*"}},
		},
	}
}

// inAnotherAccount has the secrets be another account's, which gives the function
// that role; by its own keys it may only assume it and ask RDS.
func inAnotherAccount(role emulator.Role, env ...string) option {
	return func(_ *deployment, o *sandbox.Options) {
		o.Env = append(append(o.Env, "AWS_ACCESS_KEY_ID="+ownKey, "ROTATION_ROLE_ARN="+otherRole, "ROTATION_ROLE_EXTERNAL_ID=as-agreed"), env...)
		sm := &o.SecretsManager
		sm.Account, sm.RequireRotationToken = otherAccount, true
		sm.Principals, sm.Roles = map[string]string{ownKey: ownRole}, []emulator.Role{role}
		sm.Authorize = func(identity, operation, _ string) error {
			if identity == ownKey && operation != "AssumeRole" && !strings.HasPrefix(operation, "DescribeDB") {
				return &emulator.Error{Code: "AccessDeniedException", Message: "not of this account"}
			}
			return nil
		}
	}
}

// Whatever is asked of Secrets Manager is asked as the role, and RotationToken goes
// back as it came; RDS is asked as the function itself.
func TestRoleOfAnotherAccount(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		w := newDeployment(t, on, inAnotherAccount(roleOfReadme()))
		shop := emulator.DBInstance{ID: "shop", Account: "123456789012", Engine: string(w.Engine()), Host: on.Host, Port: on.Port}
		theirs := shop
		theirs.Account = otherAccount
		w.Service.SetDatabases([]emulator.DBInstance{shop, theirs}, nil)
		w.store(w.user, firstPassword, map[string]any{"masterarn": w.adminManaged(map[string]string{"aws:rds:primaryDBInstanceArn": rdsARN + "db:shop"})})
		for _, user := range []string{w.clone(), w.user} {
			w.mustRotate()
			w.mustBe(user)
		}
		const session = "arn:aws:sts::" + otherAccount + ":assumed-role/rotation/tandem"
		as := map[string]map[string]int{}
		for _, call := range w.Service.Calls() {
			if as[call.Identity] == nil {
				as[call.Identity] = map[string]int{}
			}
			as[call.Identity][call.Operation]++
			if call.Operation == "PutSecretValue" && call.RotationToken != emulator.TokenAsGiven {
				t.Errorf("RotationToken was %q", call.RotationToken)
			}
		}
		if as[ownKey]["AssumeRole"] == 0 || as[ownKey]["DescribeDBInstances"] != 2 || len(as[ownKey]) != 2 {
			t.Errorf("by its own keys: %v", as[ownKey])
		}
		if as[session]["PutSecretValue"] != 2 || as[session]["UpdateSecretVersionStage"] != 2 || as[session]["GetRandomPassword"] != 2 || as[session]["GetSecretValue"] == 0 {
			t.Errorf("as the role: %v", as)
		}
		if as[ownKey]["AssumeRole"] > 1 {
			t.Errorf("the role was assumed %d times in one process", as[ownKey]["AssumeRole"])
		}

		w.store(w.user, firstPassword, map[string]any{"masterarn": w.adminManaged(map[string]string{
			"aws:rds:primaryDBInstanceArn": "arn:aws:rds:" + sandbox.Region + ":" + otherAccount + ":db:shop",
		})})
		w.mustFail("RDSServerNotFound", otherAccount, "for a server of another account")
	})
}

// One function serves the secrets of many accounts, each as the role of its own, which
// is asked about RDS too.
func TestRoleOfTheSecretsAccount(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		role := roleOfReadme()
		role.Allows = append(role.Allows, emulator.Permission{Actions: []string{"rds:DescribeDBInstances"}, Resources: []string{"*"}})
		const each = "arn:aws:iam::{account}:role/rotation"
		w := newDeployment(t, on, inAnotherAccount(role, "ROTATION_ROLE_ARN="+each, "ROTATION_ROLE_FOR_RDS=true"))
		w.Service.SetDatabases([]emulator.DBInstance{{ID: "shop", Account: otherAccount, Engine: string(w.Engine()), Host: on.Host, Port: on.Port}}, nil)
		w.store(w.user, firstPassword, map[string]any{"masterarn": w.adminManaged(map[string]string{
			"aws:rds:primaryDBInstanceArn": "arn:aws:rds:" + sandbox.Region + ":" + otherAccount + ":db:shop",
		})})
		for _, user := range []string{w.clone(), w.user} {
			w.mustRotate()
			w.mustBe(user)
		}
		by := map[string]map[string]int{}
		for _, call := range w.Service.Calls() {
			if by[call.Identity] == nil {
				by[call.Identity] = map[string]int{}
			}
			by[call.Identity][call.Operation]++
		}
		if diff := cmp.Diff(map[string]int{"AssumeRole": 1}, by[ownKey]); diff != "" {
			t.Errorf("by its own keys (-want +got):\n%s", diff)
		}
		if session := by["arn:aws:sts::"+otherAccount+":assumed-role/rotation/tandem"]; session["DescribeDBInstances"] != 2 || session["PutSecretValue"] != 2 {
			t.Errorf("as the role: %v", by)
		}

		// A secret of a third account is none of this role's.
		for secret, words := range map[string][]string{
			"arn:aws:secretsmanager:" + sandbox.Region + ":333333333333:secret:App-AbCdEf": {"RoleNotAssumed", "arn:aws:iam::333333333333:role/rotation"},
			"App": {"EventInvalid", "SecretId has no account", "name the secret by its ARN"},
		} {
			_, err := w.Function.Invoke(t.Context(), []byte(`{"Step": "createSecret", "SecretId": "`+secret+`", "ClientRequestToken": "11111111-2222-3333-4444-555555555555"}`))
			for _, word := range words {
				if err == nil || !strings.Contains(err.Error(), word) {
					t.Errorf("%s: the answer lacks %q: %v", secret, word, err)
				}
			}
		}
		w.mustRotate()
	})
}

// Each thing that the role needs is needed, and what is missing is named.
func TestRoleThatLacksSomething(t *testing.T) {
	servers.Each(t, func(t *testing.T, on *dbserver.Server) {
		for _, test := range []struct {
			name  string
			role  func(*emulator.Role)
			env   string
			words []string
		}{
			{"the trust", func(r *emulator.Role) { r.Trusts = nil }, "", []string{"RoleNotAssumed", otherRole, "AccessDenied", "allow sts:AssumeRole", "trust policy"}},
			{"the external id", func(*emulator.Role) {}, "ROTATION_ROLE_EXTERNAL_ID=", []string{"RoleNotAssumed", "look at ROTATION_ROLE_EXTERNAL_ID"}},
			{"the role", func(r *emulator.Role) { r.ARN += "s" }, "", []string{"RoleNotAssumed", "sts:AssumeRole"}},
			{"an address of STS", func(*emulator.Role) {}, "AWS_ENDPOINT_URL_STS=http://127.0.0.1:1", []string{"RoleNotAssumed", "STS was not reached", "interface endpoint for STS"}},
			{"the secret that this function rotates", func(r *emulator.Role) {
				r.Allows[0].RotationFunction = "arn:aws:lambda:eu-west-1:123456789012:function:another"
			}, "",
				[]string{"SecretsManagerAccessDenied", "secretsmanager:DescribeSecret"}},
			{"the admin secret", func(r *emulator.Role) { r.Allows[1].Resources = nil }, "", []string{"SecretsManagerAccessDenied", "reading the admin secret", "secretsmanager:GetSecretValue"}},
			{"GetRandomPassword", func(r *emulator.Role) { r.Allows[2].Actions = nil }, "", []string{"SecretsManagerAccessDenied", "secretsmanager:GetRandomPassword"}},
			{"a role at all", func(*emulator.Role) {}, "ROTATION_ROLE_ARN=", []string{"ConfigurationInvalid", "ROTATION_ROLE_EXTERNAL_ID"}},
		} {
			t.Run(test.name, func(t *testing.T) {
				role := roleOfReadme()
				test.role(&role)
				w := newDeployment(t, on, inAnotherAccount(role, strings.Fields(test.env)...))
				w.mustFail(test.words...)
				w.mustBe(w.user)
			})
		}
	})
}
