package etcd

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"dkvrun/cmd/dkvmanager/internal/engine"
	"dkvrun/cmd/dkvmanager/internal/engine/process"
)

// Ready means that an application can read, not only that the engine could.
func TestReadiness_NeedsNoUser(t *testing.T) {
	t.Parallel()
	store := newStore(t, 1, 1)
	data := store[0]
	startAll(store)
	ctx, cancel := context.WithTimeout(t.Context(), 6*clientLimit)
	defer cancel()
	socket := data.local()
	for _, err := range []error{
		fail(socket.UserAdd(ctx, "root", "secret")), fail(socket.UserGrantRole(ctx, "root", "root")), fail(socket.AuthEnable(ctx)),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, in := range store {
		state := in.state("refused", func(s engine.State) bool { return !s.Ready })
		if state.Reason != usersOnly {
			t.Errorf("%s is not ready: %s", in.spec.Instance, state.Reason)
		}
		if got := in.page("/health"); got.status != http.StatusOK {
			t.Errorf("/health of %s, which serves those with a user: %+v", in.spec.Instance, got)
		}
	}
	membership, err := New().DialLocal(data.folder)
	if err != nil {
		t.Fatal(err)
	}
	defer membership.Close()
	if err := membership.Add(ctx, "127.0.0.1:1"); err == nil || !strings.Contains(err.Error(), usersOnly) {
		t.Errorf("adding a member: %v", err)
	}
	asRoot := data.localAs("root", "secret")
	if _, err := asRoot.AuthDisable(ctx); err != nil {
		t.Fatal(err)
	}
	for _, in := range store {
		in.ready()
	}
}

// The engine's own refusal of a read whose leader changed is repeated, also if the term is known before it begins.
func TestReadiness_ReadAfterLeaderChanged(t *testing.T) {
	reads := 0
	err := readAfterElections(t.Context(), func() leadership { return leadership{} }, func(context.Context) error {
		if reads++; reads == 1 {
			return rpctypes.ErrGRPCLeaderChanged
		}
		return nil
	})
	if err != nil || reads != 2 {
		t.Errorf("%d reads, %v", reads, err)
	}
}

// A read that fails because the store elects a leader meanwhile is repeated; no other failure is, and elections without
// an end are no success.
func TestReadiness_ReadAfterElections(t *testing.T) {
	for name, c := range map[string]struct {
		elections []bool // whether there is an election while a read fails
		reads     int
		succeeds  bool
	}{
		"at once":               {nil, 1, true},
		"an election":           {[]bool{true}, 2, true},
		"two elections":         {[]bool{true, true}, 3, true},
		"no answer":             {[]bool{false}, 1, false},
		"no answer afterwards":  {[]bool{true, false}, 2, false},
		"elections without end": {[]bool{true, true, true, true, true, true}, maxElections, false},
	} {
		reads, at := 0, leadership{1, 1}
		err := readAfterElections(t.Context(), func() leadership { return at }, func(context.Context) error {
			reads++
			if reads > len(c.elections) {
				return nil
			}
			if c.elections[reads-1] {
				at.term++
			}
			return context.DeadlineExceeded
		})
		if reads != c.reads || (err == nil) != c.succeeds {
			t.Errorf("%s: %d reads, %v", name, reads, err)
		}
	}
}

// While a store that serves elects one leader after the other, all its data instances stay ready.
func TestReadiness_StaysThroughElections(t *testing.T) {
	t.Parallel()
	store := newStore(t, 3, 0)
	startAll(store)
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
	defer cancel()
	var polls sync.WaitGroup
	for _, in := range store {
		polls.Go(func() {
			for ctx.Err() == nil {
				state, err := process.Dial(in.folder).State(ctx)
				if err == nil && !state.Ready {
					t.Errorf("%s is not ready: %s", in.spec.Instance, state.Reason)
					return
				}
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	sockets := make([]*clientv3.Client, len(store))
	ids := make([]uint64, len(store))
	for i, in := range store {
		sockets[i] = in.local()
		own, err := sockets[i].Status(ctx, sockets[i].Endpoints()[0])
		if err != nil {
			t.Fatal(err)
		}
		ids[i] = own.Header.MemberId
	}
	elections := 0
	for i := 0; ctx.Err() == nil; i = (i + 1) % len(store) { // only the leader can transfer the leadership
		if _, err := sockets[i].MoveLeader(ctx, ids[(i+1)%len(store)]); err == nil {
			elections++
			time.Sleep(50 * time.Millisecond) // a read that several elections cut off may fail
		}
	}
	polls.Wait()
	if elections < 10 {
		t.Errorf("there were %d elections only", elections)
	}
}
