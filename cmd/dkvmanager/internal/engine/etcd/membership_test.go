package etcd

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"dkvrun/cmd/dkvmanager/internal/engine"
	"dkvrun/cmd/dkvmanager/internal/storetest"
)

// membership returns the membership of the instance's store, over its socket.
func (in *instance) membership() engine.Membership {
	in.t.Helper()
	m, err := New().DialLocal(in.folder)
	if err != nil {
		in.t.Fatal(err)
	}
	in.t.Cleanup(func() { _ = m.Close() })
	return m
}

func (in *instance) address() string {
	return net.JoinHostPort(in.spec.Host, strconv.Itoa(clustronPort))
}

// join adds an instance to a running store, as the supervisor does.
func join(t *testing.T, m engine.Membership, in *instance) {
	t.Helper()
	try(t, "add "+in.spec.Instance, func(ctx context.Context) error { return m.Add(ctx, in.address()) })
	in.spec.Start = engine.Join
	in.spec.Peers = nil
	for _, member := range members(t, m) {
		if member.Address == in.address() {
			if !member.Learner || member.Name != "" {
				t.Errorf("added: %+v", member)
			}
			member.Name = in.spec.Instance
		}
		in.spec.Peers = append(in.spec.Peers, engine.Peer{Name: member.Name, Address: member.Address})
	}
	in.start()
	learner := in.state("a learner", func(s engine.State) bool { return s.Learner || s.Ready })
	if learner.Ready {
		t.Errorf("%s is ready before it was promoted: %+v", in.spec.Instance, learner)
	}
	id := memberAt(t, m, in).ID
	try(t, "promote "+in.spec.Instance, func(ctx context.Context) error { return m.Promote(ctx, id) })
	in.ready()
}

// try repeats a call that the store may refuse temporarily.
func try(t *testing.T, what string, f func(context.Context) error) {
	t.Helper()
	storetest.Eventually(t, startLimit, what, func() error {
		ctx, cancel := clientContext(t)
		defer cancel()
		return f(ctx)
	})
}

func members(t *testing.T, m engine.Membership) (list []engine.Member) {
	t.Helper()
	try(t, "the members are known", func(ctx context.Context) (err error) {
		list, err = m.Members(ctx)
		return err
	})
	return list
}

func memberAt(t *testing.T, m engine.Membership, in *instance) engine.Member {
	t.Helper()
	for _, member := range members(t, m) {
		if member.Address == in.address() {
			return member
		}
	}
	t.Fatalf("%s is no member", in.spec.Instance)
	return engine.Member{}
}

func TestMembership_OneGrowsToThree(t *testing.T) {
	t.Parallel()
	store := newStore(t, 3, 0)
	store[0].spec.Peers = store[0].spec.Peers[:1]
	store[0].start()
	store[0].ready()
	store[0].put("old", "data")
	m := store[0].membership()
	for _, in := range store[1:] {
		join(t, m, in)
		if got := in.get("old"); got != "data" {
			t.Errorf("%s has old = %q", in.spec.Instance, got)
		}
	}

	// Each call can be repeated.
	last := memberAt(t, m, store[2])
	ctx, cancel := clientContext(t)
	defer cancel()
	if err := m.Add(ctx, store[2].address()); err != nil {
		t.Errorf("added twice: %v", err)
	}
	if err := m.Promote(ctx, last.ID); err != nil {
		t.Errorf("promoted twice: %v", err)
	}
	leaders := 0
	for _, member := range members(t, m) {
		if member.Leader {
			leaders++
		}
		if member.Learner || member.Name == "" || member.ID == 0 {
			t.Errorf("member %+v", member)
		}
	}
	if leaders != 1 {
		t.Errorf("%d leaders", leaders)
	}
}

func TestMembership_RemoveLeader(t *testing.T) {
	t.Parallel()
	store := newStore(t, 3, 0)
	startAll(store)
	leader, others := split(store)
	leader.put("k", "v")
	m := others[0].membership()
	id := memberAt(t, m, leader).ID
	try(t, "remove the leader", func(ctx context.Context) error { return m.Remove(ctx, id) })
	try(t, "remove it again", func(ctx context.Context) error { return m.Remove(ctx, id) })
	if list := members(t, m); len(list) != 2 {
		t.Errorf("members %+v", list)
	}
	if err := leader.wait(clientLimit); err == nil {
		t.Error("the removed instance ended well")
	}
	for i, in := range others {
		in.put("after", fmt.Sprint(i))
	}
	// Restarting it on its data doesn't make it a member again.
	leader.spec.Start = engine.Resume
	leader.start()
	if err := leader.wait(clientLimit); err == nil {
		t.Error("the removed instance came back")
	}
	if n := strings.Count(leader.log(), leader.spec.Instance+" has been removed from the store\n"); n != 2 {
		t.Errorf("the removed instance said %d times that it is, want 2", n)
	}
}

func TestGateway_FollowsMembers(t *testing.T) {
	t.Parallel()
	store := newStore(t, 2, 1)
	first, second, gateway := store[0], store[1], store[2]
	first.spec.Peers = first.spec.Peers[:1]
	gateway.spec.Endpoints = []string{first.endpoint()}
	first.start()
	gateway.start()
	gateway.ready()
	gateway.put("k", "v")
	watch := gateway.client().Watch(t.Context(), "later", clientv3.WithCreatedNotify())
	<-watch

	// The only data instance in the endpoints of the gateway is replaced.
	join(t, first.membership(), second)
	m := second.membership()
	id := memberAt(t, m, first).ID
	try(t, "remove the first", func(ctx context.Context) error { return m.Remove(ctx, id) })
	_ = first.wait(clientLimit)
	storetest.Eventually(t, startLimit, "the gateway has found the other", func() error {
		_, err := gateway.post("/v3/kv/range", map[string]any{"key": b64("k")})
		return err
	})
	if got := gateway.get("k"); got != "v" {
		t.Errorf("k = %q", got)
	}
	gateway.ready()

	second.put("later", "v")
	select {
	case resp := <-watch:
		if len(resp.Events) != 1 || string(resp.Events[0].Kv.Key) != "later" {
			t.Errorf("watch: %+v", resp)
		}
	case <-time.After(clientLimit):
		t.Error("a watch through the gateway didn't outlive the data instance")
	}
}

func TestMembership_LocalSocket(t *testing.T) {
	t.Parallel()
	store := newStore(t, 3, 0)
	for _, in := range store { // longer than the address of a unix socket can be
		in.folder = filepath.Join(in.folder, strings.Repeat("deep/", 30))
		if err := os.MkdirAll(in.folder, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	m := store[0].membership()
	ctx, cancel := clientContext(t)
	defer cancel()
	if list, err := m.Members(ctx); err == nil {
		t.Errorf("an instance that does not run answered %+v", list)
	}

	for _, in := range store[:2] {
		in.spec.Peers = in.spec.Peers[:2]
	}
	startAll(store[:2])
	join(t, m, store[2])
	if got := members(t, m); len(got) != 3 {
		t.Errorf("members %+v", got)
	}
	// The leader removes itself. It can end before it has answered.
	leader, others := split(store)
	m, other := leader.membership(), others[0].membership()
	id := memberAt(t, m, leader).ID
	try(t, "remove the leader", func(ctx context.Context) error {
		err := m.Remove(ctx, id)
		if list, listErr := other.Members(ctx); listErr == nil && len(list) == 2 {
			return nil
		}
		return err
	})
	if got := members(t, other); len(got) != 2 {
		t.Errorf("members %+v", got)
	}
	if err := leader.wait(clientLimit); err == nil {
		t.Error("the removed instance ended well")
	}
}

// A server dials the store from the address that it listens on.
func TestMembership_DialsFromItsServer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.41.21.11:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	m, err := New().Dial("127.41.21.12", []string{listener.Addr().String()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go m.Members(ctx)
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if from, ok := conn.RemoteAddr().(*net.TCPAddr); !ok || from.IP.String() != "127.41.21.12" {
		t.Errorf("the connection comes from %s", conn.RemoteAddr())
	}
}
