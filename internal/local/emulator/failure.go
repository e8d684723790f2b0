package emulator

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// Error is an error as the service answers it.
type Error struct {
	Status  int    // the HTTP status; 400 if zero
	Code    string // the name, "ResourceNotFoundException"
	Message string
}

// Error implements error.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

func (e *Error) status() int {
	if e.Status == 0 {
		return http.StatusBadRequest
	}
	return e.Status
}

// body is the answer's. The service's own errors carry Message; those of the
// layer before it, which knows no operation's model, carry message.
func (e *Error) body() []byte {
	key := "Message"
	switch e.Code {
	case "ValidationException", "SerializationException", "UnknownOperationException",
		"MissingAuthenticationTokenException", "IncompleteSignatureException", "InvalidSignatureException":
		key = "message"
	}
	data, err := json.Marshal(map[string]string{"__type": e.Code, key: e.Message})
	if err != nil {
		panic(err) // a map of strings can be marshalled
	}
	return data
}

func failure(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

func invalidParameter(format string, args ...any) *Error {
	return failure("InvalidParameterException", format, args...)
}

func invalidRequest(format string, args ...any) *Error {
	return failure("InvalidRequestException", format, args...)
}

// The messages that callers are known to look at, word for word.

func secretNotFound() *Error {
	return failure("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
}

func valueNotFoundByID(versionID string) *Error {
	return failure("ResourceNotFoundException", "Secrets Manager can't find the specified secret value for VersionId: %s", versionID)
}

func valueNotFoundByStage(stage string) *Error {
	return failure("ResourceNotFoundException", "Secrets Manager can't find the specified secret value for staging label: %s", stage)
}

func markedForDeletion() *Error {
	return invalidRequest("You can't perform this operation on the secret because it was marked for deletion.")
}

func rotationIncomplete() *Error {
	return invalidRequest("A previous rotation isn't complete. That rotation will be reattempted.")
}

func noFunction() *Error {
	return invalidRequest("No Lambda rotation function ARN is associated with this secret.")
}

func functionNotInvokable() *Error {
	return failure("AccessDeniedException", "Secrets Manager cannot invoke the specified Lambda function. Ensure that the function policy grants access to the principal secretsmanager.amazonaws.com.")
}

func tokenInUse(token, arn string) *Error {
	return failure("ResourceExistsException", "You can't use ClientRequestToken %s because that value is already in use for a version of secret %s.", token, arn)
}

const tokenMissing = "You must provide a ClientRequestToken value. We recommend a UUID-type value."

// validation collects what a request's members violate, in the words of the layer
// that checks requests against the service's model.
type validation []string

func (v *validation) add(member, value, constraint string) {
	if value != "" {
		value += " "
	}
	*v = append(*v, fmt.Sprintf("Value %sat '%s' failed to satisfy constraint: %s", value, member, constraint))
}

func (v *validation) required(member string, value *string) {
	if value == nil {
		v.add(member, "null", "Member must not be null")
	}
}

func (v *validation) length(member string, value *string, shortest, longest int) {
	if value != nil {
		v.size(member, "'"+*value+"'", len(*value), shortest, longest)
	}
}

// size is length for a value that must not be repeated, or is no string.
func (v *validation) size(member, shown string, n, shortest, longest int) {
	if n < shortest {
		v.add(member, shown, fmt.Sprintf("Member must have length greater than or equal to %d", shortest))
	}
	if n > longest {
		v.add(member, shown, fmt.Sprintf("Member must have length less than or equal to %d", longest))
	}
}

func (v *validation) between(member string, value *int64, least, most int64) {
	if value == nil {
		return
	}
	shown := fmt.Sprintf("'%d'", *value)
	if *value < least {
		v.add(member, shown, fmt.Sprintf("Member must have value greater than or equal to %d", least))
	}
	if *value > most {
		v.add(member, shown, fmt.Sprintf("Member must have value less than or equal to %d", most))
	}
}

func (v *validation) oneOf(member string, value *string, allowed ...string) {
	if value == nil {
		return
	}
	for _, a := range allowed {
		if *value == a {
			return
		}
	}
	v.add(member, "'"+*value+"'", "Member must satisfy enum value set: ["+strings.Join(allowed, ", ")+"]")
}

func (v *validation) secretID(value *string) {
	v.required("secretId", value)
	v.length("secretId", value, 1, 2048)
}

// versionID checks a token or a version's ID: 32 to 64 characters.
func (v *validation) versionID(member string, value *string) { v.length(member, value, 32, 64) }

func (v *validation) stage(member string, value *string) { v.length(member, value, 1, 256) }

func (v *validation) err() error {
	switch len(*v) {
	case 0:
		return nil
	case 1:
		return failure("ValidationException", "1 validation error detected: %s", (*v)[0])
	}
	return failure("ValidationException", "%d validation errors detected: %s", len(*v), strings.Join(*v, "; "))
}
