package etcd

import (
	"fmt"
	"io"
	"net"
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

// A request for another store is refused and not carried out, by data instances and gateways.
func TestPort_OtherStore(t *testing.T) {
	t.Parallel()
	store := newStore(t, 2, 1)
	for _, in := range store {
		in.start()
	}
	write := func(in *instance, query string) (int, string) {
		t.Helper()
		resp, err := http.Post(fmt.Sprintf("http://%s/v3/kv/put?%s", in.endpoint(), query), "application/json",
			strings.NewReader(`{"key":"aw==","value":"dg=="}`))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	for _, in := range store {
		in.ready()
		cluster := in.state("with a cluster", func(s engine.State) bool { return s.Cluster != "" }).Cluster
		if first := store[0].state("ready", func(s engine.State) bool { return s.Ready }); cluster != first.Cluster {
			t.Errorf("%s is of cluster %s, the first instance of %s", in.spec.Instance, cluster, first.Cluster)
		}
		for _, query := range []string{
			"creation=other", "cluster=1f", "creation=op&cluster=1f", "creation=other&cluster=" + cluster,
		} {
			status, body := write(in, query)
			if status != http.StatusPreconditionFailed || !strings.Contains(body, wire.OtherStore) {
				t.Errorf("%s, %s: %d, %s", in.spec.Instance, query, status, body)
			}
		}
		if got := in.get("k"); got != "" {
			t.Errorf("%s: a refused write has written %q", in.spec.Instance, got)
		}
	}
	own := "creation=op&cluster=" + store[0].state("ready", func(s engine.State) bool { return s.Ready }).Cluster
	if status, body := write(store[2], own); status != http.StatusOK || store[0].get("k") != "v" {
		t.Errorf("a write for this store: %d, %s", status, body)
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

// A body that no request has is refused: by its length before it is sent, else when it has become too long.
func TestPort_BoundsBodies(t *testing.T) {
	t.Parallel()
	store := newStore(t, 1, 1)
	startAll(store)
	for _, in := range store {
		url := fmt.Sprintf("http://%s/v3/kv/put", in.endpoint())
		conn, err := net.Dial("tcp", in.endpoint())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(clientLimit)); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "POST /v3/kv/put HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n{", maxJSONBytes+1)
		answer, err := io.ReadAll(conn)
		if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 413 ") || !strings.Contains(string(answer), tooLarge) {
			t.Errorf("%s: %v, %s", in.spec.Role, err, answer)
		}
		endless := io.MultiReader(strings.NewReader(`{"key":"aw==","value":"`), zeros{})
		resp, err := http.Post(url, "application/json", endless)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode < 400 {
				t.Errorf("%s: an endless body: %s", in.spec.Role, resp.Status)
			}
		}
		if got := in.get("k"); got != "" {
			t.Errorf("%s: written: %d bytes", in.spec.Role, len(got))
		}
		if mib := in.rss(); mib > 300 {
			t.Errorf("%s takes %d MiB", in.spec.Role, mib)
		}
	}
}

// zeros is an endless text of zeros.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = '0'
	}
	return len(b), nil
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
