package etcd

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"dkvrun/cmd/dkvmanager/internal/engine"
	"dkvrun/cmd/dkvmanager/internal/storetest"
)

// page is the response to a GET on a client port.
type page struct {
	status int
	kind   string
	body   string
}

func (in *instance) page(path string) page {
	in.t.Helper()
	resp, err := http.Get(fmt.Sprintf("http://%s:%d%s", in.spec.Host, in.spec.ClientPort, path))
	if err != nil {
		in.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		in.t.Fatal(err)
	}
	return page{resp.StatusCode, resp.Header.Get("Content-Type"), string(body)}
}

func TestGateway_AnswersPagesAsDataInstances(t *testing.T) {
	t.Parallel()
	store := newStore(t, 1, 1)
	data, gateway := store[0], store[1]
	startAll(store)
	for _, path := range []string{
		"/version", "/health", "/health?serializable=true", "/livez", "/readyz/linearizable_read", "/nothing",
	} {
		want := data.page(path)
		if got := gateway.page(path); got != want {
			t.Errorf("%s: the gateway answers %+v, a data instance %+v", path, got, want)
		}
	}
	if got := gateway.page("/readyz"); got.status != http.StatusOK {
		t.Errorf("/readyz: %+v", got)
	}
	gateway.get("k")
	metrics := gateway.page("/metrics")
	if want := data.page("/metrics"); metrics.status != want.status || metrics.kind != want.kind {
		t.Errorf("/metrics: %d, %s, want %d, %s", metrics.status, metrics.kind, want.status, want.kind)
	}
	for _, line := range []string{
		"etcd_server_has_leader 1\n", "\nprocess_start_time_seconds ", `dkv_gateway_operations_total{operation="get"} 1` + "\n",
	} {
		if !strings.Contains(metrics.body, line) {
			t.Errorf("/metrics lacks %q", line)
		}
	}
}

func TestGateway_HealthWithoutData(t *testing.T) {
	t.Parallel()
	store := newStore(t, 1, 1)
	data, gateway := store[0], store[1]
	startAll(store)
	data.kill()
	for _, path := range []string{"/health", "/readyz"} {
		if got := gateway.page(path); got.status != http.StatusServiceUnavailable {
			t.Errorf("%s without data instances: %+v", path, got)
		}
	}
	if got := gateway.page("/health").body; !strings.HasPrefix(got, `{"health":"false","reason":"`) {
		t.Errorf("/health says %s", got)
	}
	// The gateway itself is healthy: a liveness probe must not restart it.
	for _, path := range []string{"/livez", "/health?serializable=true"} {
		if got := gateway.page(path); got.status != http.StatusOK {
			t.Errorf("%s: %+v", path, got)
		}
	}
	if got := gateway.page("/version").body; !strings.Contains(got, `"etcdcluster":"not_decided"`) {
		t.Errorf("/version says %s", got)
	}
	gateway.state("not ready", func(s engine.State) bool { return !s.Ready })
	if got := gateway.page("/metrics").body; !strings.Contains(got, "etcd_server_has_leader 0\n") {
		t.Error("/metrics says that there is a leader")
	}
	data.start()
	gateway.ready()
	storetest.Eventually(t, startLimit, "the gateway is healthy again", func() error {
		if got := gateway.page("/health"); got != (page{http.StatusOK, "text/plain; charset=utf-8", `{"health":"true","reason":""}`}) {
			return fmt.Errorf("%+v", got)
		}
		return nil
	})
}
