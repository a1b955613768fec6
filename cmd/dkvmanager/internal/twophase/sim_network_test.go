package twophase

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	runner "dkvrun/runtime/commit"
	"dkvrun/runtime/wire"
)

// replyTimeout bounds the wait for an answer.
const replyTimeout = 8 * time.Second

// faults are the probabilities of faults, per message or per write.
type faults struct {
	lostRequest, lostReply, doubled, slow, broken float64
	diskFull, crashInWrite, damage                float64
	// altered changes a field of a prepare, misleading answers a commit or an abort with a refusal that is not about it.
	altered, misleading float64
}

// latency returns the latency of a message in one direction.
func (s *simulation) latency() time.Duration {
	if s.chance(s.faults.slow) {
		return s.upTo(40 * time.Second)
	}
	return time.Millisecond + s.upTo(20*time.Millisecond)
}

// exchange delivers a request to a manager and its answer to back, which is called at most once.
func (s *simulation) exchange(to *manager, handle func() runner.Reply, back func(runner.Reply)) {
	answer := func(reply runner.Reply) {
		switch {
		case s.chance(s.faults.lostReply):
			return
		case s.chance(s.faults.broken):
			reply = runner.Reply{Class: "network", Message: "the connection was reset inside the body"}
		}
		s.after(s.latency(), func() { back(reply) })
	}
	deliver := func(answer func(runner.Reply)) {
		if to.down {
			answer(runner.Reply{Class: "network", Message: "connection refused"})
			return
		}
		s.spawn(&to.process, func() { answer(handle()) })
	}
	if s.chance(s.faults.doubled) {
		s.after(s.upTo(90*time.Second), func() { deliver(func(runner.Reply) {}) })
	}
	if !s.chance(s.faults.lostRequest) {
		s.after(s.latency(), func() { deliver(answer) })
	}
}

// network is a runner's Transport and Clock.
type network struct {
	*simulation
	participants []*manager
}

func (n network) Send(ctx context.Context, requests []runner.Request, how runner.Send) []runner.Reply {
	replies := make([]runner.Reply, len(requests))
	for i := range replies {
		replies[i] = runner.Reply{Class: runner.NotSent, Message: "not asked"}
	}
	if how.Parallel {
		n.several(ctx, requests, replies, how)
		return replies
	}
	for i := range requests {
		n.several(ctx, requests[i:i+1], replies[i:i+1], how)
		if how.FailFast && how.Failed != nil && how.Failed(replies[i]) {
			break
		}
	}
	return replies
}

// several sends requests at once and waits for all their replies.
func (n network) several(ctx context.Context, requests []runner.Request, replies []runner.Reply, how runner.Send) {
	if ctx.Err() != nil {
		return
	}
	t := n.current
	var arrived []int
	done := make([]bool, len(requests))
	set := func(i int, reply runner.Reply) {
		if done[i] {
			return
		}
		done[i], replies[i] = true, reply
		arrived = append(arrived, i)
		n.wake(t, 0)
	}
	for i, request := range requests {
		to := n.participants[request.To]
		n.exchange(to, func() runner.Reply { return n.mislead(request, to.serve(n.alter(request))) },
			func(reply runner.Reply) { set(i, reply) })
		n.after(replyTimeout, func() { set(i, n.silence(request)) })
	}
	for shown := 0; shown < len(requests); {
		if shown == len(arrived) {
			n.wait()
			if ctx.Err() != nil {
				for i := range requests {
					set(i, runner.Reply{Class: "canceled", Message: "given up"})
				}
			}
			continue
		}
		if how.Each != nil {
			how.Each(arrived[shown], replies[arrived[shown]])
		}
		shown++
	}
}

// alter changes a field of a prepare in transit, or nothing.
func (n network) alter(request runner.Request) runner.Request {
	if request.Path != wire.OperationsPath() || !n.chance(n.faults.altered) {
		return request
	}
	var c wire.Operation
	n.decode(request.Body, &c)
	someone := n.rng.IntN(len(c.Managers))
	switch what := n.rng.IntN(8); {
	case what == 0:
		c.Store += "2"
	case what == 1:
		c.Owner += "2"
	case what == 2:
		c.Coordinator = c.Managers[someone].Identity
	// Only the driver reaches a manager that has a wrong address of the coordinator, and the driver may be dead.
	case what == 3 && c.Managers[someone].Identity != c.Coordinator:
		c.Managers[someone].URL += "2"
	case len(c.Nodes) == 0:
		c.BaseRevision++
	case what == 4:
		c.Nodes[n.rng.IntN(len(c.Nodes))].ClientPort++
	case what == 5:
		c.Nodes[n.rng.IntN(len(c.Nodes))].Name += "x"
	case what == 6:
		c.Nodes[n.rng.IntN(len(c.Nodes))].Host = "10.0.0.99"
	default:
		c.Creation += "2"
	}
	request.Body, _ = json.Marshal(c)
	return request
}

// mislead replaces the answer to a commit or an abort by a refusal that is about another operation, or names none.
func (n network) mislead(request runner.Request, reply runner.Reply) runner.Reply {
	if !strings.HasSuffix(request.Path, "/commit") && !strings.HasSuffix(request.Path, "/abort") || !n.chance(n.faults.misleading) {
		return reply
	}
	wrong := wire.RefuseOperationAborted.With("op-0")
	switch n.rng.IntN(3) {
	case 0:
		wrong.OperationID, wrong.Manager = "op-0", n.participants[request.To].disk.identity
	case 1:
		wrong.StatusCode = 409
	}
	body, _ := json.Marshal(wrong)
	return runner.Reply{Status: wrong.StatusCode, Body: body}
}

// silence returns the reply of a request that got no answer.
func (n network) silence(request runner.Request) runner.Reply {
	if n.weak.believeSilence && strings.HasSuffix(request.Path, "/commit") {
		refusal := wire.Refuse(wire.CodeOperationAborted, "it will have been aborted")
		id, _, _ := strings.Cut(strings.TrimPrefix(request.Path, wire.OperationsPath()+"/"), "/")
		refusal.OperationID, refusal.Manager = id, n.participants[request.To].disk.identity
		body, _ := json.Marshal(refusal)
		return runner.Reply{Status: 410, Body: body}
	}
	return runner.Reply{Class: "timeout", Message: "no answer"}
}

// State implements Peers.
func (m *manager) State(_ context.Context, url, store string, q wire.StateQuestion) (wire.StoreState, error) {
	return m.ask(url, func(to *manager) (wire.StoreState, error) {
		if err := to.participant.Asked(store, q); err != nil {
			return wire.StoreState{}, err
		}
		return to.participant.State(store)
	})
}

// Resolve implements Peers.
func (m *manager) Resolve(ctx context.Context, w wire.Manager, store, coordinator string) error {
	_, err := m.ask(w.URL, func(to *manager) (wire.StoreState, error) {
		if w.Identity != to.disk.identity {
			return wire.StoreState{}, wire.RefuseWrongManager.With(to.disk.identity)
		}
		return to.participant.ResolveStore(ctx, store, coordinator)
	})
	return err
}

// ask calls a function at another manager through the network, and returns its answer.
func (m *manager) ask(url string, what func(*manager) (wire.StoreState, error)) (wire.StoreState, error) {
	s, t := m.s, m.s.current
	var state wire.StoreState
	err := errors.New("no answer")
	over := false
	for _, to := range s.managers {
		if to.url() != url {
			continue
		}
		var said wire.StoreState
		s.exchange(to, func() runner.Reply {
			var failed error
			if said, failed = what(to); failed != nil {
				return runner.Reply{Class: "network", Message: failed.Error()}
			}
			return runner.Reply{Status: 200}
		}, func(reply runner.Reply) {
			if !over && reply.Class == "" {
				state, err = said, nil
			}
			over = true
			s.wake(t, 0)
		})
	}
	s.after(replyTimeout, func() { over = true; s.wake(t, 0) })
	for !over {
		s.wait()
	}
	return state, err
}

// Now, Sleep and Every implement the driver's Clock.
func (n network) Now() time.Time { return n.now }

func (n network) Sleep(ctx context.Context, d time.Duration) error {
	t, end := n.current, n.now.Add(d)
	n.wake(t, d)
	for n.now.Before(end) && ctx.Err() == nil {
		n.wait()
	}
	return ctx.Err()
}

func (n network) Every(d time.Duration, f func()) (stop func()) {
	stopped, p, life := false, n.current.p, n.current.life
	var tick func()
	tick = func() {
		if stopped || p.life != life {
			return
		}
		n.spawn(p, f)
		n.after(d, tick)
	}
	n.after(d, tick)
	return func() { stopped = true }
}
