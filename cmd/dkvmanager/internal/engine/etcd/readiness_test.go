package etcd

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"dkvrun/cmd/dkvmanager/internal/engine"
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
