package cluster

import (
	"errors"
	"fmt"
	"strings"

	"dkvrun/builtins/report"
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/identity"
	"dkvrun/runtime/printable"
	"dkvrun/runtime/wire"
)

// doubtHint is the hint for a request that was sent and not answered.
const doubtHint = "it may have been carried out: look before you repeat it"

// Asked is what a request asks for. The result must name the same: one that answers another request decides nothing
// about this one.
type Asked struct {
	// Operation is the operation, with the instance if there is one: StartInstance:orders-1.
	Operation string
	Store     string
	// Digest is that of the wire.ActionRequest; empty for a query.
	Digest string
}

// changes reports whether the request changes something: such a request is in doubt if it was not answered.
func (q *Asked) changes() bool { return q.Digest != "" }

// differs returns how a result answers another request, or nil. A success must name the store and the digest of the
// request, and so must the refusal that there is no such store, from which the absence of the store is concluded.
// Managers can't name them in refusals of requests that they could not read.
func (q *Asked) differs(r *wire.Result) error {
	decides := r.Success || r.Code == wire.CodeStoreNotFound
	switch {
	case r.Action != q.Operation:
		if beforeRoute(r) {
			return nil
		}
		return fmt.Errorf("answered about %.80s, which was not requested: is there a proxy in between?", r.Action)
	case r.Store != q.Store && r.Store != "":
		return fmt.Errorf("answered about store %.80s, which was not requested: is there a proxy in between?", r.Store)
	case r.Digest != q.Digest && r.Digest != "":
		return errors.New("answered another request: something changed this one on its way; is there a proxy in between?")
	case decides && (r.Store != q.Store || r.Digest != q.Digest):
		return errors.New("answered without naming the request: is a dkvmanager of this version listening there?")
	}
	return nil
}

// ReadResult completes a row with the answer of a member to a request. The manager, action and instance of the row are
// set already.
func ReadResult(row report.Row, from Member, asked Asked, answer fanout.Answer) report.Row {
	row.Attempts, row.DurationMS = answer.Attempts, answer.Duration.Milliseconds()
	row.StatusCode = answer.Status
	changes := asked.changes()
	row.Who = answer.As
	var result wire.Result
	var wrong error
	switch {
	case answer.Err != nil:
	case answer.Manager == "":
		wrong = wire.ErrNoResult
	case from.Disowned(answer) != "":
		wrong = errors.New(from.Disowned(answer))
	default:
		if result, wrong = wire.ReadResult(answer.Status, answer.Body); wrong == nil {
			wrong = asked.differs(&result)
		} else if !errors.Is(wrong, wire.ErrNoResult) {
			wrong = fmt.Errorf("the answer contradicts itself: %w", wrong)
		}
	}
	switch {
	case answer.Err != nil:
		// The table has a column for the manager's name.
		row.Message = printable.Line(strings.TrimPrefix(answer.Err.Message, row.Manager+": "))
		row.Result, row.Code, row.Hint = report.Failed, answer.Err.Class, printable.Line(answer.Err.Hint)
		switch answer.Err.Class {
		case fanout.Skipped:
			row.Result = report.Skipped
		case fanout.Cancelled:
			row.Result = report.Cancelled
		}
		if answer.Err.Sent && changes {
			row.InDoubt, row.Hint = true, doubtHint
		}
	case errors.Is(wrong, wire.ErrNoResult):
		row.Result, row.Code = report.Failed, fanout.Protocol
		if answer.Status/100 != 2 {
			row.Code = fanout.HTTP
		}
		// With any other status the request was not carried out.
		if changes && (answer.Status/100 == 2 || answer.Status/100 == 5) {
			row.InDoubt, row.Hint = true, doubtHint
		}
		row.Message = fmt.Sprintf("answered %d with something that is no result of the admin API: is a dkvmanager listening there?", answer.Status)
		if _, err := wire.ReadResult(answer.Status, answer.Body); err == nil {
			row.Message = withoutIdentity
		}
	case wrong != nil:
		row.Result, row.Code, row.Message = report.Failed, fanout.Protocol, printable.Line(wrong.Error())
		if changes {
			row.InDoubt, row.Hint = true, doubtHint
		}
	default:
		row.Message, row.Hint = printable.Line(result.Message), printable.Line(result.Hint)
		row.Code, row.Success = result.Code, result.Success
		row.Changed = row.Success && result.Code != wire.CodeUnchanged
		row.Result = report.Failed
		if row.Message == "" {
			row.Message = fmt.Sprintf("answered %d and the code %s, without a message", answer.Status, row.Code)
		}
		if row.Hint == "" && row.Code == wire.CodeNotFound && beforeRoute(&result) {
			row.Hint = wire.OlderManager
		}
		if hint := obtain(row.Code, row.Who); hint != "" {
			row.Hint = strings.TrimPrefix(row.Hint+"; "+hint, "; ")
		}
		if row.Success {
			row.Result, row.Who = report.Success, ""
		}
	}
	return row
}

// obtain returns what to do about a refusal of a secured manager that lacks a hint, or "": how to get a credential that
// it takes. who is the identity that the request was made with.
func obtain(code, who string) string {
	command := "run dkvmanager credential --name YOU --role ROLE --out FILE on the server that made the cluster"
	if id, err := identity.Parse(who); err == nil {
		command = strings.Replace(command, "YOU", id.Name, 1)
	}
	switch code {
	case wire.CodeTLSRequired:
		return command + ", and name the file with --credential"
	case wire.CodeNotAuthenticated:
		return "for a new credential " + command
	}
	return ""
}

// beforeRoute reports whether a manager refuses before it knows which operation is requested: it has too many
// connections, it takes TLS only, or its version has no such path.
func beforeRoute(r *wire.Result) bool {
	switch r.Code {
	case wire.CodeTooBusy, wire.CodeNotFound, wire.CodeMethodNotAllowed, wire.CodeBadRequest, wire.CodeInternal,
		wire.CodeTLSRequired:
		return r.Action == "Request"
	}
	return false
}
