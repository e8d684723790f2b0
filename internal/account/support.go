package account

import "time"

// series is a release series whose makers have said when its support ends.
type series struct {
	major, minor int
	ends         time.Time
}

func ending(major, minor, year int, month time.Month, day int) series {
	return series{major, minor, time.Date(year, month, day, 0, 0, 0, 0, time.UTC)}
}

// longTerm are the series with long-term support, oldest first. Those between two
// of them are supported until the next one, and are old where it is out.
//
// Source: Oracle, "Lifetime Support Policy: Oracle Technology Products" (Extended
// Support); MariaDB Foundation, "Maintenance policy".
var longTerm = map[Flavor][]series{
	MySQL: {
		ending(5, 7, 2023, time.October, 31),
		ending(8, 0, 2026, time.April, 30),
		ending(8, 4, 2032, time.April, 30),
	},
	MariaDB: {
		ending(10, 4, 2024, time.June, 18),
		ending(10, 5, 2025, time.June, 24),
		ending(10, 6, 2026, time.July, 6),
		ending(10, 11, 2028, time.February, 16),
		ending(11, 4, 2029, time.May, 29),
		ending(11, 8, 2028, time.June, 4),
	},
}

// SupportEnded reports whether those who make the server have ended its support by
// a day, and when; the time is zero where the series had none of its own.
func (s Server) SupportEnded(now time.Time) (ended time.Time, old bool) {
	known := longTerm[s.Flavor]
	for i, one := range known {
		if s.Major == one.major && s.Minor == one.minor {
			return one.ends, now.After(one.ends)
		}
		if i == len(known)-1 && s.AtLeast(one.major, one.minor, 0) {
			return time.Time{}, false // newer than what is known here
		}
	}
	return time.Time{}, len(known) > 0
}
