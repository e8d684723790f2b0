package emulator_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tandem/internal/local/emulator"
)

func at(text string) time.Time {
	t, err := time.Parse("2006-01-02 15:04", text)
	if err != nil {
		panic(err)
	}
	return t
}

// windows writes windows as "open-close", the close as a time on the day of the
// opening, 24:00 included.
func windows(s emulator.Schedule, from time.Time, n int) []string {
	var all []string
	for range n {
		w := s.Next(from)
		hours := int(w.Closes.Sub(w.Opens.Truncate(24*time.Hour)) / time.Hour)
		all = append(all, w.Opens.Format("2006-01-02 15")+"-"+time.Duration(hours*int(time.Hour)).String())
		from = w.Opens
	}
	return all
}

func TestScheduleWindows(t *testing.T) {
	rate := func(expression string) emulator.Rules { return emulator.Rules{ScheduleExpression: expression} }
	within := func(expression, duration string) emulator.Rules {
		return emulator.Rules{ScheduleExpression: expression, Duration: duration}
	}
	// 2024-01-31 is a Wednesday, and 2024 a leap year.
	last := at("2024-01-31 10:30")
	for _, test := range []struct {
		rules emulator.Rules
		want  []string
	}{
		{emulator.Rules{AutomaticallyAfterDays: 1}, []string{"2024-02-01 00-24h0m0s", "2024-02-02 00-24h0m0s"}},
		{emulator.Rules{AutomaticallyAfterDays: 30, Duration: "3h"}, []string{"2024-03-01 00-3h0m0s"}},
		{rate("rate(1 day)"), []string{"2024-02-01 00-24h0m0s"}},
		{rate("rate(10 days)"), []string{"2024-02-10 00-24h0m0s"}},
		{rate("rate(4 hours)"), []string{"2024-01-31 14-15h0m0s", "2024-01-31 18-19h0m0s", "2024-01-31 22-23h0m0s", "2024-02-01 02-3h0m0s"}},
		{within("rate(12 hours)", "12h"), []string{"2024-01-31 22-34h0m0s"}},
		// The examples of the User Guide.
		{rate("cron(0 10 * * ? *)"), []string{"2024-02-01 10-24h0m0s"}},
		{rate("cron(0 18 ? * SAT *)"), []string{"2024-02-03 18-24h0m0s", "2024-02-10 18-24h0m0s"}},
		{rate("cron(0 8 1 * ? *)"), []string{"2024-02-01 08-24h0m0s", "2024-03-01 08-24h0m0s"}},
		{rate("cron(0 1 * 1/3 SUN *)"), []string{"2024-04-07 01-24h0m0s", "2024-04-14 01-24h0m0s"}},
		{rate("cron(0 17 L * ? *)"), []string{"2024-01-31 17-24h0m0s", "2024-02-29 17-24h0m0s", "2024-03-31 17-24h0m0s"}},
		{rate("cron(0 8 ? * MON-FRI *)"), []string{"2024-02-01 08-24h0m0s", "2024-02-02 08-24h0m0s", "2024-02-05 08-24h0m0s"}},
		{rate("cron(0 16 1,15 * ? *)"), []string{"2024-02-01 16-24h0m0s", "2024-02-15 16-24h0m0s", "2024-03-01 16-24h0m0s"}},
		{rate("cron(0 0 ? * SUN#1 *)"), []string{"2024-02-04 00-24h0m0s", "2024-03-03 00-24h0m0s"}},
		{rate("cron(0 8/8 * * ? *)"), []string{"2024-01-31 16-17h0m0s", "2024-02-01 08-9h0m0s", "2024-02-01 16-17h0m0s"}},
		{rate("cron(0 4/12 * * ? *)"), []string{"2024-01-31 16-17h0m0s", "2024-02-01 04-5h0m0s"}},
		{within("cron(0 2/10 * * ? *)", "2h"), []string{"2024-01-31 12-14h0m0s", "2024-01-31 22-24h0m0s", "2024-02-01 02-4h0m0s"}},
		// Other forms of the fields.
		{rate("cron(0 8 1/7 * ? *)"), []string{"2024-02-01 08-24h0m0s", "2024-02-08 08-24h0m0s"}},
		{rate("cron(0 9 ? JAN-MAR/2 4 *)"), []string{"2024-03-06 09-24h0m0s"}},
		{rate("cron(0 9 ? * 1L *)"), []string{"2024-02-25 09-24h0m0s", "2024-03-31 09-24h0m0s"}},
		{rate("cron(0 9 ? * FRIL *)"), []string{"2024-02-23 09-24h0m0s"}},
		{rate("cron(0 9 ? * L *)"), []string{"2024-02-03 09-24h0m0s"}},
		{rate("cron(0 9 ? FEB,may,AUG TUE#2 *)"), []string{"2024-02-13 09-24h0m0s", "2024-05-14 09-24h0m0s"}},
		{rate("cron(0 0 ? * TUE#5 *)"), []string{"2024-04-30 00-24h0m0s"}},
		{within("cron(0 21 * * ? *)", "3h"), []string{"2024-01-31 21-24h0m0s"}},
		{rate("cron(0 0-12/6 ? * * *)"), []string{"2024-01-31 12-13h0m0s", "2024-02-01 00-1h0m0s", "2024-02-01 06-7h0m0s"}},
		{rate("cron(0 0 31 12 ? *)"), []string{"2024-12-31 00-24h0m0s", "2025-12-31 00-24h0m0s"}},
	} {
		schedule, err := emulator.ParseSchedule(test.rules)
		if err != nil {
			t.Errorf("%+v: %v", test.rules, err)
			continue
		}
		if diff := cmp.Diff(test.want, windows(schedule, last, len(test.want))); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", test.rules, diff)
		}
	}
	if schedule, err := emulator.ParseSchedule(emulator.Rules{}); err != nil || schedule.Next(last) != (emulator.Window{}) {
		t.Errorf("no rules: %v, %v; want no window", schedule.Next(last), err)
	}
}

func TestScheduleRefuses(t *testing.T) {
	for _, test := range []struct {
		expression, duration string
		want                 string
	}{
		{"rate(3 hours)", "", "every 4 hours at most"},
		{"rate(0 days)", "", "the rate must be between"},
		{"rate(1000 days)", "", "at most 999 days"},
		{"rate(99999999999999999999 days)", "", "the rate must be between"},
		{"rate(5 minutes)", "", "must have the form"},
		{"rate(5  days)", "", "must have the form"},
		{"every day", "", "must have the form"},
		{"cron(0 8 * * ?)", "", "six fields"},
		{"cron(5 8 * * ? *)", "", "minutes must be 0"},
		{"cron(0 8 * * ? 2030)", "", "year must be *"},
		{"cron(0 8 * * * *)", "", "must be ?"},
		{"cron(0 8 ? * ? *)", "", "must be ?"},
		{"cron(0 8 1 * MON *)", "", "must be ?"},
		{"cron(0 24 * * ? *)", "", `Hours: "24" isn't between 0 and 23`},
		{"cron(0 * * * ? *)", "", "every 4 hours at most"},
		{"cron(0 1,3 * * ? *)", "", "every 4 hours at most"},
		{"cron(0 2,23 * * ? *)", "", "every 4 hours at most"},
		{"cron(0 8 32 * ? *)", "", "Day-of-month"},
		{"cron(0 8 0 * ? *)", "", "Day-of-month"},
		{"cron(0 8 * 13 ? *)", "", "Month"},
		{"cron(0 8 ? * 8 *)", "", "Day-of-week"},
		{"cron(0 8 ? * MON#6 *)", "", "Day-of-week"},
		{"cron(0 8 ? * XL *)", "", "Day-of-week"},
		{"cron(0 8 ? * X#1 *)", "", "Day-of-week"},
		{"cron(0 8 ? * FRI-MON *)", "", "ends before it begins"},
		{"cron(0 8 */0 * ? *)", "", "Day-of-month"},
		{"cron(0 8 1-X * ? *)", "", "Day-of-month"},
		{"cron(0 8 30 FEB ? *)", "", "at least once a year"},
		{"cron(0 8 29 FEB ? *)", "", "at least once a year"},
		{"rate(1 day)", "25h", "between 1h and 24h"},
		{"rate(1 day)", "0h", "between 1h and 24h"},
		{"rate(1 day)", "3", "number of hours"},
		{"rate(4 hours)", "5h", "next rotation window"},
		{"cron(0 8,14 * * ? *)", "7h", "next rotation window"},
		{"cron(0 22 * * ? *)", "3h", "next UTC day"},
		{"", "3h", "requires ScheduleExpression"},
	} {
		_, err := emulator.ParseSchedule(emulator.Rules{ScheduleExpression: test.expression, Duration: test.duration})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q, %q: %v, want an error with %q", test.expression, test.duration, err, test.want)
		}
	}
	if _, err := emulator.ParseSchedule(emulator.Rules{ScheduleExpression: "rate(1 day)", AutomaticallyAfterDays: 1}); err == nil {
		t.Error("both forms of a schedule are accepted")
	}
}

// Whatever the expression: windows open on the hour after the last rotation, do
// not overlap, and are at least four hours apart.
func TestScheduleProperties(t *testing.T) {
	number := rapid.StringMatching(`[0-9]{1,2}|\*|[0-9]{1,2}/[0-9]{1,2}|[0-9],[0-9]{2}|[0-9]-1[0-9]`)
	weekday := rapid.SampledFrom([]string{"?", "*", "MON", "1-5", "SAT#2", "L", "3L", "TUE,FRI"})
	rapid.Check(t, func(t *rapid.T) {
		days := rapid.SampledFrom([]string{"?", "*", "L", "1", "1/10", "15,31"}).Draw(t, "days")
		expression := "cron(0 " + number.Draw(t, "hours") + " " + days + " * " + weekday.Draw(t, "weekdays") + " *)"
		if rapid.Bool().Draw(t, "rate") {
			expression = rapid.SampledFrom([]string{"rate(4 hours)", "rate(23 hours)", "rate(1 day)", "rate(40 days)"}).Draw(t, "expression")
		}
		duration := rapid.SampledFrom([]string{"", "1h", "4h", "12h", "24h"}).Draw(t, "duration")
		schedule, err := emulator.ParseSchedule(emulator.Rules{ScheduleExpression: expression, Duration: duration})
		if err != nil {
			t.Skip("refused")
		}
		last := time.Unix(rapid.Int64Range(1_500_000_000, 2_500_000_000).Draw(t, "last"), 0)
		w := schedule.Next(last)
		next := schedule.Next(w.Opens)
		switch {
		case !w.Opens.After(last), !w.Closes.After(w.Opens), w.Opens != w.Opens.Truncate(time.Hour):
			t.Fatalf("%s: after %v the window is %v", expression, last, w)
		case w.Closes.After(next.Opens), next.Opens.Sub(w.Opens) < 4*time.Hour:
			t.Fatalf("%s: %v is followed by %v", expression, w, next)
		}
	})
}
