package acceptance

import (
	"fmt"
	"slices"
	"strings"
)

// item is something that a run makes, and for how long.
type item struct {
	count      int
	what, from string
	price      string
}

// The prices are AWS's, differ between regions, and change.
const (
	pricesOfRDS    = "https://aws.amazon.com/rds/pricing/"
	pricesOfAurora = "https://aws.amazon.com/rds/aurora/pricing/"
	pricesOfLink   = "https://aws.amazon.com/privatelink/pricing/"
	pricesOfVPC    = "https://aws.amazon.com/vpc/pricing/"
	pricesOfSecret = "https://aws.amazon.com/secrets-manager/pricing/"
	pricesOfLambda = "https://aws.amazon.com/lambda/pricing/"
	pricesOfS3     = "https://aws.amazon.com/s3/pricing/"
	free           = "free"
)

// items are all that a run makes, in the order of its making.
func (r *run) items() []item {
	all := []item{{1, "bucket of S3 for the functions' code", "for the whole run", pricesOfS3}}
	if r.VPC == "" {
		all = append(all,
			item{1, "VPC with two subnets, an internet gateway and a route", "for the whole run", free},
			item{4, "network interfaces of two interface endpoints (Secrets Manager, RDS), each in two availability zones", "for the whole run, by the hour", pricesOfLink})
	}
	all = append(all, item{1, "security group and DB subnet group", "for the whole run", free})
	for _, engine := range r.Engines {
		during := "while " + engine + " is played, by the hour"
		if engine == aurora {
			all = append(all,
				item{1, "Aurora MySQL cluster with its storage", during, pricesOfAurora},
				item{2, "instances db.t4g.medium in it, each with a public IPv4 address (" + pricesOfVPC + ")", during, pricesOfAurora},
				item{3, "secrets", "until the clean-up", pricesOfSecret},
				item{1, "stack with a function, its role and its log group", "until the clean-up", pricesOfLambda})
			continue
		}
		all = append(all,
			item{3, engine + " instances db.t4g.micro with 20 GB each, one of them a read replica, each with a public IPv4 address (" + pricesOfVPC + ")", during, pricesOfRDS},
			item{6, "secrets, one of them RDS's own", "until the clean-up", pricesOfSecret},
			item{2, "stacks with a function, its role and its log group", "until the clean-up", pricesOfLambda})
	}
	return all
}

// plan says what is going to be made, for how long, and what it costs.
func (r *run) plan() {
	r.say("make acceptance, run %s: in account %s, region %s, it will make and remove again:\n", r.name, r.account, r.region)
	for _, one := range r.items() {
		r.say("  %d %s\n      %s; price: %s", one.count, one.what, one.from, one.price)
	}
	if r.VPC != "" {
		r.say("\nIn the VPC %s, in which nothing else is made or changed.", r.VPC)
	}
	r.say("\nAll of it bears the tag %s=%s. The secrets stay for seven days as deleted ones.", Tag, r.name)
	r.say("\nThe cost is the sum of: hours x count x price by the hour. The prices are AWS's and change; they are on the pages above.")
	r.say("How long: RDS takes some minutes for each instance, a stack with a function in a VPC up to twenty to go.")
	if slices.ContainsFunc(r.Engines, func(engine string) bool { return engine != aurora }) {
		r.say("The rotation from the schedule comes at the next full hour, or up to an hour later, and is waited for.")
	}
	r.say("Engines: %s, one after the other.\n", strings.Join(r.Engines, ", "))
}

// planRemoval says what of earlier runs is going to be removed.
func (r *run) planRemoval(earlier []left) {
	for _, one := range earlier {
		r.say("The run %s has left this, which is removed first: %s", one.Run, orNothing(listed(one.Left)))
		for _, k := range one.Unnamed {
			r.say("  and a %s, if it was made", k)
		}
	}
}

func orNothing(text string) string {
	if text == "" {
		return "nothing but files"
	}
	return fmt.Sprint(text)
}
