package commit

import (
	"context"
	"time"

	"dkvrun/runtime/wire"
)

// Request is one message to one manager.
type Request struct {
	// To is the manager's place in Change.Managers.
	To     int
	Method string
	Path   string
	Query  string
	// Body may be shared by several requests; nil for none.
	Body        []byte
	validStates []wire.OperationState // what the operation can have come to when this is answered; nil for anything
}

// Reply is what came back. Class and Message say what went wrong where no HTTP answer came; Class is
// empty where one did.
type Reply struct {
	Status   int
	Body     []byte
	Class    string
	Message  string
	Attempts int
	Duration time.Duration
}

// Send says how requests are worked off.
type Send struct {
	// Parallel sends all at once, otherwise one after the other.
	Parallel bool
	// FailFast sends nothing more after a reply that Failed says is one.
	FailFast bool
	Failed   func(Reply) bool
	// Each, where set, is called once a reply, never twice at a time, as they arrive.
	Each func(i int, reply Reply)
}

// Transport carries messages. The replies are in the requests' order; one that was not sent has the class
// NotSent. When ctx ends, what is in flight is cut off.
type Transport interface {
	Send(ctx context.Context, requests []Request, how Send) []Reply
}

// NotSent is the class of a reply to a request that was not begun.
const NotSent = "skipped"

// Clock is the time, and the chance, that the runner works with.
type Clock interface {
	Now() time.Time
	// Sleep returns early, with its error, when ctx ends.
	Sleep(ctx context.Context, d time.Duration) error
	// Every calls f each time d has passed, until stop is called; f may run beside what goes on.
	Every(d time.Duration, f func()) (stop func())
}

// Result of a row.
type Result string

const (
	Done       Result = "SUCCESS"
	Failed     Result = "FAILED"
	RolledBack Result = "ROLLED BACK"
	Skipped    Result = "SKIPPED"
	Planned    Result = "PLANNED"
)

// CodeUnknownOutcome is the code of a row whose manager waits for the word of a coordinator that is silent.
const CodeUnknownOutcome = "undecided"

// Row says what has become of the change at one manager.
type Row struct {
	Result   Result
	Code     string
	Message  string
	Hint     string
	Status   int
	Attempts int
	Duration time.Duration
}

// State is what has become of the change as a whole.
type State int

const (
	// Refused: something spoke against it before anything was written.
	Refused State = iota
	// Aborted: it was undone, nothing of it stays.
	Aborted
	// Committed: its coordinator has committed it. Managers that have not said so follow by themselves.
	Committed
	// Unknown: the coordinator does not say. The managers settle it by themselves when it does.
	Unknown
	// DryRun: it could be made; a dry run ends here.
	DryRun
)

// Outcome is how a change ended.
type Outcome struct {
	State State
	// Rows are in the order of Change.Managers.
	Rows []Row
	// Busy is set when all that spoke against the change is another one of the store.
	Busy bool
	// Stale is set when the store has another configuration by now.
	Stale bool
	// Summary says in one sentence where the cluster stands.
	Summary string
}

// Driver brings one change to its managers. It is used once.
type Driver struct {
	Transport Transport
	Clock     Clock
	Operation wire.Operation
	// Names are the managers' as people know them, in the order of Change.Managers.
	Names []string
	// Claimed are the nodes each of which exactly one manager has to take for its own.
	Claimed []string
	// Verb is what has been done to the store, for the rows and the summary: "Created".
	Verb string
	// Parallel asks the others at once, FailFast stops at the first no.
	Parallel, FailFast bool
	// DecideTimeout is how long an answer of the coordinator is waited for when it is to decide.
	DecideTimeout time.Duration
	// OnRow, where set, is called when a manager's row is known, never twice at a time.
	OnRow func(i int, row Row)

	coordinator      int
	coordinatorVoted bool // the home has voted yes: from then on it holds the change until it says that it doesn't
	body             []byte
	rows             []Row
	seen             []bool // the rows that are fixed
	// shown is how many rows OnRow was called for, where they come in order.
	shown int
}

// cancelGrace is how long the change is settled for once ctx has ended.
const cancelGrace = 10 * time.Second

// maxPrepareRounds bounds how often a change is prepared anew with a higher epoch.
const maxPrepareRounds = 3

// Run looks, votes and decides. It returns early when ctx ends, once the change is undone.
func (r *Driver) Run(ctx context.Context) *Outcome {
	r.start()
	epoch, refused := r.preflight(ctx)
	if refused != nil {
		return refused
	}
	if r.Operation.DryRun {
		return r.planned()
	}
	r.Operation.Epoch = epoch + 1
	return r.runPhases(ctx)
}

func (r *Driver) start() {
	r.rows = make([]Row, len(r.Operation.Managers))
	r.seen = make([]bool, len(r.rows))
	for i, m := range r.Operation.Managers {
		if m.Identity == r.Operation.Coordinator {
			r.coordinator = i
		}
	}
}

// show fixes a manager's row. One by one, rows come in the managers' order, whoever was first.
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
