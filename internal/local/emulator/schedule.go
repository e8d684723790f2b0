package emulator

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// This file is pure: from rotation rules to the windows in which a secret is
// rotated. Source: AWS Secrets Manager User Guide, "Rotation schedules", and API
// Reference, RotationRulesType. All times are UTC.

// Rules are the rotation rules of a secret, as RotateSecret takes them.
type Rules struct {
	AutomaticallyAfterDays int    // 0 if not given
	ScheduleExpression     string // rate(...) or cron(...); "" if not given
	Duration               string // the window's length in whole hours, "3h"; "" if not given
}

// Window is the time in which one rotation is to happen. It opens on the hour.
type Window struct {
	Opens, Closes time.Time
}

// Schedule computes windows. The zero Schedule has none.
type Schedule struct {
	days, hours int   // of rate expressions; one of the two, or neither
	cron        *cron // of cron expressions
	duration    time.Duration
}

// The limits of schedules.
const (
	leastHours = 4
	mostDays   = 999 // of rate(); AutomaticallyAfterDays goes to 1000
)

var (
	rateForm     = regexp.MustCompile(`^rate\(([0-9]+) (hours?|days?)\)$`)
	cronForm     = regexp.MustCompile(`^cron\((.*)\)$`)
	durationForm = regexp.MustCompile(`^([0-9]{1,2})h$`)
)

// ParseSchedule reads rules. Rules without AutomaticallyAfterDays and
// ScheduleExpression give the zero Schedule. The errors name the member and the
// remedy.
func ParseSchedule(rules Rules) (Schedule, error) {
	var s Schedule
	if rules.Duration != "" {
		parts := durationForm.FindStringSubmatch(rules.Duration)
		if parts == nil {
			return Schedule{}, fmt.Errorf("the Duration %q isn't a number of hours such as 3h", rules.Duration)
		}
		hours, _ := strconv.Atoi(parts[1]) // two digits
		if hours < 1 || hours > 24 {
			return Schedule{}, fmt.Errorf("the Duration %q isn't between 1h and 24h", rules.Duration)
		}
		s.duration = time.Duration(hours) * time.Hour
	}
	expression := rules.ScheduleExpression
	switch {
	case rules.AutomaticallyAfterDays != 0 && expression != "":
		return Schedule{}, errors.New("use AutomaticallyAfterDays or ScheduleExpression, not both")
	case rules.AutomaticallyAfterDays != 0:
		s.days = rules.AutomaticallyAfterDays
	case expression == "" && rules.Duration != "":
		return Schedule{}, errors.New("a Duration requires ScheduleExpression or AutomaticallyAfterDays")
	case expression == "":
		return Schedule{}, nil
	default:
		if err := s.parse(expression); err != nil {
			return Schedule{}, fmt.Errorf("the ScheduleExpression %q: %w", expression, err)
		}
	}
	if err := s.check(); err != nil {
		return Schedule{}, err
	}
	return s, nil
}

func (s *Schedule) parse(expression string) error {
	if parts := rateForm.FindStringSubmatch(expression); parts != nil {
		n, err := strconv.Atoi(parts[1])
		switch {
		case err != nil || n < 1 || n > mostDays*24:
			return fmt.Errorf("the rate must be between %d hours and %d days", leastHours, mostDays)
		case strings.HasPrefix(parts[2], "hour"):
			s.hours = n
		case n > mostDays:
			return fmt.Errorf("the rate must be at most %d days", mostDays)
		default:
			s.days = n
		}
		return nil
	}
	parts := cronForm.FindStringSubmatch(expression)
	if parts == nil {
		return errors.New("it must have the form rate(Value Unit), the unit being hours or days, or cron(Minutes Hours Day-of-month Month Day-of-week Year)")
	}
	var err error
	s.cron, err = parseCron(parts[1])
	return err
}

// check walks through the windows of more than a year, which finds every overlap
// whatever the form of the expression: rotations at least four hours apart, no
// window that reaches into the next, and, for a schedule in days, none that
// reaches into the next day.
func (s Schedule) check() error {
	if s.hours > 0 && s.hours < leastHours {
		return fmt.Errorf("a secret can be rotated every %d hours at most", leastHours)
	}
	start := time.Date(2024, time.January, 1, 0, 0, 0, 0, time.UTC).Add(-time.Nanosecond)
	window := s.Next(start)
	for window.Opens.Sub(start) < 400*24*time.Hour {
		next := s.Next(window.Opens)
		switch {
		case next == (Window{}) || s.cron != nil && next.Opens.Sub(window.Opens) > 366*24*time.Hour:
			return errors.New("the schedule must come round at least once a year")
		case next.Opens.Sub(window.Opens) < leastHours*time.Hour:
			return fmt.Errorf("a secret can be rotated every %d hours at most", leastHours)
		case window.Closes.After(next.Opens):
			return errors.New("the rotation window must not extend into the next rotation window; shorten Duration")
		case !s.inHours() && window.Closes.After(midnight(window.Opens).AddDate(0, 0, 1)):
			return errors.New("the rotation window must not extend into the next UTC day; shorten Duration")
		}
		window = next
	}
	return nil
}

// inHours reports whether the schedule can come round more than once a day.
func (s Schedule) inHours() bool {
	return s.hours > 0 || s.cron != nil && len(s.cron.hours) > 1
}

// fromLast reports whether the next window depends on when the last rotation was,
// and not on the calendar alone.
func (s Schedule) fromLast() bool { return s.days > 0 || s.hours > 0 }

// Next returns the first window after a rotation at the moment last. The zero
// Schedule returns the zero Window.
func (s Schedule) Next(last time.Time) Window {
	last = last.UTC()
	var opens time.Time
	switch {
	case s.days > 0:
		opens = midnight(last).AddDate(0, 0, s.days)
	case s.hours > 0:
		opens = last.Truncate(time.Hour).Add(time.Duration(s.hours) * time.Hour)
	case s.cron != nil:
		opens = s.cron.next(last)
	}
	if opens.IsZero() {
		return Window{}
	}
	closes := midnight(opens).AddDate(0, 0, 1)
	switch {
	case s.duration > 0:
		closes = opens.Add(s.duration)
	case s.inHours():
		closes = opens.Add(time.Hour)
	}
	return Window{opens, closes}
}

func midnight(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
}

// cron is a cron expression in the service's dialect: minutes are 0, the year is
// *, and at most one of the two day fields restricts.
type cron struct {
	hours    []int    // ascending
	months   [13]bool // by number
	byWeek   bool     // the days are those of the week, not of the month
	days     [32]bool // of the month
	lastDay  bool     // L: the last of the month
	weekdays [7]bool
	lastWeek [7]bool    // SUNL: the last of its name in the month
	nthWeek  [7][6]bool // SUN#1
}

var (
	monthNames = []string{"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"}
	dayNames   = []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}
)

func parseCron(text string) (*cron, error) {
	fields := strings.Fields(text)
	if len(fields) != 6 {
		return nil, errors.New("cron takes six fields: Minutes Hours Day-of-month Month Day-of-week Year")
	}
	minutes, hours, days, months, weekdays, year := fields[0], fields[1], fields[2], fields[3], fields[4], fields[5]
	if minutes != "0" {
		return nil, errors.New("the minutes must be 0, since rotation windows open on the hour")
	}
	if year != "*" {
		return nil, errors.New("the year must be *")
	}
	open := func(field string) bool { return field == "?" || field == "*" }
	// The guide wants ? in one of the two, and has an example with * in its place.
	if days == "?" && weekdays == "?" || days == "*" && weekdays == "*" || !open(days) && !open(weekdays) {
		return nil, errors.New("one of Day-of-month and Day-of-week must be ?, the other not")
	}
	c := &cron{byWeek: open(days) && weekdays != "?"}

	set, err := parseField("Hours", hours, 0, 23, nil)
	if err != nil {
		return nil, err
	}
	for hour := range 24 {
		if set[hour] {
			c.hours = append(c.hours, hour)
		}
	}
	if set, err = parseField("Month", months, 1, 12, monthNames); err != nil {
		return nil, err
	}
	copy(c.months[:], set)
	if c.byWeek {
		err = c.parseWeekdays(weekdays)
	} else {
		err = c.parseDays(days)
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (c *cron) parseDays(field string) error {
	for part := range strings.SplitSeq(field, ",") {
		if part == "L" {
			c.lastDay = true
			continue
		}
		set, err := parseField("Day-of-month", part, 1, 31, nil)
		if err != nil {
			return err
		}
		for day, in := range set {
			c.days[day] = c.days[day] || in
		}
	}
	return nil
}

func (c *cron) parseWeekdays(field string) error {
	for part := range strings.SplitSeq(field, ",") {
		if part == "L" { // the last day of the week
			part = "SAT"
		}
		if name, ok := strings.CutSuffix(part, "L"); ok {
			day, err := parseNumber("Day-of-week", name, 1, 7, dayNames)
			if err != nil {
				return err
			}
			c.lastWeek[day-1] = true
			continue
		}
		if name, nth, ok := strings.Cut(part, "#"); ok {
			day, err := parseNumber("Day-of-week", name, 1, 7, dayNames)
			if err != nil {
				return err
			}
			n, err := parseNumber("Day-of-week", nth, 1, 5, nil)
			if err != nil {
				return err
			}
			c.nthWeek[day-1][n] = true
			continue
		}
		set, err := parseField("Day-of-week", part, 1, 7, dayNames)
		if err != nil {
			return err
		}
		for day := 1; day <= 7; day++ {
			c.weekdays[day-1] = c.weekdays[day-1] || set[day]
		}
	}
	return nil
}

// parseField reads a list of numbers, names, ranges and increments into a set
// that is indexed by number.
func parseField(name, field string, least, most int, names []string) ([]bool, error) {
	set := make([]bool, most+1)
	for part := range strings.SplitSeq(field, ",") {
		span, step, stepped := strings.Cut(part, "/")
		every := 1
		if stepped {
			var err error
			if every, err = parseNumber(name, step, 1, most, nil); err != nil {
				return nil, err
			}
		}
		from, to := least, most
		if span != "*" {
			first, last, isRange := strings.Cut(span, "-")
			var err error
			if from, err = parseNumber(name, first, least, most, names); err != nil {
				return nil, err
			}
			switch {
			case isRange:
				if to, err = parseNumber(name, last, least, most, names); err != nil {
					return nil, err
				}
				if to < from {
					return nil, fmt.Errorf("%s: the range %q ends before it begins", name, span)
				}
			case !stepped:
				to = from
			}
		}
		for n := from; n <= to; n += every {
			set[n] = true
		}
	}
	return set, nil
}

func parseNumber(name, text string, least, most int, names []string) (int, error) {
	if i := slices.Index(names, strings.ToUpper(text)); i >= 0 {
		return i + 1, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("%s: %q isn't between %d and %d", name, text, least, most)
	}
	return n, nil
}

// next returns the first opening after the moment, or the zero time if the next
// nine years have none: 29 February can be eight years away.
func (c *cron) next(after time.Time) time.Time {
	for day, end := midnight(after), after.AddDate(9, 0, 0); day.Before(end); day = day.AddDate(0, 0, 1) {
		if !c.on(day) {
			continue
		}
		for _, hour := range c.hours {
			if opens := day.Add(time.Duration(hour) * time.Hour); opens.After(after) {
				return opens
			}
		}
	}
	return time.Time{}
}

func (c *cron) on(day time.Time) bool {
	if !c.months[day.Month()] {
		return false
	}
	last := day.AddDate(0, 0, 1).Month() != day.Month()
	if !c.byWeek {
		return c.days[day.Day()] || c.lastDay && last
	}
	weekday := day.Weekday()
	lastOfName := day.AddDate(0, 0, 7).Month() != day.Month()
	return c.weekdays[weekday] || c.lastWeek[weekday] && lastOfName || c.nthWeek[weekday][(day.Day()-1)/7+1]
}
