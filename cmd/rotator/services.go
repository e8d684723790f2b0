package main

import (
	"sync"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"

	"tandem/internal/awsrds"
	"tandem/internal/awssecrets"
	"tandem/internal/config"
	"tandem/internal/rotation"
)

// services has AWS's services as the role for a secret sees them. Each role's are made
// once in a process, so that its credentials are asked for once.
type services struct {
	settings config.Config
	sdk      aws.Config

	mutex sync.Mutex
	made  map[string]clients // by the role's ARN
}

type clients struct {
	secrets rotation.Secrets
	rds     rotation.RDS
}

// newServices makes those at once that do not depend on the secret.
func newServices(sdk aws.Config, settings config.Config) *services {
	s := &services{settings: settings, sdk: sdk, made: map[string]clients{}}
	if role, err := settings.Role.For(""); err == nil {
		s.as(role)
	}
	return s
}

// of returns Secrets Manager and RDS for a secret, or the error that there is no role
// for it.
func (s *services) of(secretID string) (rotation.Secrets, rotation.RDS, error) {
	role, err := s.settings.Role.For(secretID)
	if err != nil {
		return nil, nil, err
	}
	c := s.as(role)
	return c.secrets, c.rds, nil
}

func (s *services) as(role config.Role) clients {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if c, made := s.made[role.ARN]; made {
		return c
	}
	assumed := awssecrets.As(s.sdk, role, lambdacontext.FunctionName)
	asked := s.sdk
	if s.settings.RDSAsRole {
		asked = assumed
	}
	c := clients{secrets: awssecrets.New(assumed, s.settings.SecretsManagerEndpoint, s.settings.Password), rds: awsrds.New(asked)}
	s.made[role.ARN] = c
	return c
}
