package awssdk

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// state is a boolean that may be left out, which to the SDK is not the same as false.
type state int

const (
	unset state = iota
	enabled
	disabled
)

func (e *environment) boolean(name string) state {
	value := e.first(name)
	switch {
	case value == "":
		return unset
	case strings.EqualFold(value, "true"):
		return enabled
	case strings.EqualFold(value, "false"):
		return disabled
	}
	e.problem(name, "%q is neither true nor false: correct it, or leave it out", value)
	return unset
}

// endpoints is what a service's client asks when it is made: aws.Config has no
// fields for these, and the clients look for methods of these names among
// ConfigSources.
//
// Source: aws-sdk-go-v2, internal/configsources.
type endpoints struct {
	fips, dualStack, ignoreConfigured state
	lookup                            func(string) (string, bool)
}

// endpoints sets where services are reached. AWS_ENDPOINT_URL is for all of them,
// AWS_ENDPOINT_URL_SECRETS_MANAGER and its like for one.
func (e *environment) endpoints(sdk *aws.Config) {
	source := endpoints{
		fips:             e.boolean("AWS_USE_FIPS_ENDPOINT"),
		dualStack:        e.boolean("AWS_USE_DUALSTACK_ENDPOINT"),
		ignoreConfigured: e.boolean("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"),
		lookup:           e.lookup,
	}
	sdk.ConfigSources = []any{source}
	if url := e.first("AWS_ENDPOINT_URL"); url != "" && source.ignoreConfigured != enabled {
		sdk.BaseEndpoint = aws.String(url)
	}
}

// GetUseFIPSEndpoint is what clients look for.
func (s endpoints) GetUseFIPSEndpoint(context.Context) (aws.FIPSEndpointState, bool, error) {
	switch s.fips {
	case enabled:
		return aws.FIPSEndpointStateEnabled, true, nil
	case disabled:
		return aws.FIPSEndpointStateDisabled, true, nil
	}
	return aws.FIPSEndpointStateUnset, false, nil
}

// GetUseDualStackEndpoint is what clients look for.
func (s endpoints) GetUseDualStackEndpoint(context.Context) (aws.DualStackEndpointState, bool, error) {
	switch s.dualStack {
	case enabled:
		return aws.DualStackEndpointStateEnabled, true, nil
	case disabled:
		return aws.DualStackEndpointStateDisabled, true, nil
	}
	return aws.DualStackEndpointStateUnset, false, nil
}

// GetIgnoreConfiguredEndpoints is what clients look for.
func (s endpoints) GetIgnoreConfiguredEndpoints(context.Context) (value, found bool, err error) {
	return s.ignoreConfigured == enabled, s.ignoreConfigured != unset, nil
}

// GetServiceBaseEndpoint is what clients look for, by the service's name.
func (s endpoints) GetServiceBaseEndpoint(_ context.Context, service string) (string, bool, error) {
	url, _ := s.lookup("AWS_ENDPOINT_URL_" + strings.ReplaceAll(strings.ToUpper(service), " ", "_"))
	return url, url != "", nil
}
