package tests

import (
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
)

// TestStoreOther_ThatIgnoresTheName uses an endpoint that changes to another store while a script has a store object,
// and that, as an instance of an older version, does not refuse requests for another store. The answers tell the stores
// apart: a write that the other store has carried out is reported as that, and no second one is sent.
func TestStoreOther_ThatIgnoresTheName(t *testing.T) {
	t.Parallel()
	const at = "127.28.9.12:7861"
	l, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	var requests, writes atomic.Int32
	server := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cluster := "9"
		if requests.Add(1) > 2 { // the read that checks the endpoint, and the first write
			cluster = "17237436991929493444"
		}
		if strings.HasSuffix(r.URL.Path, "/put") {
			writes.Add(1)
		}
		fmt.Fprintf(w, `{"header": {"cluster_id": %q, "revision": "7"}}`, cluster)
	})}
	go server.Serve(l)
	defer server.Close()
	out, err := exec.Command(program("dkvrun"), "-e", `
		local store = connect_store{"OrdersStore", endpoints = "`+at+`"}
		print(store:put("order/1", "paid"))
		local function put() store:put("order/1", "paid") end
		local function remove() store:remove("order/1") end
		local function get() store:get("order/1") end
		for _, call in ipairs{put, put, remove, get} do
			local ok, err = pcall(call)
			print(ok, err.code, err.in_doubt, err.message)
		end`).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	const other = at + " is a client port of another store than the OrdersStore that was connected: " +
		"its cluster is ef37ad9dc622a7c4, not 9"
	want := "7\n" +
		"false\tother_store\ttrue\tstore:put: " + other + "; that store has carried out the write\n" +
		"false\tother_store\tfalse\tstore:put: " + other + "\n" +
		"false\tother_store\tfalse\tstore:remove: " + other + "\n" +
		"false\tother_store\tfalse\tstore:get: " + other + "\n"
	if string(out) != want {
		t.Errorf("got\n%swant\n%s", out, want)
	}
	if n := writes.Load(); n != 2 {
		t.Errorf("%d writes were sent", n)
	}
}
