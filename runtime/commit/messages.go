package commit

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"dkvrun/runtime/wire"
)

// answer is a decoded reply: an operation's status, or a refusal.
type answer struct {
	Reply
	op      wire.OperationStatus
	refusal *wire.Result // nil when the reply is an operation
}

// codeProtocol is the code of an answer that is not one of the admin API, or that contradicts itself or the request. It
// decides nothing, like a missing answer.
const codeProtocol = "protocol"

// invalid returns the refusal that stands for an answer with codeProtocol.
func invalid(reply Reply, format string, args ...any) *wire.Result {
	return &wire.Result{StatusCode: reply.Status, Code: codeProtocol, Message: fmt.Sprintf(format, args...)}
}

// decodeReply decodes a reply into to, a status or a state, or returns a refusal. A missing answer becomes a refusal
// whose code is the class of the failure, and an answer that can't be decoded as either becomes one with codeProtocol.
// These two decide nothing: the manager may have received the request, voted or decided, and only its answer is
// missing.
func decodeReply(reply Reply, to any) *wire.Result {
	switch {
	case reply.Class != "":
		return &wire.Result{Code: reply.Class, Message: reply.Message}
	case reply.Invalid != "":
		return invalid(reply, "%s", reply.Invalid)
	case reply.Status == 200:
		if err := wire.DecodeAnswer(reply.Body, to); err != nil {
			return invalid(reply, "the answer is not one of the admin API: %v", err)
		}
		return nil
	}
	refusal, err := wire.ReadResult(reply.Status, reply.Body)
	switch {
	case errors.Is(err, wire.ErrNoResult):
		return invalid(reply, "answered %d with something that is not a result of the admin API: "+
			"is a dkvmanager of this version listening there?", reply.Status)
	case err != nil:
		return invalid(reply, "the answer contradicts itself: %v", err)
	}
	return &refusal
}

// read decodes a reply that is an operation's status or a refusal.
func read(reply Reply) answer {
	a := answer{Reply: reply}
	if a.refusal = decodeReply(reply, &a.op); a.refusal != nil {
		a.op = wire.OperationStatus{}
	}
	return a
}

// read decodes the reply to a request of this operation. An answer about another operation or another content (I7),
// from another manager, or with a state that this request can't lead to, contradicts the protocol. It becomes a refusal
// with codeProtocol, which counts as silence: neither a vote nor a decision.
//
// The identity is compared although the request names its recipient. The address may have been given to another
// manager, or to one with an empty disk, between two messages; that one has not voted for this operation.
func (r *Driver) read(q Request, reply Reply) answer {
	a := read(reply)
	id, from := a.op.ID, a.op.Manager
	if a.refusal != nil {
		// Older managers name neither. Such a refusal decides nothing by itself: see confirm.
		id = cmp.Or(a.refusal.OperationID, r.Operation.ID)
		from = cmp.Or(a.refusal.Manager, r.Operation.Managers[q.To].Identity)
	}
	message := ""
	// validStates excludes answers that no manager gives: a commit that is carried out reports committed, and an abort
	// is reported by a refusal. Taking anything else for a decision could contradict the coordinator's record (I1).
	switch to := r.Operation.Managers[q.To].Identity; {
	case id != r.Operation.ID:
		message = "answered about another operation"
	case from != to:
		message = fmt.Sprintf("answered as manager %.60s, not as %s", from, to)
	case a.refusal != nil:
		return a
	case len(q.validStates) > 0 && !slices.Contains(q.validStates, a.op.State):
		message = fmt.Sprintf("reports the operation as %s, which is not a valid answer to this request", a.op.State)
	default:
		message = r.otherContent(&a.op)
	}
	if message != "" {
		a.op, a.refusal = wire.OperationStatus{}, invalid(reply, "%s", message)
	}
	return a
}

// otherContent returns how the content that a manager has prepared or committed, or has checked, differs from the
// operation's, or "". I7: a vote and a decision count for this content only. A proxy may have changed a field of the
// request, and the manager would then keep another configuration than the others. An abort ends the operation whatever
// its content was, and the preflight of older managers tells no digest.
func (r *Driver) otherContent(op *wire.OperationStatus) string {
	switch {
	case op.State == wire.OperationAborted, op.State == wire.OperationUnknown && op.Digest == "":
	case op.Store != r.Operation.Store:
		return fmt.Sprintf("has store %.60q in the operation, not %s: %s", op.Store, r.Operation.Store, changedOnTheWay)
	case op.Action != r.Operation.Action:
		return fmt.Sprintf("has action %.60q in the operation, not %s: %s", op.Action, r.Operation.Action, changedOnTheWay)
	case op.State != wire.OperationUnknown && op.Epoch != r.Operation.Epoch:
		return fmt.Sprintf("has the operation at epoch %d, not %d: %s", op.Epoch, r.Operation.Epoch, changedOnTheWay)
	case op.Digest != r.digest:
		return fmt.Sprintf("has another content of the operation (digest %.8s, not %.8s): %s", op.Digest, r.digest, changedOnTheWay)
	}
	return ""
}

const changedOnTheWay = "the request was changed on its way; is a proxy in between?"

// silence returns the verb phrase for a manager that gave no status: "does not answer", for example.
func (a answer) silence() string {
	switch {
	case a.Class == codeProtocol || a.code() == codeProtocol:
		return "gives no valid answer"
	case a.Class != "":
		return "does not answer"
	}
	return "refuses (" + a.code() + ")"
}

// names reports whether a refusal names the operation and the manager that refuses.
func (a answer) names() bool { return a.refusal.OperationID != "" && a.refusal.Manager != "" }

// code returns the code of the refusal, or "" for an operation's status.
func (a answer) code() string {
	if a.refusal == nil {
		return ""
	}
	return a.refusal.Code
}

// failure returns the row of a manager that refused or did not answer.
func (a answer) failure() Row {
	hint := a.refusal.Hint
	if a.refusal.Code == wire.CodeBadRequest && strings.HasSuffix(a.refusal.Message, wire.UnknownField) {
		hint = wire.OlderManager
	}
	return Row{
		Result: Failed, Code: a.refusal.Code, Message: a.refusal.Message, Hint: hint,
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

// status asks for the outcome.
func (r *Driver) status(i int) Request {
	return Request{To: i, Method: "GET", Path: wire.OperationPath(r.Operation.ID)}
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
