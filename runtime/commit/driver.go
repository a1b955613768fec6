package commit

import (
	"context"
	"encoding/json"
	"time"

	"dkvrun/runtime/wire"
)

// Request is one message to one manager.
type Request struct {
	// To is the index of the manager in Operation.Managers.
	To     int
	Method string
	Path   string
	Query  string
	// Body may be shared by several requests; nil for none.
	Body []byte
	// validStates are the states that the answer may report; nil for any. Another state contradicts the protocol and
	// counts as no answer.
	validStates []wire.OperationState
}

// Reply is the result of one request. Class is empty when an HTTP answer arrived; otherwise Class and Message describe
// the failure. A Reply with a Class tells nothing about whether the manager received the request. Invalid says why an
// HTTP answer can't be one of the manager, whatever its body says; empty if it can.
type Reply struct {
	Status   int
	Body     []byte
	Class    string
	Message  string
	Invalid  string
	Attempts int
	Duration time.Duration
}

// Send describes how a Transport sends several requests.
type Send struct {
	// Parallel sends all at once; otherwise one after the other.
	Parallel bool
	// FailFast sends no further request after a reply for which Failed returns true.
	FailFast bool
	Failed   func(Reply) bool
	// Each, if set, is called for each reply as it arrives, never concurrently.
	Each func(i int, reply Reply)
}

// Transport sends requests and returns their replies in the order of the requests. A request that was not sent gets a
// reply of class NotSent. When ctx ends, requests in flight are cancelled; a manager may have received them. A
// transport may deliver a request late or more than once: ids and epochs make that harmless (I1, I7).
type Transport interface {
	Send(ctx context.Context, requests []Request, how Send) []Reply
}

// NotSent is the class of a reply to a request that was not started: the manager has certainly not received it.
const NotSent = "skipped"

// Clock is the time that the driver works with; tests replace it.
type Clock interface {
	Now() time.Time
	// Sleep waits for d. It returns early with the error of ctx when ctx ends.
	Sleep(ctx context.Context, d time.Duration) error
	// Every calls f each time d has passed, until stop is called. f may run concurrently with the caller.
	Every(d time.Duration, f func()) (stop func())
}

// Result is the result of one manager's row.
type Result string

const (
	Done       Result = "SUCCESS"
	Failed     Result = "FAILED"
	RolledBack Result = "ROLLED BACK"
	Skipped    Result = "SKIPPED"
	Planned    Result = "PLANNED"
)

// CodeUnknownOutcome is the code of a row whose operation may be committed or aborted: the driver does not know it.
const CodeUnknownOutcome = "undecided"

// Row is the result of the operation at one manager.
type Row struct {
	Result   Result
	Code     string
	Message  string
	Hint     string
	Status   int
	Attempts int
	Duration time.Duration
}

// State is the result of the operation as a whole.
type State int

const (
	// Refused: the preflight found an objection; no manager has written anything.
	Refused State = iota
	// Aborted: the coordinator has aborted it, or never voted for it. It will not be committed anywhere (I1).
	Aborted
	// Committed: the coordinator has committed it. It will be committed at every manager (I4); managers that have not
	// confirmed it follow by themselves.
	Committed
	// Unknown: the coordinator does not answer, or has no record. Reporting Committed or Aborted could be wrong. The
	// managers resolve the operation by themselves when the coordinator answers (I5).
	Unknown
	// DryRun: no manager objects; a dry run ends here.
	DryRun
)

// Outcome is the end of an operation, as the driver knows it.
type Outcome struct {
	State State
	// Rows are in the order of Operation.Managers.
	Rows []Row
	// Busy is set when another operation of the store is the only objection.
	Busy bool
	// Stale is set when the store's configuration is no longer the base of the operation (I6): the caller has to plan
	// anew.
	Stale bool
	// Summary describes the state of the managers in one sentence.
	Summary string
}

// Driver carries out one operation at its managers. It is used once.
type Driver struct {
	Transport Transport
	Clock     Clock
	Operation wire.Operation
	// Names are the managers' names for messages, in the order of Operation.Managers.
	Names []string
	// Claimed are the names of the new nodes. Exactly one manager has to claim each as a node of its host.
	Claimed []string
	// Verb is the participle for rows and summary: "Created".
	Verb string
	// Parallel asks the managers after the coordinator all at once. FailFast stops at the first vote that is not yes.
	Parallel, FailFast bool
	// DecideTimeout bounds the wait for the coordinator's decision. After it the outcome is unknown.
	DecideTimeout time.Duration
	// OnRow, if set, is called when a manager's row is final, never concurrently.
	OnRow func(i int, row Row)

	coordinator      int
	digest           string // of the operation, as a manager computes it from the request
	coordinatorVoted bool   // the coordinator has voted yes: only its own decision ends the operation from then on (I1)
	body             []byte
	rows             []Row
	seen             []bool // whether a row is final
	// shown counts the rows passed to OnRow, when they are passed in order.
	shown int
}

// cancelGrace bounds the wait for the coordinator's decision after ctx has ended.
const cancelGrace = 10 * time.Second

// maxPrepareRounds bounds how often prepare is repeated with a higher epoch.
const maxPrepareRounds = 3

// Run carries out all phases. When ctx ends it aborts the operation, and returns when the coordinator has answered or
// cancelGrace is over.
func (r *Driver) Run(ctx context.Context) *Outcome {
	r.start()
	epoch, refused := r.preflight(ctx)
	if refused != nil {
		return refused
	}
	if r.Operation.DryRun {
		return r.planned()
	}
	r.Operation.Epoch = epoch + 1 // above every epoch seen: late messages of earlier rounds do not apply to it (I1)
	return r.runPhases(ctx)
}

// start prepares the rows and the digest, and finds the coordinator among the managers.
func (r *Driver) start() {
	r.rows = make([]Row, len(r.Operation.Managers))
	r.seen = make([]bool, len(r.rows))
	for i, m := range r.Operation.Managers {
		if m.Identity == r.Operation.Coordinator {
			r.coordinator = i
		}
	}
	// The digest is of the content as managers decode it: encoding replaces bytes that are not UTF-8, in the name of
	// the owner for example.
	var sent wire.Operation
	r.encode(false)
	_ = json.Unmarshal(r.body, &sent) // its own encoding
	r.digest = sent.Digest()
}

// show makes a manager's row final and passes it to OnRow. Unless Parallel is set, rows are passed in the order of the
// managers, whichever answered first.
func (r *Driver) show(i int, row Row) {
	if r.seen[i] {
		return
	}
	r.rows[i], r.seen[i] = row, true
	if r.OnRow == nil {
		return
	}
	if r.Parallel {
		r.OnRow(i, row)
		return
	}
	for r.shown < len(r.rows) && r.seen[r.shown] {
		r.OnRow(r.shown, r.rows[r.shown])
		r.shown++
	}
}
