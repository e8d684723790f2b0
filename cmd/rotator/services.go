package main

import (
	"sync"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"

	"tandem/internal/awsrds"
	"tandem/internal/awssdk"
	"tandem/internal/awssecrets"
	"tandem/internal/config"
	"tandem/internal/rotation"
)

// services has AWS's services as the role for a secret sees them. Each role's are made
// once in a process, so that its credentials are asked for once.
type services struct {
	settings config.Config
	sdk      aws.Config
	roots    awssdk.Roots

	mutex sync.Mutex
	made  map[string]clients // by the role's ARN
}

type clients struct {
	secrets *awssecrets.Client
	rds     rotation.RDS
}

// newServices makes those at once that do not depend on the secret.
func newServices(sdk aws.Config, roots awssdk.Roots, settings config.Config) *services {
	s := &services{settings: settings, sdk: sdk, roots: roots, made: map[string]clients{}}
	if role, err := settings.Role.For(""); err == nil {
		s.as(role)
	}
	return s
}

// of gives a rotator the services for a secret, or the error that there is no role for it.
func (s *services) of(secretID string, rotator *rotation.Rotator) {
	role, err := s.settings.Role.For(secretID)
	s.give(rotator, role, err)
}

// ofFunction gives a rotator the services for a check of every secret, likewise.
func (s *services) ofFunction(functionARN string, rotator *rotation.Rotator) {
	role, err := s.settings.Role.OfFunction(functionARN)
	s.give(rotator, role, err)
}

func (s *services) give(rotator *rotation.Rotator, role config.Role, err error) {
	if err != nil {
		rotator.ConfigError = err
		return
	}
	c := s.as(role)
	rotator.Secrets, rotator.Lister, rotator.RDS = c.secrets, c.secrets, c.rds
}

func (s *services) as(role config.Role) clients {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if c, made := s.made[role.ARN]; made {
		return c
	}
	assumed := awssecrets.As(s.sdk, s.roots, role, lambdacontext.FunctionName)
	asked := s.sdk
	if s.settings.RDSAsRole {
		asked = assumed
	}
	c := clients{secrets: awssecrets.New(assumed, s.roots, s.settings.SecretsManagerEndpoint, s.settings.Password), rds: awsrds.New(asked, s.roots)}
	s.made[role.ARN] = c
	return c
}
