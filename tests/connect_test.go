package tests

import (
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"

	"dkvrun/runtime/wire"
)

// TestConnect_OnlyManagers connects to servers that speak HTTP but are no managers of this API, or refuse: by -m, which
// the first query connects, and by connect_managers. Neither calls it connected. The query costs one request.
func TestConnect_OnlyManagers(t *testing.T) {
	t.Parallel()
	const at = "127.51.0.11:7801"
	var status atomic.Int32
	var body, manager atomic.Value
	var requests atomic.Int32
	l, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	operations := map[string]string{
		wire.StoresPath(): "GetStores", wire.StorePath("OrdersStore"): "GetStore", wire.InfoPath(): "GetInfo",
	}
	server := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		if id := manager.Load().(string); id != "" {
			wire.SetManager(w.Header(), id)
		}
		w.WriteHeader(int(status.Load()))
		_, _ = io.WriteString(w, strings.ReplaceAll(body.Load().(string), "OPERATION", operations[r.URL.Path]))
	})}
	go server.Serve(l)
	defer server.Close()
	result := func(code, message string) string {
		return `{"operation":"OPERATION","success":false,"statusCode":503,"code":"` + code + `","message":"` + message + `"}`
	}
	const (
		notOfAPI = "answered with something that is not of the admin API"
		noResult = "with something that is no result of the admin API"
	)
	for _, c := range []struct {
		says    string
		status  int
		manager string
		body    string
		reason  string
	}{
		{"a page", 200, "", "<html>It works!</html>", notOfAPI},
		{"no page", 404, "", "<html>Not found</html>", "answered 404 " + noResult},
		{"nothing", 204, "", "", "answered 204 " + noResult},
		{"another JSON", 200, "", `{"status":"ok"}`, notOfAPI},
		{"an empty list", 200, "", `[]`, notOfAPI},
		{"a foreign refusal", 503, "", result(wire.CodeTooBusy, "too many requests"), "answered 503 " + noResult},
		{"a refusal", 503, "m-1", result(wire.CodeTooBusy, "too many requests"), "too many requests"},
		{"a manager's page", 200, "m-1", "<html>It works!</html>", notOfAPI},
		{"a redirect", 302, "", "", "answered 302 " + noResult},
	} {
		status.Store(int32(c.status))
		body.Store(c.body)
		manager.Store(c.manager)
		for _, script := range []string{`get_store()`, `store_status("OrdersStore")`, `connect_managers()`} {
			requests.Store(0)
			out, err := exec.Command(program("dkvrun"), "-m", at, "-e", script).CombinedOutput()
			said := string(out)
			if err == nil || strings.Contains(said, "connected to") || !strings.Contains(said, c.reason) ||
				!strings.Contains(said, "-e:1: not connected: no manager gave a usable answer: "+at) {
				t.Errorf("%s, %s: error %v, said\n%s", c.says, script, err, said)
			}
			if n := requests.Load(); n != 1 {
				t.Errorf("%s, %s: %d requests", c.says, script, n)
			}
		}
	}
}
