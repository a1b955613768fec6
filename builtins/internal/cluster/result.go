package cluster

import (
	"encoding/json"
	"fmt"
	"strings"

	"dkvrun/builtins/report"
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/wire"
)

// doubtHint is the hint for a request that was sent and not answered.
const doubtHint = "it may have been carried out: look before you repeat it"

// ReadResult completes a row with a manager's answer. The manager, action and instance of the row are set already.
// changes is true for a request that changes something: such a request is in doubt if it was not answered, and a
// successful answer must name the same operation.
func ReadResult(row report.Row, changes bool, answer fanout.Answer) report.Row {
	row.Attempts, row.DurationMS = answer.Attempts, answer.Duration.Milliseconds()
	row.StatusCode = answer.Status
	var result wire.Result
	switch {
	case answer.Err != nil:
		// The table has a column for the manager's name.
		row.Message = strings.TrimPrefix(answer.Err.Message, row.Manager+": ")
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
	case json.Unmarshal(answer.Body, &result) != nil || result.Code == "":
		row.Result, row.Code = report.Failed, fanout.Protocol
		if answer.Status/100 != 2 {
			row.Code = fanout.HTTP
		}
		row.Message = fmt.Sprintf("answered %d with something that is no result of the admin API: is a dkvmanager listening there?", answer.Status)
	case changes && result.Success && result.Action != row.Operation():
		row.Result, row.Code, row.Hint = report.Failed, fanout.Protocol, doubtHint
		row.InDoubt = true
		row.Message = fmt.Sprintf("answered about %s, which was not requested: is there a proxy in between?", fanout.Printable(result.Action))
	default:
		row.Message, row.Hint = fanout.Printable(result.Message), fanout.Printable(result.Hint)
		row.Code = fanout.Printable(result.Code)
		row.Success = result.Success && answer.Status/100 == 2
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
