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
	var body atomic.Value
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
		w.WriteHeader(int(status.Load()))
		_, _ = io.WriteString(w, strings.ReplaceAll(body.Load().(string), "OPERATION", operations[r.URL.Path]))
	})}
	go server.Serve(l)
	defer server.Close()
	result := func(code, message string) string {
		return `{"operation":"OPERATION","success":false,"statusCode":503,"code":"` + code + `","message":"` + message + `"}`
	}
	for _, c := range []struct {
		says   string
		status int
		body   string
		reason string
	}{
		{"a page", 200, "<html>It works!</html>", "answered with something that is not of the admin API"},
		{"no page", 404, "<html>Not found</html>", "answered 404 with something that is no result of the admin API"},
		{"nothing", 204, "", "answered 204 with something that is no result of the admin API"},
		{"another JSON", 200, `{"status":"ok"}`, "answered with something that is not of the admin API"},
		{"a refusal", 503, result(wire.CodeTooBusy, "too many requests"), "too many requests"},
		{"a redirect", 302, "", "answered 302 with something that is no result of the admin API"},
	} {
		status.Store(int32(c.status))
		body.Store(c.body)
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
