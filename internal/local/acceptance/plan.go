package acceptance

import "strings"

// item is something that a run makes.
type item struct {
	count int
	what  string
	hours float64
	// price is what one costs by the hour, in dollars of us-east-1 in 2026, rounded up.
	price float64
	page  string // has the price
}

// How long an engine is played, and how much longer the one whose window is awaited; at
// the most, where nothing hangs.
const (
	engineHours   = 2
	scheduleHours = 2
)

// The prices by the hour.
const (
	microPrice   = 0.025  // an instance 0.016, storage 0.115 by the month for 20 GB, the address 0.005
	auroraPrice  = 0.09   // an instance and its address
	storagePrice = 0.01   // some GB, and some requests
	linkPrice    = 0.01   // an endpoint in an availability zone
	secretPrice  = 0.0006 // 0.40 by the month
	otherPrice   = 0.001  // what is counted by requests and bytes
)

// items are all that a run makes, in the order of its making.
func (r *run) items() []item {
	hours := float64(engineHours*len(r.Engines) + scheduleHours)
	all := []item{{1, "bucket of S3 for the functions' code", hours, otherPrice, "https://aws.amazon.com/s3/pricing/"}}
	if r.VPC == "" {
		all = append(all,
			item{1, "VPC with two subnets, an internet gateway and a route", hours, 0, ""},
			item{4, "network interfaces of two interface endpoints (Secrets Manager, RDS), each in two availability zones", hours, linkPrice, "https://aws.amazon.com/privatelink/pricing/"})
	}
	all = append(all, item{1, "security group and DB subnet group", hours, 0, ""})
	for i, engine := range r.Engines {
		hours := float64(engineHours)
		if i == 0 {
			hours += scheduleHours
		}
		if engine == aurora {
			all = append(all,
				item{2, "Aurora MySQL clusters with their storage", hours, storagePrice, "https://aws.amazon.com/rds/aurora/pricing/"},
				item{3, "instances db.t4g.medium in them, one of them a reader, each with a public IPv4 address", hours, auroraPrice, "https://aws.amazon.com/rds/aurora/pricing/"})
		} else {
			all = append(all, item{3, engine + " instances db.t4g.micro with 20 GB each, one of them a read replica, each with a public IPv4 address", hours, microPrice, "https://aws.amazon.com/rds/pricing/"})
		}
		all = append(all,
			item{6, "secrets for " + engine + ", one of them RDS's own", hours, secretPrice, "https://aws.amazon.com/secrets-manager/pricing/"},
			item{3, "stacks for " + engine + " with a function, its role and its log group", hours, otherPrice, "https://aws.amazon.com/lambda/pricing/"})
	}
	return all
}

// cost is what they cost together, in dollars.
func cost(all []item) float64 {
	sum := 0.0
	for _, one := range all {
		sum += float64(one.count) * one.hours * one.price
	}
	return sum
}

// plan says what is going to be made, for how long, and what it costs.
func (r *run) plan() {
	all := r.items()
	r.say("make acceptance, run %s: in account %s, region %s, it will make and remove again:\n", r.name, r.account, r.region)
	for _, one := range all {
		if one.price == 0 {
			r.say("  %d %s, free", one.count, one.what)
			continue
		}
		r.say("  %d %s\n      for about %g hours, about $%g by the hour each (%s)", one.count, one.what, one.hours, one.price, one.page)
	}
	if r.VPC != "" {
		r.say("\nIn the VPC %s, in which nothing else is made or changed.", r.VPC)
	}
	r.say("\nAbout $%.2f together, by the prices of us-east-1 in 2026. They differ between regions and change: those pages have today's. The public addresses' are on https://aws.amazon.com/vpc/pricing/.", cost(all))
	r.say("All of it bears the tag %s=%s. The secrets stay for seven days as deleted ones, which cost nothing.", Tag, r.name)
	r.say("RDS takes some minutes for each instance, and a stack with a function in a VPC up to twenty to go. The rotation from the schedule, on %s, comes at the next full hour, or up to an hour later, and is waited for.", r.Engines[0])
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
	return text
}
