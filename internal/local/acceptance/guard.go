package acceptance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
)

// What the program tells its guard.
const (
	runVariable    = "TANDEM_ACCEPTANCE_RUN"
	cliVariable    = "TANDEM_ACCEPTANCE_CLI"
	folderVariable = "TANDEM_ACCEPTANCE_JOURNAL" // the journal's path
	stopVariable   = "TANDEM_ACCEPTANCE_STOP"    // a file that is there once nothing more may be done
)

// operation is what a step may have the AWS CLI do.
type operation struct {
	// makes is the kind that it makes, and named the option that names the new one;
	// empty where EC2 gives it an ID, which begins with prefix.
	makes         kind
	named, prefix string
	// on is the option that names what it is done to, and ofKinds what that may be.
	on      string
	ofKinds []kind
	free    bool // it is about nothing of anybody's
}

func reads() operation                               { return operation{free: true} }
func creates(k kind, named string) operation         { return operation{makes: k, named: named} }
func createsIn(k kind, prefix string) operation      { return operation{makes: k, prefix: prefix} }
func acts(on string, ofKinds ...kind) operation      { return operation{on: on, ofKinds: ofKinds} }
func (o operation) only(on string, k kind) operation { o.on, o.ofKinds = on, []kind{k}; return o }

// operations are all that steps may do. What is not here is refused.
var operations = map[string]operation{
	"secretsmanager get-random-password":     reads(),
	"secretsmanager create-secret":           creates(secretKind, "--name"),
	"secretsmanager get-secret-value":        acts("--secret-id", secretKind),
	"secretsmanager describe-secret":         acts("--secret-id", secretKind),
	"secretsmanager list-secret-version-ids": acts("--secret-id", secretKind),
	"secretsmanager rotate-secret":           acts("--secret-id", secretKind),
	"secretsmanager cancel-rotate-secret":    acts("--secret-id", secretKind),
	"secretsmanager delete-secret":           acts("--secret-id", secretKind),

	"rds create-db-subnet-group":          creates(subnetGroupKind, "--db-subnet-group-name"),
	"rds create-db-cluster":               creates(clusterKind, "--db-cluster-identifier"),
	"rds create-db-instance":              creates(instanceKind, "--db-instance-identifier"),
	"rds create-db-instance-read-replica": creates(instanceKind, "--db-instance-identifier").only("--source-db-instance-identifier", instanceKind),
	"rds modify-db-instance":              acts("--db-instance-identifier", instanceKind),
	"rds modify-db-cluster":               acts("--db-cluster-identifier", clusterKind),
	"rds describe-db-instances":           acts("--db-instance-identifier", instanceKind),
	"rds describe-db-clusters":            acts("--db-cluster-identifier", clusterKind),
	"rds wait":                            acts("--db-instance-identifier", instanceKind),
	"rds delete-db-instance":              acts("--db-instance-identifier", instanceKind),
	"rds delete-db-subnet-group":          acts("--db-subnet-group-name", subnetGroupKind),

	"ec2 describe-vpcs":                    reads(),
	"ec2 describe-subnets":                 reads(),
	"ec2 describe-route-tables":            reads(),
	"ec2 describe-availability-zones":      reads(),
	"ec2 create-vpc":                       createsIn(vpcKind, "vpc-"),
	"ec2 create-internet-gateway":          createsIn(gatewayKind, "igw-"),
	"ec2 create-subnet":                    createsIn(subnetKind, "subnet-").only("--vpc-id", vpcKind),
	"ec2 create-security-group":            createsIn(securityGroupKind, "sg-"),
	"ec2 create-vpc-endpoint":              createsIn(endpointKind, "vpce-").only("--vpc-id", vpcKind),
	"ec2 modify-vpc-attribute":             acts("--vpc-id", vpcKind),
	"ec2 attach-internet-gateway":          acts("--internet-gateway-id", gatewayKind),
	"ec2 create-route":                     acts("--gateway-id", gatewayKind),
	"ec2 authorize-security-group-ingress": acts("--group-id", securityGroupKind),
	"ec2 delete-vpc-endpoints":             acts("--vpc-endpoint-ids", endpointKind),
	"ec2 delete-security-group":            acts("--group-id", securityGroupKind),

	"cloudformation describe-stacks": acts("--stack-name", stackKind),
	"cloudformation delete-stack":    acts("--stack-name", stackKind),
	"cloudformation wait":            acts("--stack-name", stackKind),

	// A function has the name of its stack.
	"lambda invoke":               acts("--function-name", stackKind),
	"lambda update-function-code": acts("--function-name", stackKind),
	"lambda wait":                 acts("--function-name", stackKind),

	"logs filter-log-events": acts("--log-group-name", logGroupKind),
	"logs delete-log-group":  acts("--log-group-name", logGroupKind),
}

// resourceTypes are EC2's words for the kinds that it tags as it makes them.
var resourceTypes = map[kind]string{
	vpcKind: "vpc", gatewayKind: "internet-gateway", subnetKind: "subnet", securityGroupKind: "security-group", endpointKind: "vpc-endpoint",
}

// Guard is the aws of the steps: it looks at what the CLI is to do, and has it done. It
// returns the exit code.
func Guard(ctx context.Context, words []string) int {
	j := journal{os.Getenv(folderVariable)}
	before, err := j.read()
	if err == nil {
		err = over()
	}
	if err == nil {
		words, err = guarded(words, os.Getenv(runVariable), before)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "make acceptance:", err)
		return 1
	}
	op := operations[operationOf(words)]
	if op.makes == "" {
		return execute(ctx, words, os.Stdout)
	}
	endure() // what is being made has to be written down
	if err := j.write(entry{What: making, resource: resource{op.makes, option(words, op.named)}}); err != nil {
		fmt.Fprintln(os.Stderr, "make acceptance:", err)
		return 1
	}
	var out strings.Builder
	status := execute(ctx, words, &out)
	_, _ = fmt.Fprint(os.Stdout, out.String())
	if status != 0 {
		return status
	}
	id := option(words, op.named)
	if op.named == "" {
		if id = regexp.MustCompile(`\b` + op.prefix + `[0-9a-z]+\b`).FindString(out.String()); id == "" {
			fmt.Fprintln(os.Stderr, "make acceptance: the ID of what was made is not in the answer; it is looked for by its tag")
			return 1
		}
	}
	if err := j.write(entry{What: made, resource: resource{op.makes, id}}); err != nil {
		fmt.Fprintln(os.Stderr, "make acceptance:", err)
		return 1
	}
	return 0
}

// over is why a step is to do nothing more: the run is ending, or its program, which
// reads descriptor 3, was killed. That ends the chapter, which might wait for ever.
func over() error {
	_, err := os.Stat(os.Getenv(stopVariable))
	if err != nil {
		if _, err := os.NewFile(3, "marks").WriteString("\n"); !errors.Is(err, syscall.EPIPE) {
			return nil
		}
	}
	endChapter()
	return errors.New("the run is ending: nothing more is done")
}

func operationOf(words []string) string { return strings.Join(words[:min(2, len(words))], " ") }

// option is the value of an option, empty where it is not given.
func option(words []string, name string) string {
	if i := slices.Index(words, name); name != "" && i >= 0 && i+1 < len(words) {
		return words[i+1]
	}
	return ""
}

// once reports whether an option is given, and not twice.
func once(words []string, name string) bool {
	i := slices.Index(words, name)
	return i >= 0 && !slices.Contains(words[i+1:], name)
}

// guarded are the words as the CLI gets them, with the tag for what is made; or why
// they are refused.
func guarded(words []string, run string, made record) ([]string, error) {
	name := operationOf(words)
	op, known := operations[name]
	if !known {
		return nil, fmt.Errorf("no step may do %q", name)
	}
	for _, word := range words {
		for _, apart := range []string{"--endpoint-url", "--profile", "--region", "--cli-input", "--debug"} {
			if strings.HasPrefix(word, apart) {
				return nil, fmt.Errorf("%s: no step may use %s", name, apart)
			}
		}
		if strings.Contains(word, "=") && strings.HasPrefix(word, "--") {
			return nil, fmt.Errorf("%s: the value of %s has to be a word of its own", name, word[:strings.Index(word, "=")])
		}
	}
	if op.on != "" {
		if err := ours(words, op, made); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	if op.makes == "" {
		return words, nil
	}
	if op.named != "" && (!once(words, op.named) || !strings.Contains(option(words, op.named), "-"+run)) {
		return nil, fmt.Errorf("%s: what %s names, once, has to have the name of the run in it", name, op.named)
	}
	if op.prefix != "" {
		return append(slices.Clone(words), "--tag-specifications", "ResourceType="+resourceTypes[op.makes]+",Tags=[{Key="+Tag+",Value="+run+"}]"), nil
	}
	return append(slices.Clone(words), "--tags", "Key="+Tag+",Value="+run), nil
}

// ours looks whether the run has made what an operation is done to.
func ours(words []string, op operation, made record) error {
	target := option(words, op.on)
	if !once(words, op.on) || target == "" {
		return fmt.Errorf("%s has to name what it is done to, once", op.on)
	}
	if i := slices.Index(words, op.on); i+2 < len(words) && !strings.HasPrefix(words[i+2], "--") {
		return fmt.Errorf("%s may name one only", op.on)
	}
	if slices.ContainsFunc(op.ofKinds, func(k kind) bool { return made.has(resource{k, target}) }) {
		return nil
	}
	return errors.New("what " + op.on + " names was not made by this run")
}

// execute runs the CLI. What makes something goes on when its caller is ended.
func execute(ctx context.Context, words []string, out io.Writer) int {
	return executeProgram(ctx, os.Getenv(cliVariable), words, out, operations[operationOf(words)].makes != "")
}

func executeProgram(ctx context.Context, program string, words []string, out io.Writer, apart bool) int {
	command := exec.CommandContext(ctx, program, words...)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, out, os.Stderr
	if apart {
		separate(command)
	}
	err := command.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return max(1, exit.ExitCode())
	}
	fmt.Fprintln(os.Stderr, "make acceptance: running the program:", err)
	return 1
}

const samVariable = "TANDEM_ACCEPTANCE_SAM"

// GuardSAM is the sam of the steps: it writes down a stack, and its function's log
// group, before SAM makes them.
func GuardSAM(ctx context.Context, words []string) int {
	stack := option(words, "--stack-name")
	err := over()
	if err == nil {
		err = guardedSAM(words, os.Getenv(runVariable), stack)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "make acceptance:", err)
		return 1
	}
	if stack != "" {
		j := journal{os.Getenv(folderVariable)}
		for _, one := range []resource{{logGroupKind, "/aws/lambda/" + stack}, {stackKind, stack}} {
			if err := j.write(entry{What: making, resource: one}); err != nil {
				fmt.Fprintln(os.Stderr, "make acceptance:", err)
				return 1
			}
		}
	}
	return executeProgram(ctx, os.Getenv(samVariable), words, os.Stdout, false)
}

func guardedSAM(words []string, run, stack string) error {
	switch {
	case slices.Equal(words, []string{"build"}):
		return nil
	case len(words) == 0 || words[0] != "deploy" || !strings.Contains(stack, "-"+run):
		return errors.New("no step may have SAM do that")
	case option(words, "--tags") != Tag+"="+run || option(words, "--s3-bucket") != Tag+"-"+run:
		return errors.New("what SAM deploys has to have the run's tag, and to go by its bucket")
	}
	return nil
}
