package cluster

import (
	"errors"
	"fmt"
	"strings"

	"dkvrun/builtins/report"
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/printable"
	"dkvrun/runtime/wire"
)

// doubtHint is the hint for a request that was sent and not answered.
const doubtHint = "it may have been carried out: look before you repeat it"

// ReadResult completes a row with a manager's answer. The manager, action and instance of the row are set already.
// asked is the operation that was requested. A result must name it: a refusal that answers another request decides
// nothing about this one. changes is true for a request that changes something: such a request is in doubt if it was
// not answered.
func ReadResult(row report.Row, asked string, changes bool, answer fanout.Answer) report.Row {
	row.Attempts, row.DurationMS = answer.Attempts, answer.Duration.Milliseconds()
	row.StatusCode = answer.Status
	var result wire.Result
	var wrong error
	if answer.Err == nil {
		result, wrong = wire.ReadResult(answer.Status, answer.Body)
	}
	switch {
	case answer.Err != nil:
		// The table has a column for the manager's name.
		row.Message = printable.Line(strings.TrimPrefix(answer.Err.Message, row.Manager+": "))
		row.Result, row.Code = report.Failed, answer.Err.Class
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
	case wrong != nil:
		row.Result, row.Code = report.Failed, fanout.Protocol
		row.Message = printable.Line(fmt.Sprintf("the answer contradicts itself: %v", wrong))
		if changes {
			row.InDoubt, row.Hint = true, doubtHint
		}
	case result.Action != asked && !beforeRoute(result):
		row.Result, row.Code = report.Failed, fanout.Protocol
		if changes {
			row.InDoubt, row.Hint = true, doubtHint
		}
		row.Message = fmt.Sprintf("answered about %s, which was not requested: is there a proxy in between?", printable.Line(result.Action))
	default:
		row.Message, row.Hint = printable.Line(result.Message), printable.Line(result.Hint)
		row.Code, row.Success = result.Code, result.Success
		row.Changed = row.Success && result.Code != wire.CodeUnchanged
		row.Result = report.Failed
		if row.Message == "" {
			row.Message = fmt.Sprintf("answered %d and the code %s, without a message", answer.Status, row.Code)
		}
		if row.Success {
			row.Result = report.Success
		}
	}
	return row
}

// beforeRoute reports whether a manager refuses before it knows which operation is requested: it has too many
// connections, or its version has no such path.
func beforeRoute(r wire.Result) bool {
	switch r.Code {
	case wire.CodeTooBusy, wire.CodeNotFound, wire.CodeMethodNotAllowed, wire.CodeBadRequest, wire.CodeInternal:
		return r.Action == "Request"
	}
	return false
}
