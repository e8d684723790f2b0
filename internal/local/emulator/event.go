package emulator

import (
	"encoding/json"
	"time"
)

// The names of the service's events (User Guide, "CloudTrail entries for Secrets
// Manager").
const (
	RotationStarted       = "RotationStarted"
	RotationSucceeded     = "RotationSucceeded"
	RotationFailed        = "RotationFailed"
	RotationAbandoned     = "RotationAbandoned"
	TestRotationStarted   = "TestRotationStarted"
	TestRotationSucceeded = "TestRotationSucceeded"
	TestRotationFailed    = "TestRotationFailed"
)

// Event is something that the service reports of itself, beside the answers to
// calls.
type Event struct {
	Name      string
	Time      time.Time
	Region    string
	Account   string
	SecretARN string
	VersionID string // the version under rotation
}

// EventBridge returns the event in the form in which a rule of EventBridge sees
// it.
func (e Event) EventBridge() ([]byte, error) {
	at := e.Time.UTC().Format(time.RFC3339)
	return json.Marshal(map[string]any{
		"version":     "0",
		"id":          newUUID(),
		"detail-type": "AWS Service Event via CloudTrail",
		"source":      "aws.secretsmanager",
		"account":     e.Account,
		"time":        at,
		"region":      e.Region,
		"resources":   []string{},
		"detail": map[string]any{
			"eventVersion":        "1.08",
			"eventTime":           at,
			"eventSource":         "secretsmanager.amazonaws.com",
			"eventName":           e.Name,
			"eventType":           "AwsServiceEvent",
			"awsRegion":           e.Region,
			"recipientAccountId":  e.Account,
			"userIdentity":        map[string]string{"accountId": e.Account, "invokedBy": "secretsmanager.amazonaws.com"},
			"additionalEventData": map[string]string{"SecretId": e.SecretARN},
		},
	})
}

func (s *Service) event(name string, sec *secret, versionID string) Event {
	return Event{
		Name: name, Time: s.clock.Now(), Region: s.options.Region, Account: s.options.Account,
		SecretARN: sec.arn, VersionID: versionID,
	}
}

func (s *Service) emit(events ...Event) {
	if s.options.Events == nil || len(events) == 0 {
		return
	}
	s.eventMu.Lock()
	defer s.eventMu.Unlock()
	for _, e := range events {
		s.options.Events(e)
	}
}
