package commit

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"dkvrun/runtime/wire"
)

// world implements Transport and Clock: scripted managers, and a clock that advances when the driver sleeps.
type world struct {
	t     *testing.T
	now   time.Time
	epoch uint64 // the highest epoch that the managers have seen
	votes []bool // which managers have the operation prepared
	// answers overrides the answers of a manager to a message, such as "1 commit". The last one is repeated.
	answers map[string][]Reply
	sent    []string
	last    Request
	names   []string
	digest  string // of the last operation that was sent
	asked   uint64 // its epoch
	older   bool   // refusals name neither operation nor manager
}

func newWorld(t *testing.T, managers int) *world {
	w := &world{t: t, now: time.Unix(0, 0), votes: make([]bool, managers), answers: map[string][]Reply{}}
	for i := range managers {
		w.names = append(w.names, fmt.Sprintf("10.0.0.%d:7801", 11+i))
	}
	return w
}

func (w *world) Now() time.Time { return w.now }

func (w *world) Sleep(ctx context.Context, d time.Duration) error {
	w.now = w.now.Add(d)
	return ctx.Err()
}

func (w *world) Every(time.Duration, func()) func() { return func() {} }

// Send implements Transport: one after the other, in order.
func (w *world) Send(ctx context.Context, requests []Request, how Send) []Reply {
	replies := make([]Reply, len(requests))
	stopped := false
	for i, r := range requests {
		if stopped || ctx.Err() != nil {
			replies[i] = Reply{Class: NotSent, Message: "not sent"}
		} else {
			replies[i] = w.answer(r)
		}
		stopped = stopped || how.FailFast && how.Failed(replies[i])
		if how.Each != nil {
			how.Each(i, replies[i])
		}
	}
	return replies
}

// answer returns a manager's reply. Unless the script says otherwise, it has the manager's identity and the operation
// of the request.
func (w *world) answer(r Request) Reply {
	reply := w.reply(r)
	var refusal wire.Result
	if reply.Status != 200 && !w.older && json.Unmarshal(reply.Body, &refusal) == nil {
		refusal.OperationID, refusal.Manager = cmp.Or(refusal.OperationID, "op"), cmp.Or(refusal.Manager, identity(r.To))
		reply.Body, _ = json.Marshal(refusal)
	}
	var op wire.OperationStatus
	if reply.Status != 200 || json.Unmarshal(reply.Body, &op) != nil || op.State == "" {
		return reply
	}
	if op.State != wire.OperationUnknown {
		op.Digest, op.Store = cmp.Or(op.Digest, w.digest), cmp.Or(op.Store, "OrdersStore")
		op.Epoch = cmp.Or(op.Epoch, w.asked)
	}
	if op.Digest != "" {
		op.Action = cmp.Or(op.Action, wire.CreateAction)
	}
	if op.ID == "" {
		op.ID = "op"
	}
	if op.Manager == "" {
		op.Manager = identity(r.To)
	}
	return says(op)
}

func identity(i int) string {
	if i == 1 {
		return "a"
	}
	return fmt.Sprintf("m%d", i)
}

func (w *world) reply(r Request) Reply {
	verb := r.Path[strings.LastIndexByte(r.Path, '/')+1:]
	var change wire.Operation
	if verb == "operations" {
		if err := json.Unmarshal(r.Body, &change); err != nil {
			w.t.Fatal(err)
		}
		w.digest, w.asked = change.Digest(), change.Epoch
		verb = map[bool]string{true: "preflight", false: "prepare"}[change.DryRun]
	}
	message := fmt.Sprintf("%d %s", r.To, verb)
	w.sent, w.last = append(w.sent, message), r
	if scripted := w.answers[message]; len(scripted) > 0 {
		if len(scripted) > 1 {
			w.answers[message] = scripted[1:]
		}
		return scripted[0]
	}
	switch verb {
	case "preflight":
		op := wire.OperationStatus{State: wire.OperationUnknown, Epoch: w.epoch}
		if r.To < len(change.Nodes) {
			op.Claims = []string{change.Nodes[r.To].Name}
		}
		return says(op)
	case "prepare":
		w.votes[r.To] = true
		return says(wire.OperationStatus{State: wire.OperationPrepared, Epoch: change.Epoch})
	case "commit":
		return says(wire.OperationStatus{State: wire.OperationCommitted})
	}
	w.votes[r.To] = false
	return says(wire.OperationStatus{State: wire.OperationAborted})
}

// says returns a reply with an operation, refuses one with a refusal, and silent the result of no reply.
func says(op wire.OperationStatus) Reply {
	text, _ := json.Marshal(op)
	return Reply{Status: 200, Body: text, Attempts: 1}
}

func refuses(status int, code string, epoch uint64) Reply {
	text, _ := json.Marshal(wire.Result{StatusCode: status, Code: code, Message: "because of " + code, Epoch: epoch})
	return Reply{Status: status, Body: text, Attempts: 1}
}

func silent() Reply { return Reply{Class: "timeout", Message: "no answer", Attempts: 1} }

// runner returns a driver that creates a store with an instance on each manager. The second one is the coordinator.
func (w *world) runner() *Driver {
	r := &Driver{Transport: w, Clock: w, Verb: "Created", Names: w.names, DecideTimeout: 30 * time.Second}
	r.Operation = wire.Operation{ID: "op", Action: wire.CreateAction, Store: "OrdersStore", Coordinator: identity(1)}
	for i := range w.votes {
		r.Operation.Managers = append(r.Operation.Managers, wire.Manager{Identity: identity(i), URL: "http://" + w.names[i]})
		name := fmt.Sprintf("orders-%d", i+1)
		r.Operation.Nodes = append(r.Operation.Nodes, wire.Node{Name: name, Host: fmt.Sprintf("10.0.0.%d", 11+i), Manager: w.names[i]})
		r.Claimed = append(r.Claimed, name)
	}
	return r
}

// results returns the rows' results in one line.
func results(out *Outcome) string {
	var all []string
	for _, row := range out.Rows {
		all = append(all, string(row.Result))
	}
	return strings.Join(all, ", ")
}

// after returns the messages that were sent after the preflight.
func (w *world) after() string {
	return strings.Join(w.sent[min(len(w.votes), len(w.sent)):], ", ")
}
