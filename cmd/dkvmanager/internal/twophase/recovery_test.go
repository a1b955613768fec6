package twophase

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"dkvrun/runtime/wire"
)

// mute implements Peers without answers.
type mute struct{ asked func(ctx context.Context) }

func (p mute) State(ctx context.Context, url, _ string, _ wire.StateQuestion) (wire.StoreState, error) {
	p.asked(ctx)
	return wire.StoreState{}, fmt.Errorf("manager %s does not answer", url)
}

func (mute) Resolve(context.Context, wire.Manager, string, string) error { return nil }

// among returns a manager that keeps a store with two others.
func among(t *testing.T) (*cluster, *member) {
	f := newCluster(t)
	c := f.create(id(1), 1)
	f.prepare(c)
	f.commit(c)
	return f, f.all[0]
}

func TestParticipant_ReportsSilentManagersOnce(t *testing.T) {
	f, m := among(t)
	running, stop := context.WithCancel(ctx)
	defer stop()
	var left atomic.Int32
	left.Store(20) // ten rounds with two others
	m.Peers = mute{func(context.Context) {
		if left.Add(-1) == 0 {
			stop()
		}
	}}
	var told []string
	m.Run(running, time.Millisecond, func(err error) { told = append(told, err.Error()) })
	want := fmt.Sprintf("manager %s does not answer; manager %s does not answer", f.all[1].url(), f.all[2].url())
	if len(told) != 1 || told[0] != want {
		t.Errorf("reported %q, want %q once", told, want)
	}
}

// A lease expires in time, however long the other managers are silent.
func TestParticipant_ReconcileDoesNotDelayResolve(t *testing.T) {
	f, m := among(t)
	running, stop := context.WithTimeout(ctx, 10*time.Second)
	defer stop()
	asked := make(chan struct{}, 2)
	m.Peers = mute{func(ctx context.Context) {
		asked <- struct{}{}
		<-ctx.Done()
	}}
	m.ExpireAfter = -time.Second // leases expire in the next round
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		m.Run(running, time.Millisecond, func(error) {})
	}()
	<-asked
	f.prepare(f.narrowed())
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for m.Catalog.Snapshot().Name("OrdersStore").Prepared != nil {
		select {
		case <-look.C:
		case <-running.Done():
			t.Fatal("the change is still pending")
		}
	}
	stop()
	<-ended
}

// A store may have thousands of managers: the log names the first of those that don't answer.
func TestRecovery_ErrorsOfManyManagersAreShortened(t *testing.T) {
	var all []error
	for _, text := range []string{"a", "b", "c", "d", "e"} {
		all = append(all, errors.New(text))
	}
	for count, want := range map[int]string{1: "a", 3: "a; b; c", 5: "a; b; c; and 2 more"} {
		if got := shortened(errors.Join(all[:count]...)); got != want {
			t.Errorf("%d errors: %q, want %q", count, got, want)
		}
	}
}
