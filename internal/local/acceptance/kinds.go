package acceptance

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// tag is one of a resource, as the services' answers have it.
type tag struct{ Key, Value string }

// state is what an account says of a resource.
type state struct {
	absent bool // nobody has it
	gone   bool // it is removed, and there all the same
	going  bool // it is being removed
	tags   []tag
	// empty is that there is nothing in it yet and that it can have no tags, so that
	// removing it takes nothing from anybody.
	empty bool
	vpc   string // that an internet gateway is attached to
}

func (s state) of(run string) bool { return slices.Contains(s.tags, tag{Tag, run}) }

// absent are the codes by which the services say that there is no such thing.
var absent = []string{
	"ResourceNotFoundException", "DBInstanceNotFound", "DBInstanceNotFoundFault", "DBClusterNotFoundFault", "DBClusterNotFound", "DBSubnetGroupNotFoundFault",
	"DBSubnetGroupNotFound", "NoSuchBucket",
}

func isAbsent(err error) bool {
	name := code(err)
	return slices.Contains(absent, name) || strings.HasSuffix(name, ".NotFound") || name == "ValidationError" && strings.Contains(err.Error(), "does not exist")
}

// of EC2: how one is described, and where the answer has it.
var described = map[kind][4]string{
	vpcKind:           {"describe-vpcs", "--vpc-ids", "Vpcs", "delete-vpc --vpc-id"},
	subnetKind:        {"describe-subnets", "--subnet-ids", "Subnets", "delete-subnet --subnet-id"},
	gatewayKind:       {"describe-internet-gateways", "--internet-gateway-ids", "InternetGateways", "delete-internet-gateway --internet-gateway-id"},
	securityGroupKind: {"describe-security-groups", "--group-ids", "SecurityGroups", "delete-security-group --group-id"},
	endpointKind:      {"describe-vpc-endpoints", "--vpc-endpoint-ids", "VpcEndpoints", "delete-vpc-endpoints --vpc-endpoint-ids"},
}

// look asks an account for a resource.
func (c cli) look(ctx context.Context, one resource) (state, error) {
	s, err := c.lookAt(ctx, one)
	if isAbsent(err) {
		return state{absent: true}, nil
	}
	return s, err
}

func (c cli) lookAt(ctx context.Context, one resource) (s state, err error) {
	var answer struct {
		Tags, TagList      []tag
		Status, State, Arn string
		DeletedDate        any
		Attachments        []struct{ VpcId string }
		DBSubnetGroupArn   string
	}
	switch one.Kind {
	case secretKind:
		err = c.query(ctx, &answer, "secretsmanager", "describe-secret", "--secret-id", one.ID)
		s.gone = answer.DeletedDate != nil // for all but those who restore it
	case instanceKind:
		err = c.query(ctx, &answer, "rds", "describe-db-instances", "--db-instance-identifier", one.ID, "--query", "DBInstances[0].{TagList: TagList, Status: DBInstanceStatus}")
	case clusterKind:
		err = c.query(ctx, &answer, "rds", "describe-db-clusters", "--db-cluster-identifier", one.ID, "--query", "DBClusters[0].{TagList: TagList, Status: Status}")
	case subnetGroupKind:
		if err = c.query(ctx, &answer, "rds", "describe-db-subnet-groups", "--db-subnet-group-name", one.ID, "--query", "DBSubnetGroups[0]"); err == nil {
			err = c.query(ctx, &answer, "rds", "list-tags-for-resource", "--resource-name", answer.DBSubnetGroupArn)
		}
	case stackKind:
		err = c.query(ctx, &answer, "cloudformation", "describe-stacks", "--stack-name", one.ID, "--query", "Stacks[0].{Tags: Tags, Status: StackStatus}")
		s.empty = answer.Status == "REVIEW_IN_PROGRESS" // a change set, not executed
		s.gone = answer.Status == "DELETE_COMPLETE"
	case logGroupKind:
		return c.lookAtLogGroup(ctx, one.ID)
	case bucketKind:
		var tagged struct{ TagSet []tag }
		err = c.query(ctx, &tagged, "s3api", "get-bucket-tagging", "--bucket", one.ID)
		if code(err) == "NoSuchTagSet" {
			return state{empty: true}, nil // its removal is refused unless it is
		}
		return state{tags: tagged.TagSet}, err
	default:
		how, known := described[one.Kind]
		if !known {
			return s, fmt.Errorf("%s is of no known kind", one)
		}
		err = c.query(ctx, &answer, "ec2", how[0], how[1], one.ID, "--query", how[2]+"[0]")
		s.gone = answer.State == "deleted"
	}
	s.tags = append(answer.Tags, answer.TagList...)
	s.going = answer.Status == "deleting" || answer.Status == "DELETE_IN_PROGRESS" || answer.State == "deleting"
	for _, attached := range answer.Attachments {
		s.vpc = attached.VpcId
	}
	return s, err
}

func (c cli) lookAtLogGroup(ctx context.Context, name string) (state, error) {
	var groups []struct{ LogGroupName, LogGroupArn, Arn string }
	if err := c.query(ctx, &groups, "logs", "describe-log-groups", "--log-group-name-prefix", name, "--query", "logGroups[].{LogGroupName: logGroupName, Arn: arn}"); err != nil {
		return state{}, err
	}
	for _, group := range groups {
		if group.LogGroupName != name {
			continue
		}
		var tags map[string]string
		err := c.query(ctx, &tags, "logs", "list-tags-for-resource", "--resource-arn", strings.TrimSuffix(group.Arn, ":*"), "--query", "tags")
		var s state
		for key, value := range tags {
			s.tags = append(s.tags, tag{key, value})
		}
		return s, err
	}
	return state{absent: true}, nil
}

// removalCalls are the calls that remove a resource, in their order. A call that fails may
// be made again.
func removalCalls(one resource, s state) [][]string {
	switch one.Kind {
	case secretKind:
		return [][]string{{"secretsmanager", "delete-secret", "--secret-id", one.ID, "--recovery-window-in-days", "7"}}
	case instanceKind:
		return [][]string{{"rds", "delete-db-instance", "--db-instance-identifier", one.ID, "--skip-final-snapshot", "--delete-automated-backups"}}
	case clusterKind:
		return [][]string{{"rds", "delete-db-cluster", "--db-cluster-identifier", one.ID, "--skip-final-snapshot"}}
	case subnetGroupKind:
		return [][]string{{"rds", "delete-db-subnet-group", "--db-subnet-group-name", one.ID}}
	case stackKind:
		return [][]string{{"cloudformation", "delete-stack", "--stack-name", one.ID}}
	case logGroupKind:
		return [][]string{{"logs", "delete-log-group", "--log-group-name", one.ID}}
	case bucketKind:
		if s.empty {
			return [][]string{{"s3", "rb", "s3://" + one.ID}}
		}
		return [][]string{{"s3", "rb", "s3://" + one.ID, "--force"}}
	}
	calls := [][]string{append([]string{"ec2"}, append(strings.Fields(described[one.Kind][3]), one.ID)...)}
	if s.vpc != "" {
		calls = slices.Insert(calls, 0, []string{"ec2", "detach-internet-gateway", "--internet-gateway-id", one.ID, "--vpc-id", s.vpc})
	}
	return calls
}

// resourceOf reads an ARN, and reports whether a run makes what it names: what is in a
// stack goes with the stack.
func resourceOf(arn string) (resource, bool) {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 {
		return resource{}, false
	}
	rest := parts[5]
	before, after, _ := strings.Cut(rest, ":")
	switch parts[2] {
	case "secretsmanager":
		if i := strings.LastIndex(after, "-"); before == "secret" && i > 0 {
			return resource{secretKind, after[:i]}, true
		}
	case "rds":
		switch before {
		case "db":
			return resource{instanceKind, after}, true
		case "cluster":
			return resource{clusterKind, after}, true
		case "subgrp":
			return resource{subnetGroupKind, after}, true
		}
	case "logs":
		if before == "log-group" {
			return resource{logGroupKind, strings.TrimSuffix(after, ":*")}, true
		}
	case "s3":
		return resource{bucketKind, rest}, true
	case "cloudformation":
		if kind, name, _ := strings.Cut(rest, "/"); kind == "stack" {
			name, _, _ = strings.Cut(name, "/")
			return resource{stackKind, name}, true
		}
	case "ec2":
		kind, id, _ := strings.Cut(rest, "/")
		for k, word := range resourceTypes {
			if word == kind {
				return resource{k, id}, true
			}
		}
	}
	return resource{}, false
}

// order is that in which kinds are made; they are removed in the opposite one.
var order = []kind{bucketKind, vpcKind, gatewayKind, subnetKind, subnetGroupKind, securityGroupKind, endpointKind, clusterKind, instanceKind, secretKind, logGroupKind, stackKind}
