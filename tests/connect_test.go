package tests

import (
	"encoding/json"
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
	scripts := []string{`get_store()`, `store_status("OrdersStore")`, `connect_managers()`}
	const (
		notOfAPI = "answered with something that is not of the admin API"
		noResult = "with something that is no result of the admin API"
		older    = "answered without the identity that a dkvmanager states: is it one of an older version, or another program?"
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
		{"a refusal without identity", 503, "", result(wire.CodeTooBusy, "too many requests"), older},
		{"a refusal", 503, "m-1", result(wire.CodeTooBusy, "too many requests"), "too many requests"},
		{"a manager's page", 200, "m-1", "<html>It works!</html>", notOfAPI},
		{"a redirect", 302, "", "", "answered 302 " + noResult},
	} {
		status.Store(int32(c.status))
		body.Store(c.body)
		manager.Store(c.manager)
		for _, script := range scripts {
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

	// Answers to one of the queries, as managers gave them before they stated their identity.
	status.Store(http.StatusOK)
	manager.Store("")
	store, err := json.Marshal(wire.Store{Name: "OrdersStore", Status: wire.StoreNoInstances, Revision: 1, Digest: "1f",
		Instances: []wire.Instance{{Status: wire.Stopped, Node: wire.Node{
			Name: "orders-1", Host: "10.0.0.9", ClustronPort: 7811, ClientPort: 7861, Role: wire.Data, Manager: "10.0.0.9:7801",
		}}}})
	if err != nil {
		t.Fatal(err)
	}
	for i, answers := range []string{`[]`, string(store), `{"identity":"m-1","version":"0.1"}`} {
		body.Store(answers)
		for j, script := range scripts {
			reason := notOfAPI
			if i == j {
				reason = older
			}
			out, err := exec.Command(program("dkvrun"), "-m", at, "-e", script).CombinedOutput()
			if said := string(out); err == nil || strings.Contains(said, "connected to") || !strings.Contains(said, reason) {
				t.Errorf("%s, %s: error %v, said\n%s", answers, script, err, said)
			}
		}
	}
}
