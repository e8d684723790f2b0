package lambdahost_test

import (
	"testing"
	"time"

	"tandem/internal/local/lambdahost"
)

func TestFormat(t *testing.T) {
	vienna := time.FixedZone("", 2*60*60)
	const stamp = `"timestamp":"2026-03-01T10:04:05.123456789Z"`
	info := func(rest string) string { return `{` + stamp + `,"level":"INFO","message":"done"` + rest + `}` }
	for _, test := range []struct{ text, want string }{
		{info(``), "12:04:05.123 done"},
		{`{` + stamp + `,"level":"WARN","message":"connection not encrypted"}`, "12:04:05.123 WARN connection not encrypted"},
		{`{"level":"ERROR","message":"in another order",` + stamp + `}`, "12:04:05.123 ERROR in another order"},

		{info(`,"b":1.10,"a":true,"c":null`), "12:04:05.123 done b=1.10 a=true c=null"},
		{info(`,"user":"app_clone","none":"","spaced":"a b","quote":"\"","equal":"a=b"`), `12:04:05.123 done user=app_clone none="" spaced="a b" quote="\"" equal="a=b"`},
		{info(`,"durationMs":12,"Ms":1,"stepMs":"text"`), "12:04:05.123 done duration=12ms Ms=1 stepMs=text"},
		{info(`,"token":"8F1C2A77-0b1c-4d2e-8f3a-0123456789ab","requestId":"0a1b2c3d-0b1c-4d2e-8f3a-0123456789ab"`), "12:04:05.123 done token=8F1C2A77 requestId=0a1b2c3d"},
		{info(`,"secret":"arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/myDB-AbC123"`), "12:04:05.123 done secret=prod/myDB"},
		{info(`,"secret":"arn:aws:secretsmanager:eu-west-1:123456789012:secret:myDB"`), "12:04:05.123 done secret=myDB"},
		{info(`,"function":"arn:aws-cn:lambda:cn-north-1:123456789012:function:rotation"`), "12:04:05.123 done function=rotation"},
		{info(`,"error":"secret arn:aws:secretsmanager:r:1:secret:a-AbC123: gone"`), `12:04:05.123 done error="secret arn:aws:secretsmanager:r:1:secret:a-AbC123: gone"`},
		{info(`,"privileges":["SELECT","INSERT (a, b)",{"x":1}],"empty":[]`), `12:04:05.123 done privileges=[SELECT, "INSERT (a, b)", {"x":1}] empty=[]`},
		{info(`,"group":{"a":1,"deeper":{"tookMs":2}}`), "12:04:05.123 done group.a=1 group.deeper.took=2ms"},

		// What is for CloudWatch's metrics, and what has been shown.
		{info(`,"a":1,"_aws":{"Timestamp":1,"CloudWatchMetrics":[{"Namespace":"n","Dimensions":[["D"]],"Metrics":[{"Name":"M","Unit":"Count"}]}]},"D":"f","M":2,"b":3`), "12:04:05.123 done a=1 b=3"},
		{info(`,"D":"f","M":2`), "12:04:05.123 done D=f M=2"},
		{info(`,"statements":["A","B"],"statementsCount":2`), "12:04:05.123 done statementsCount=2"},

		// Nothing reaches the terminal that could steer it, or look like another line.
		{`{` + stamp + `,"level":"INFO","message":"a\u001b[2J\nb"}`, `12:04:05.123 a\x1b[2J\nb`},
		{info(`,"k\u0007":"v\u009b"`), `12:04:05.123 done k\a="v\u009b"`},

		// No record of Lambda's form.
		{``, ``},
		{`2026/03/01 10:04:05 plain text`, `2026/03/01 10:04:05 plain text`},
		{`{"errorMessage":"x","errorType":"y"}`, `{"errorMessage":"x","errorType":"y"}`},
		{`{"level":"INFO","message":"no time"}`, `{"level":"INFO","message":"no time"}`},
		{`{` + stamp + `,"message":"no level"}`, `{` + stamp + `,"message":"no level"}`},
		{`{` + stamp + `,"level":"INFO"}`, `{` + stamp + `,"level":"INFO"}`},
		{`{` + stamp + `,"level":"INFO","message":"cut off"`, `{` + stamp + `,"level":"INFO","message":"cut off"`},
		{`["timestamp","level","message"]`, `["timestamp","level","message"]`},
		// The function cannot speak for Lambda.
		{`{"time":"t","type":"platform.start","record":{"requestId":"r"}}`, `{"time":"t","type":"platform.start","record":{"requestId":"r"}}`},
	} {
		line := lambdahost.Line{Time: time.Date(2026, 3, 1, 12, 0, 0, 0, vienna), Environment: 1, Stream: lambdahost.Stdout, Text: test.text}
		if got := lambdahost.Format(line); got != test.want {
			t.Errorf("Format(%s)\n got %s\nwant %s", test.text, got, test.want)
		}
	}
}

func FuzzFormat(f *testing.F) {
	f.Add(`{"timestamp":"2026-03-01T10:04:05Z","level":"INFO","message":"m","k":[1,"a"]}`)
	f.Add(`{"time":"t","type":"platform.report","record":{}}`)
	f.Fuzz(func(_ *testing.T, text string) {
		for _, stream := range []lambdahost.Stream{lambdahost.Stdout, lambdahost.System} {
			lambdahost.Format(lambdahost.Line{Time: time.Unix(0, 0).UTC(), Stream: stream, Text: text})
		}
	})
}
