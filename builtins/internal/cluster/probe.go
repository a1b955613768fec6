package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"dkvrun/builtins/internal/text"
	"dkvrun/builtins/report"
	"dkvrun/runtime"
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/wire"
)

// ConnectAction is the action of the rows that are shown for a connection.
const ConnectAction = "Connect"

// Probe is the first response of a manager, with the manager's identity. Row.Success reports whether the manager
// answered.
type Probe struct {
	Member
	Row report.Row
	// Health is what a manager that answered says of itself; empty if it is ready.
	Health wire.Health
}

// Probe asks managers for their identity, all at once.
func (call Caller) Probe(ctx context.Context, endpoints []fanout.Endpoint) []Probe {
	requests := make([]fanout.Request, len(endpoints))
	for i, e := range endpoints {
		requests[i] = fanout.Request{Endpoint: e, Method: http.MethodGet, Path: wire.InfoPath(), Idempotent: true}
	}
	answers := call.Client.Do(ctx, requests, fanout.Options{
		Timeout: call.Timeout, ConnectTimeout: call.ConnectTimeout, OnAnswer: call.counting(len(requests)),
	})
	call.Progress("")
	all := make([]Probe, len(endpoints))
	for i, answer := range answers {
		all[i] = readInfo(call.Client.Resolve(endpoints[i]), answer)
	}
	return all
}

func readInfo(at fanout.Endpoint, answer fanout.Answer) Probe {
	var info wire.Info
	isInfo := answer.Err == nil && answer.Status == http.StatusOK && decode(answer.Body, &info) == nil && info.Identity != ""
	if isInfo && info.Identity == answer.Manager {
		return Probe{Member: Member{Endpoint: at, Info: &info}, Row: connectedRow(at, answer), Health: answer.Health}
	}
	member := Member{Endpoint: at}
	row := ReadResult(report.Row{Manager: at.String(), Action: ConnectAction}, member, queryOf(wire.InfoPath()), answer)
	if answer.Err == nil && answer.Status == http.StatusOK {
		row = Unreadable(at)
		row.Action = ConnectAction
		if isInfo && answer.Manager == "" {
			row.Message = withoutIdentity
		}
	}
	return Probe{Member: member, Row: row}
}

func connectedRow(at fanout.Endpoint, answer fanout.Answer) report.Row {
	message := "Connected"
	if answer.Health != "" {
		message += ", but " + string(answer.Health)
	}
	return report.Row{
		Manager: at.String(), Action: ConnectAction, Result: report.Success, Success: true, Changed: true,
		Code: wire.CodeOK, Message: message,
		StatusCode: answer.Status, Attempts: answer.Attempts, DurationMS: answer.Duration.Milliseconds(),
	}
}

// UnwellNotices returns a sentence for each manager that answered and can't be relied on, about some of many.
func UnwellNotices(probes []Probe) []string {
	var out []string
	more := 0
	for _, p := range probes {
		switch {
		case !p.Row.Success || p.Health == "":
			continue
		case len(out) == maxReasons:
			more++
			continue
		}
		text := p.Endpoint.String() + " is " + string(p.Health)
		if c := p.condition(); c != nil {
			text += ": " + c.Why
			if c.Next != "" {
				text += "; " + c.Next
			}
		} else {
			text += "; connect_managers() says why"
		}
		out = append(out, text)
	}
	if more > 0 {
		out = append(out, fmt.Sprintf("%d more managers are not well", more))
	}
	return out
}

// condition returns the condition of a manager that is not well, or nil if it has not told it.
func (p *Probe) condition() *wire.Condition {
	if p.Info == nil || p.Info.Condition == nil || p.Info.Condition.Health == wire.HealthReady {
		return nil
	}
	return p.Info.Condition
}

// Connect returns the session of the probed managers. It returns an error if some did not answer, unless allowDown is
// set; if none answered; or if two endpoints are the same manager.
func Connect(ctx context.Context, builtin string, probes []Probe, allowDown bool) (*Session, error) {
	members, err := connectable(ctx, builtin, probes, allowDown)
	if err != nil {
		return nil, err
	}
	s := NewSession(members)
	s.allowDown = allowDown
	return s, nil
}

func connectable(ctx context.Context, builtin string, probes []Probe, allowDown bool) ([]Member, error) {
	if ctx.Err() != nil {
		var waiting []fanout.Endpoint
		for _, p := range probes {
			if p.Row.Code == fanout.Cancelled || p.Row.Code == fanout.Skipped {
				waiting = append(waiting, p.Endpoint)
			}
		}
		return nil, noResponse(ctx, builtin, waiting)
	}
	if n := silent(probes); n > 0 && (!allowDown || n == len(probes)) {
		return nil, notConnected(probes, n)
	}
	if err := distinct(probes); err != nil {
		return nil, err
	}
	return members(probes), nil
}

func members(probes []Probe) []Member {
	out := make([]Member, len(probes))
	for i, p := range probes {
		out[i] = p.Member
	}
	return out
}

func silent(probes []Probe) int { return len(probes) - len(answering(probes)) }

func answering(probes []Probe) []fanout.Endpoint {
	var there []fanout.Endpoint
	for _, p := range probes {
		if p.Row.Success {
			there = append(there, p.Endpoint)
		}
	}
	return there
}

// ConnectRows returns the rows of a connection that ended with err, which may be nil. If it failed, no manager is
// connected, and the row of one that answered says why.
func ConnectRows(probes []Probe, err error) []report.Row {
	rows := make([]report.Row, len(probes))
	for i, p := range probes {
		rows[i] = p.Row
		if err != nil && p.Row.Success {
			rows[i].Result, rows[i].Success, rows[i].Changed = report.Skipped, false, false
			rows[i].Code, rows[i].Message = fanout.Skipped, "Answered, and is not connected: "+whyNot(probes, err)
		}
	}
	return rows
}

// whyNot returns the reason why managers that answered are not connected.
func whyNot(probes []Probe, err error) string {
	var failed *runtime.Error
	if errors.As(err, &failed) && failed.Code == runtime.CodeCancelled {
		return "the run was stopped"
	}
	var names []string
	rows := unanswered(probes)
	for _, row := range rows {
		names = append(names, row.Manager)
	}
	if len(names) == 0 {
		return "a manager is named twice"
	}
	return text.Few(names) + " " + NotAnswered(rows)
}

// unanswered returns the rows of the managers that did not answer.
func unanswered(probes []Probe) []report.Row {
	var rows []report.Row
	for _, p := range probes {
		if !p.Row.Success {
			rows = append(rows, p.Row)
		}
	}
	return rows
}

// distinct returns an error if a manager is listed twice under different names.
func distinct(probes []Probe) error {
	seen := make(map[string]fanout.Endpoint, len(probes))
	for _, p := range probes {
		identity := p.Identity()
		if identity == "" {
			continue
		}
		if first, twice := seen[identity]; twice {
			return &runtime.Error{
				Code:    "same_manager",
				Message: fmt.Sprintf("not connected: %s and %s are one and the same manager: name it once", first, p.Endpoint),
				Hint:    "if they are two managers, the data folder of one is a copy of the other's: start that one with an empty folder",
			}
		}
		seen[identity] = p.Endpoint
	}
	return nil
}

// notConnected returns the error for n managers that did not answer. It includes their reasons, because rows are not
// shown everywhere.
func notConnected(probes []Probe, n int) error {
	failed := unanswered(probes)
	if n == len(probes) {
		return NoAnswer("not connected", failed)
	}
	return &runtime.Error{
		Code:    failed[0].Code,
		Message: fmt.Sprintf("not connected: %d of %d managers %s: %s", n, len(probes), NotAnswered(failed), Reasons(failed)),
		Hint:    cmp.Or(Remedy(failed), "start them, leave them out, or go on without them: allow_down = true (--allow-down)"),
	}
}

// incomplete returns the error of a topology change for managers that did not answer. To accept their silence does not
// help, since an operation needs the vote of every manager.
func incomplete(builtin string, probes []Probe) error {
	failed := unanswered(probes)
	if len(failed) == len(probes) {
		return NoAnswer(builtin, failed)
	}
	return &runtime.Error{
		Code: codeIncomplete,
		Message: fmt.Sprintf("%s: %d of %d managers %s, and a topology change needs every one: %s",
			builtin, len(failed), len(probes), NotAnswered(failed), Reasons(failed)),
		Hint: "repeat it when they answer; if one is gone for good, let its stores continue without it, " +
			"with repair_store{name, lost = …}, and leave it out",
	}
}

// codeIncomplete is the code of a topology change that some managers of the session can't take part in.
const codeIncomplete = "not_all_connected"

// codeNoAnswer is the code of the error for a query, or a connection, that no manager answered.
const codeNoAnswer = "no_answer"

// maxReasons bounds the reasons that an error lists.
const maxReasons = 3

// NotAnswered returns the verb phrase for managers without a usable answer to a query: "did not answer", or "gave no
// usable answer" if any of them sent one.
func NotAnswered(silent []report.Row) string {
	for _, row := range silent {
		switch row.Code {
		case "", fanout.Timeout, fanout.Refused, fanout.Unreachable, fanout.DNS, fanout.TLS, fanout.Reset, fanout.Local,
			fanout.Cancelled, fanout.Skipped:
			if row.StatusCode == 0 {
				continue
			}
		}
		return "gave no usable answer"
	}
	return "did not answer"
}

// Remedy returns the hint that all rows share, or "". Hints about credentials are the same for all managers of a
// cluster.
func Remedy(silent []report.Row) string {
	for _, row := range silent {
		if row.Hint != silent[0].Hint {
			return ""
		}
	}
	return silent[0].Hint
}

// Reasons returns why managers, each with a row, did not answer: those with the same reason together, and a few reasons
// of many. If Remedy returns no hint for all of them, each reason has its own.
func Reasons(silent []report.Row) string {
	shared := Remedy(silent) != ""
	var reasons []string // in the order of the managers
	managers := map[string][]string{}
	for _, row := range silent {
		reason := row.Message
		if row.Hint != "" && !shared {
			reason += " (" + row.Hint + ")"
		}
		if managers[reason] == nil {
			reasons = append(reasons, reason)
		}
		managers[reason] = append(managers[reason], row.Manager)
	}
	for i, reason := range reasons {
		reasons[i] = text.Few(managers[reason]) + ": " + reason
	}
	if more := len(reasons) - maxReasons; more > 0 {
		reasons = append(reasons[:maxReasons], fmt.Sprintf("and %d other reasons", more))
	}
	return strings.Join(reasons, "; ")
}

// NoAnswer returns the error of a query that none of the managers answered. Each has a row with the reason. The text
// what says what failed.
func NoAnswer(what string, silent []report.Row) *runtime.Error {
	answered := "no manager answered"
	if NotAnswered(silent) != "did not answer" {
		answered = "no manager gave a usable answer"
	}
	return &runtime.Error{
		Code: codeNoAnswer, Message: what + ": " + answered + ": " + Reasons(silent), Hint: Remedy(silent),
	}
}
