package etcd

import (
	"net/http"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"dkvrun/cmd/dkvmanager/internal/engine"
)

// Ready means that an application can read, not only that the engine could.
func TestReadiness_NeedsNoUser(t *testing.T) {
	t.Parallel()
	store := newStore(t, 1, 1)
	data, gateway := store[0], store[1]
	startAll(store)
	data.mustPost("/v3/auth/user/add", map[string]any{"name": "root", "password": "secret"})
	data.mustPost("/v3/auth/user/grant", map[string]any{"user": "root", "role": "root"})
	data.mustPost("/v3/auth/enable", map[string]any{})
	for _, in := range store {
		state := in.state("refused", func(s engine.State) bool { return !s.Ready })
		if state.Reason != usersOnly {
			t.Errorf("%s is not ready: %s", in.spec.Instance, state.Reason)
		}
		if got := in.page("/health"); got.status != http.StatusOK {
			t.Errorf("/health of %s, which serves those with a user: %+v", in.spec.Instance, got)
		}
	}
	membership, err := New().Dial("", []string{data.endpoint()})
	if err != nil {
		t.Fatal(err)
	}
	defer membership.Close()
	if err := membership.Add(t.Context(), "127.0.0.1:1"); err == nil || !strings.Contains(err.Error(), usersOnly) {
		t.Errorf("adding a member: %v", err)
	}
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{gateway.endpoint()}, Username: "root", Password: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := clientContext(t)
	defer cancel()
	if _, err := client.AuthDisable(ctx); err != nil {
		t.Fatal(err)
	}
	for _, in := range store {
		in.ready()
	}
}
