package etcd

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"dkvrun/cmd/dkvmanager/internal/engine"
	"dkvrun/runtime/wire"
)

// An instance that can't serve yet says so on its pages, and requests wait for it.
func TestPort_BeforeServing(t *testing.T) {
	t.Parallel()
	store := newStore(t, 2, 0)
	first, second := store[0], store[1]
	first.start()
	first.state("waiting", func(s engine.State) bool { return strings.Contains(s.Reason, "1 of 2") })
	for _, path := range []string{"/health", "/readyz", "/metrics", "/nothing"} {
		got := first.page(path)
		if got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, wire.NotServing+"waiting for the other founders") {
			t.Errorf("%s: %+v", path, got)
		}
	}
	ctx, cancel := clientContext(t)
	defer cancel()
	results := make(chan error, 2)
	go func() {
		_, err := first.client().Put(ctx, "grpc", "v")
		results <- err
	}()
	go func() {
		_, err := first.post("/v3/kv/put", map[string]any{"key": b64("json"), "value": b64("v")})
		results <- err
	}()
	second.start()
	for range 2 {
		if err := <-results; err != nil {
			t.Errorf("a request that waited: %v", err)
		}
	}
	first.ready()
	for _, key := range []string{"grpc", "json"} {
		if got := second.get(key); got != "v" {
			t.Errorf("%s = %q", key, got)
		}
	}
}

// A request that has waited in vain was not carried out, and its answer says why.
func TestPort_NeverServing(t *testing.T) {
	t.Parallel()
	in := newStore(t, 2, 0)[0]
	in.start()
	in.state("waiting", func(s engine.State) bool { return strings.Contains(s.Reason, "1 of 2") })
	resp, err := http.Post(fmt.Sprintf("http://%s/v3/kv/put", in.endpoint()), "application/json", strings.NewReader(`{"key":"aw=="}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(body), wire.NotServing) {
		t.Errorf("got %d: %s", resp.StatusCode, body)
	}
	// Connections and requests that wait don't delay a stop.
	client := in.client()
	go client.Get(t.Context(), "k")
	go http.Post(fmt.Sprintf("http://%s/v3/kv/range", in.endpoint()), "application/json", strings.NewReader(`{"key":"aw=="}`))
	if took := in.stop(); took > 3*time.Second {
		t.Errorf("the stop took %v", took)
	}
}

// The port serves nothing of etcd's pages but the documented ones.
func TestPort_ServesNothingElse(t *testing.T) {
	t.Parallel()
	store := newStore(t, 1, 1)
	startAll(store)
	for _, in := range store {
		for _, path := range []string{"/", "/debug/vars", "/debug/requests", "/v2/keys", "/v3beta/kv/range", "/members"} {
			if got := in.page(path); got.status != http.StatusNotFound {
				t.Errorf("%s: %s: %+v", in.spec.Role, path, got)
			}
		}
	}
}
