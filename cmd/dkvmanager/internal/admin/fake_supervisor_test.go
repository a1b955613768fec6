package admin

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/runtime/wire"
)

// fakeSupervisor runs no process: an instance counts as running when it has been started.
type fakeSupervisor struct {
	catalog *catalog.Catalog

	mu            sync.Mutex
	running       map[string]bool
	taken         map[int]bool
	removed       []string
	restarted     []string
	notifications int
	// enter, if set, receives a value when a start begins; the start goes on after a second one.
	enter, leave chan struct{}
	// joining makes started instances wait to be added to their store.
	joining bool
	err     error
	asks    map[string][]wire.MemberAsk // by store
	steps   []wire.MemberAsk            // that ChangeMember has taken
	strays  []wire.Stray
}

func (p *fakeSupervisor) MemberCheck(string) *wire.MemberCheck { return nil }

func (p *fakeSupervisor) Notify() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.notifications++
}

func (p *fakeSupervisor) Start(_ context.Context, store, instance string) (bool, error) {
	if p.enter != nil {
		p.enter <- struct{}{}
		<-p.leave
	}
	return p.set(store, instance, true)
}

func (p *fakeSupervisor) Stop(_ context.Context, store, instance string, _ bool) (bool, error) {
	return p.set(store, instance, false)
}

func (p *fakeSupervisor) Restart(ctx context.Context, store, instance string, may func(context.Context) error) error {
	p.mu.Lock()
	err := p.err
	if err == nil && !p.running[store+"/"+instance] {
		err = wire.RefuseRestartStopped.With(instance)
	}
	p.mu.Unlock()
	if err != nil {
		return err
	}
	if err := may(ctx); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.restarted = append(p.restarted, store+"/"+instance)
	return nil
}

func (p *fakeSupervisor) set(store, instance string, run bool) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return false, p.err
	}
	changed := p.running[store+"/"+instance] != run
	p.running[store+"/"+instance] = run
	return changed, p.catalog.Update(func(d *catalog.Data) error {
		d.Stores[store].Local[instance].Desired = map[bool]wire.Desired{true: wire.DesiredRunning,
			false: wire.DesiredStopped}[run]
		return nil
	})
}

func (p *fakeSupervisor) Instances(_ context.Context, store string) []wire.Instance {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.catalog.Snapshot().Stores[store]
	if s == nil {
		return nil
	}
	var out []wire.Instance
	for name, l := range s.Local {
		in := wire.Instance{Own: true, Desired: l.Desired, Status: wire.Stopped, Bootstrapped: l.Bootstrapped}
		if p.running[store+"/"+name] {
			started := time.Now()
			in.Status, in.PID, in.Ready, in.StartedAt = wire.Running, 4711, true, &started
		}
		if l.Leaving != nil {
			in.Node = *l.Leaving // the status is the old one: the supervisor has not noticed yet
		} else if n := node(s.Nodes, name); n != nil {
			in.Node = *n
			if l.Desired == wire.DesiredRunning && (p.joining || !p.running[store+"/"+name]) {
				in.Status = wire.Joining
			}
		}
		out = append(out, in)
	}
	return out
}

func (p *fakeSupervisor) Asks(store string) []wire.MemberAsk { return p.asks[store] }

func (p *fakeSupervisor) ChangeMember(_ context.Context, _ string, ask wire.MemberAsk) ([]wire.Member, bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return nil, false, p.err
	}
	p.steps = append(p.steps, ask)
	return []wire.Member{{Name: "orders-1", Role: wire.Voter}, {Name: ask.Node.Name, Role: wire.Learner}}, true, nil
}

func (p *fakeSupervisor) Remove(_ context.Context, store string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.removed = append(p.removed, store)
	return p.err
}

func (p *fakeSupervisor) CheckPorts(_ string, nodes []wire.Node) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range nodes {
		if n.Host == ownHost && p.taken[n.ClientPort] {
			return &wire.Result{StatusCode: http.StatusConflict, Code: wire.CodePortTaken,
				Message: fmt.Sprintf("%s:%d is taken", n.Host, n.ClientPort), Hint: "take another"}
		}
	}
	return nil
}

func (p *fakeSupervisor) Log(_, instance string, tail int) ([]byte, error) {
	return fmt.Appendf(nil, "%d lines of %s\n", tail, instance), nil
}

func (p *fakeSupervisor) Metrics(_ context.Context, store string, window time.Duration) []wire.Metric {
	if store == "" {
		return nil
	}
	rate := window.Seconds()
	return []wire.Metric{
		{Store: store, Instance: "orders-1", Category: "Requests", Name: "Get", Rate: &rate, Total: 10},
		{Store: store, Instance: "orders-1", Category: "Storage", Name: "ItemsCount", Total: 3},
	}
}

func (p *fakeSupervisor) Strays(string) []wire.Stray { return p.strays }

func (p *fakeSupervisor) Certificates(context.Context) []wire.Certificate {
	return []wire.Certificate{{Store: "OrdersStore", Instance: "orders-1", TLS: wire.TLSOff}}
}
