package commit

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"

	"dkvrun/runtime/wire"
)

// answer is a reply, read.
type answer struct {
	Reply
	op      wire.OperationStatus
	refusal *wire.Result // nil when the reply is an operation
}

// read takes a reply for an operation or a refusal; what is neither is a refusal with class protocol.
func read(reply Reply) answer {
	a := answer{Reply: reply}
	switch {
	case reply.Class != "":
		a.refusal = &wire.Result{Code: reply.Class, Message: reply.Message}
	case reply.Status == 200:
		if json.Unmarshal(reply.Body, &a.op) != nil || a.op.State == "" {
			a.refusal = &wire.Result{StatusCode: 200, Code: "protocol", Message: "answered with something that is not of the admin API"}
		}
	default:
		a.refusal = &wire.Result{}
		if json.Unmarshal(reply.Body, a.refusal) != nil || a.refusal.Code == "" {
			*a.refusal = wire.Result{StatusCode: reply.Status, Code: "protocol",
				Message: "answered " + strconv.Itoa(reply.Status) + " with something that is no result of the admin API: is a dkvmanager of this version listening there?"}
		}
	}
	return a
}

// read takes the reply to one of the change's own messages. What is said of another operation, by another
// manager, or that can't be the answer to this message, is no answer.
func (r *Driver) read(q Request, reply Reply) answer {
	a := read(reply)
	if a.refusal != nil {
		return a
	}
	message := ""
	switch to := r.Operation.Managers[q.To].Identity; {
	case a.op.ID != r.Operation.ID:
		message = "answered about another operation"
	case a.op.Manager != to:
		message = fmt.Sprintf("answered as manager %s, not as %s", a.op.Manager, to)
	case len(q.validStates) > 0 && !slices.Contains(q.validStates, a.op.State):
		message = fmt.Sprintf("says that the operation is %s, which is no answer to what it was told", a.op.State)
	}
	if message != "" {
		a.op, a.refusal = wire.OperationStatus{}, &wire.Result{StatusCode: reply.Status, Code: "protocol", Message: message}
	}
	return a
}

func (a answer) code() string {
	if a.refusal == nil {
		return ""
	}
	return a.refusal.Code
}

// failure is the row of a manager that did not do its part.
func (a answer) failure() Row {
	return Row{
		Result: Failed, Code: a.refusal.Code, Message: a.refusal.Message, Hint: a.refusal.Hint,
		Status: a.Status, Attempts: a.Attempts, Duration: a.Duration,
	}
}

// row is one of a manager that answered.
func (a answer) row(result Result, code, message string) Row {
	return Row{Result: result, Code: code, Message: message, Status: a.Status, Attempts: a.Attempts, Duration: a.Duration}
}

// The messages to manager i.

func (r *Driver) to(i int) string { return "to=" + url.QueryEscape(r.Operation.Managers[i].Identity) }

func (r *Driver) prepare(i int) Request {
	return Request{To: i, Method: "POST", Path: wire.OperationsPath(), Query: r.to(i), Body: r.body}
}

func (r *Driver) commit(i int) Request {
	query := r.to(i) + "&epoch=" + strconv.FormatUint(r.Operation.Epoch, 10)
	return Request{To: i, Method: "POST", Path: wire.OperationPath(r.Operation.ID) + "/commit", Query: query, validStates: []wire.OperationState{wire.OperationCommitted}}
}

func (r *Driver) abort(i int) Request {
	body, _ := json.Marshal(wire.AbortRequest{Store: r.Operation.Store, Epoch: r.Operation.Epoch}) // two plain fields: it can't fail
	return Request{To: i, Method: "POST", Path: wire.OperationPath(r.Operation.ID) + "/abort", Query: r.to(i), Body: body, validStates: []wire.OperationState{wire.OperationAborted, wire.OperationCommitted}}
}

func (r *Driver) renew() Request {
	return Request{To: r.coordinator, Method: "POST", Path: wire.OperationPath(r.Operation.ID) + "/renew", Query: r.to(r.coordinator)}
}

// encode makes the body that all managers get.
func (r *Driver) encode(dry bool) {
	change := r.Operation
	change.DryRun = dry
	r.body, _ = json.Marshal(change) // strings, numbers and lists of them: it can't fail
}

// others are the requests to all managers but the coordinator.
func (r *Driver) others(make func(int) Request) []Request {
	var out []Request
	for i := range r.Operation.Managers {
		if i != r.coordinator {
			out = append(out, make(i))
		}
	}
	return out
}
