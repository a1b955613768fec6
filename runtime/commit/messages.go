package commit

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"

	"dkvrun/runtime/wire"
)

// answer is a decoded reply: an operation's status, or a refusal.
type answer struct {
	Reply
	op      wire.OperationStatus
	refusal *wire.Result // nil when the reply is an operation
}

// read decodes a reply. Silence becomes a refusal whose code is the class of the failure; an answer that is neither a
// status nor a refusal becomes a refusal with code "protocol". Neither of the two decides anything: the manager may
// have received the request, voted or decided, and only the answer is missing.
func read(reply Reply) answer {
	a := answer{Reply: reply}
	switch {
	case reply.Class != "":
		a.refusal = &wire.Result{Code: reply.Class, Message: reply.Message}
	case reply.Status == 200:
		if json.Unmarshal(reply.Body, &a.op) != nil || a.op.State == "" {
			a.refusal = &wire.Result{StatusCode: 200, Code: "protocol", Message: "the answer is not one of the admin API"}
		}
	default:
		a.refusal = &wire.Result{}
		if json.Unmarshal(reply.Body, a.refusal) != nil || a.refusal.Code == "" {
			*a.refusal = wire.Result{StatusCode: reply.Status, Code: "protocol",
				Message: "answered " + strconv.Itoa(reply.Status) + " with something that is not a result of the admin API: is a dkvmanager of this version listening there?"}
		}
	}
	return a
}

// read decodes the reply to a request of this operation. An answer about another operation (I7), from another manager,
// or with a state that this request can't lead to, contradicts the protocol. It becomes a refusal with code "protocol",
// which counts as silence: neither a vote nor a decision.
//
// The identity is compared although the request names its recipient. The address may have been given to another
// manager, or to one with an empty disk, between two messages; that one has not voted for this operation.
func (r *Driver) read(q Request, reply Reply) answer {
	a := read(reply)
	if a.refusal != nil {
		return a
	}
	message := ""
	// validStates excludes answers that no manager gives: a commit that is carried out reports committed, and an abort
	// is reported by a refusal. Taking anything else for a decision could contradict the coordinator's record (I1).
	switch to := r.Operation.Managers[q.To].Identity; {
	case a.op.ID != r.Operation.ID:
		message = "answered about another operation"
	case a.op.Manager != to:
		message = fmt.Sprintf("answered as manager %s, not as %s", a.op.Manager, to)
	case len(q.validStates) > 0 && !slices.Contains(q.validStates, a.op.State):
		message = fmt.Sprintf("reports the operation as %s, which is not a valid answer to this request", a.op.State)
	}
	if message != "" {
		a.op, a.refusal = wire.OperationStatus{}, &wire.Result{StatusCode: reply.Status, Code: "protocol", Message: message}
	}
	return a
}

// code returns the code of the refusal, or "" for an operation's status.
func (a answer) code() string {
	if a.refusal == nil {
		return ""
	}
	return a.refusal.Code
}

// failure returns the row of a manager that refused or did not answer.
func (a answer) failure() Row {
	return Row{
		Result: Failed, Code: a.refusal.Code, Message: a.refusal.Message, Hint: a.refusal.Hint,
		Status: a.Status, Attempts: a.Attempts, Duration: a.Duration,
	}
}

// row returns a row with the given result.
func (a answer) row(result Result, code, message string) Row {
	return Row{Result: result, Code: code, Message: message, Status: a.Status, Attempts: a.Attempts, Duration: a.Duration}
}

// The requests to manager i follow. Each names the manager by identity: a server that answers at the same address but
// is another manager refuses it.

func (r *Driver) to(i int) string { return "to=" + url.QueryEscape(r.Operation.Managers[i].Identity) }

// prepare allows every state in the answer: a manager that has decided the operation already answers with its decision,
// which isYes does not count as a vote.
func (r *Driver) prepare(i int) Request {
	return Request{To: i, Method: "POST", Path: wire.OperationsPath(), Query: r.to(i), Body: r.body}
}

// commit carries the epoch: a commit of an earlier round does not apply to a later vote (I1).
func (r *Driver) commit(i int) Request {
	query := r.to(i) + "&epoch=" + strconv.FormatUint(r.Operation.Epoch, 10)
	return Request{To: i, Method: "POST", Path: wire.OperationPath(r.Operation.ID) + "/commit", Query: query,
		validStates: []wire.OperationState{wire.OperationCommitted}}
}

// abort carries the epoch for the same reason. The answer may be "committed": an abort never undoes a commit (I1).
func (r *Driver) abort(i int) Request {
	// Two plain fields: encoding can't fail.
	body, _ := json.Marshal(wire.AbortRequest{Store: r.Operation.Store, Epoch: r.Operation.Epoch})
	return Request{To: i, Method: "POST", Path: wire.OperationPath(r.Operation.ID) + "/abort", Query: r.to(i), Body: body,
		validStates: []wire.OperationState{wire.OperationAborted, wire.OperationCommitted}}
}

// renew goes to the coordinator only: no other manager has a lease. It carries no epoch. A late renewal can only extend
// the lease of an operation that is still prepared, and never revives one that has expired.
func (r *Driver) renew() Request {
	return Request{To: r.coordinator, Method: "POST", Path: wire.OperationPath(r.Operation.ID) + "/renew", Query: r.to(r.coordinator)}
}

// encode sets the body of the prepare requests. All managers get the same bytes (I7: one id, one content).
func (r *Driver) encode(dry bool) {
	operation := r.Operation
	operation.DryRun = dry
	r.body, _ = json.Marshal(operation) // strings, numbers and lists of them: it can't fail
}

// others returns the requests to all managers but the coordinator.
func (r *Driver) others(make func(int) Request) []Request {
	var out []Request
	for i := range r.Operation.Managers {
		if i != r.coordinator {
			out = append(out, make(i))
		}
	}
	return out
}
