package lambdahost

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

const (
	apiRoot = "/2018-06-01/runtime/"

	headerRequestID   = "Lambda-Runtime-Aws-Request-Id"
	headerDeadline    = "Lambda-Runtime-Deadline-Ms"
	headerFunctionARN = "Lambda-Runtime-Invoked-Function-Arn"
	headerTraceID     = "Lambda-Runtime-Trace-Id"

	// Headers of a report of an error, and the trailers of an answer that breaks off.
	headerErrorType  = "Lambda-Runtime-Function-Error-Type"
	trailerErrorBody = "Lambda-Runtime-Function-Error-Body"

	// maxResponse is the size in bytes of an answer: Lambda's limit, with what it
	// adds for itself.
	maxResponse = maxPayload + 100
)

// api is the Runtime API of this environment.
func (e *environment) api() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+apiRoot+"invocation/next", e.next)
	mux.HandleFunc("POST "+apiRoot+"invocation/{id}/response", e.answered)
	mux.HandleFunc("POST "+apiRoot+"invocation/{id}/error", e.failed)
	mux.HandleFunc("POST "+apiRoot+"init/error", e.initFailed)
	return mux
}

// next waits for an invocation and hands it out.
func (e *environment) next(w http.ResponseWriter, r *http.Request) {
	if current := e.handedOut(); current != nil && !current.isAnswered() {
		refuse(w, http.StatusForbidden, "InvalidStateTransition", "invocation "+current.id+" has no answer yet")
		return
	}
	select {
	case e.asked <- struct{}{}:
	default: // it is known
	}
	var inv *invocation
	select {
	case inv = <-e.work:
	case <-e.gone:
		return
	case <-r.Context().Done():
		return
	}
	e.mu.Lock()
	pid := e.pid
	if pid != 0 {
		e.current = inv
	}
	e.mu.Unlock()
	if pid == 0 {
		inv.handed <- false
		return
	}
	e.host.reportStart(e, inv)
	if started := e.host.function.Started; started != nil {
		started(inv.id, pid)
	}
	inv.handed <- true
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(inv.payload)))
	header.Set(headerRequestID, inv.id)
	header.Set(headerDeadline, strconv.FormatInt(inv.deadline.UnixMilli(), 10))
	header.Set(headerFunctionARN, inv.arn)
	header.Set(headerTraceID, inv.trace)
	_, _ = w.Write(inv.payload) // a process that cannot read it has ended, which is noticed
}

// answered takes the function's answer. One that breaks off, because the function
// could not produce all of it, ends with the error in its trailers.
func (e *environment) answered(w http.ResponseWriter, r *http.Request) {
	inv := e.addressed(w, r)
	if inv == nil {
		return
	}
	body, complete := e.read(w, r, inv)
	if !complete {
		return
	}
	var failure error
	if failureType := r.Trailer.Get(headerErrorType); failureType != "" {
		text, err := base64.StdEncoding.DecodeString(r.Trailer.Get(trailerErrorBody))
		if err != nil {
			refuse(w, http.StatusBadRequest, "InvalidErrorBody", trailerErrorBody+" is not base64")
			return
		}
		body, failure = nil, reported(text, failureType)
	}
	accept(w, inv.answer(body, failure))
}

// failed takes the error that the function ends an invocation with.
func (e *environment) failed(w http.ResponseWriter, r *http.Request) {
	inv := e.addressed(w, r)
	if inv == nil {
		return
	}
	body, complete := e.read(w, r, inv)
	if !complete {
		return
	}
	accept(w, inv.answer(nil, reported(body, r.Header.Get(headerErrorType))))
}

// initFailed takes the error for which a process will not ask for invocations.
func (e *environment) initFailed(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxLine))
	if err != nil {
		return
	}
	if e.handedOut() != nil {
		refuse(w, http.StatusForbidden, "InvalidStateTransition", "the process has asked for invocations already")
		return
	}
	e.mu.Lock()
	e.initError = reported(body, r.Header.Get(headerErrorType))
	e.mu.Unlock()
	accept(w, true)
}

func (e *environment) handedOut() *invocation {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.current
}

// addressed returns the invocation that the request is about. Nil means that the
// request has been refused.
func (e *environment) addressed(w http.ResponseWriter, r *http.Request) *invocation {
	current := e.handedOut()
	if current == nil || current.id != r.PathValue("id") {
		refuse(w, http.StatusBadRequest, "InvalidRequestID", "no such invocation is under way")
		return nil
	}
	return current
}

// read reads a body whole. A body that is too large is the invocation's failure.
func (e *environment) read(w http.ResponseWriter, r *http.Request, inv *invocation) (body []byte, complete bool) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxResponse+1))
	if err != nil {
		return nil, false // the process ended while it sent
	}
	if len(body) <= maxResponse {
		return body, true
	}
	failure := &FunctionError{
		Type:    TypeResponseTooLarge,
		Message: fmt.Sprintf("Response payload size exceeded maximum allowed payload size (%d bytes).", maxResponse),
	}
	inv.answer(nil, failure)
	_, _ = io.Copy(io.Discard, r.Body) // or the process would not get to read this answer
	refuse(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", failure.Message)
	return nil, false
}

// accept confirms an answer, unless the invocation had one.
func accept(w http.ResponseWriter, first bool) {
	if !first {
		refuse(w, http.StatusForbidden, "InvalidStateTransition", "the invocation has been answered already")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, `{"status":"OK"}`)
}

func refuse(w http.ResponseWriter, status int, errorType, message string) {
	body, _ := json.Marshal(map[string]string{"errorType": errorType, "errorMessage": message}) // strings marshal
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
