package tests

import (
	"context"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/emptypb"
)

// TestStoreRefusals_NotAnEngine uses servers that answer the engine's routes with JSON, and are no engine: no value, no
// key and no revision is made of that.
func TestStoreRefusals_NotAnEngine(t *testing.T) {
	t.Parallel()
	const at = "127.28.5.11:7861"
	var body atomic.Value
	l, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	server := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(body.Load().(string)))
	})}
	go server.Serve(l)
	defer server.Close()
	do := func(call string) (string, error) {
		script := `local store = connect_store{"OrdersStore", endpoints = "` + at + `"} ` + call
		out, err := exec.Command(program("dkvrun"), "-e", script).CombinedOutput()
		return string(out), err
	}
	calls := map[string]string{
		`print(store:put("order/1", "paid"))`:       "7\n",
		`print(store:get("order/1"))`:               "paid\n",
		`print(store:remove("order/1"))`:            "true\n",
		`for key in store:scan() do print(key) end`: "order/1\n",
	}
	answer := func(header string) string {
		return `{"header": ` + header + `, "kvs": [{"key": "b3JkZXIvMQ==", "value": "cGFpZA=="}], "deleted": "1"}`
	}
	body.Store(answer(`{"cluster_id": "17237436991929493444", "member_id": "9", "revision": "7", "raft_term": "2"}`))
	for call, want := range calls {
		if out, err := do(call); err != nil || out != want {
			t.Errorf("%s: %v, %s, want %s", call, err, out, want)
		}
	}
	for _, header := range []string{
		`{}`, `null`, `{"revision": "7"}`, `{"cluster_id": "9"}`, `{"cluster_id": "0", "revision": "7"}`,
	} {
		body.Store(answer(header))
		for call := range calls {
			if out, err := do(call); err == nil || !strings.Contains(out, "the answer of "+at+" is not of a store: is it a client port?") {
				t.Errorf("header %s, %s: %v, %s", header, call, err, out)
			}
		}
	}
	for _, other := range []string{`{}`, `null`, `[]`, `{"status": "ok"}`, `<html>`} {
		body.Store(other)
		for call := range calls {
			if out, err := do(call); err == nil || !strings.Contains(out, "is not of a store") {
				t.Errorf("%s, %s: %v, %s", other, call, err, out)
			}
		}
	}
}

// TestStoreRefusals_Full: a store that has reached its quota takes reads only, and says so through data instances and
// gateways. The alarm is raised by hand; the engine raises it when the data has the size of the quota.
func TestStoreRefusals_Full(t *testing.T) {
	t.Parallel()
	const host = "127.28.4.11"
	f := &fleet{dir: t.TempDir()}
	t.Cleanup(f.close)
	if err := f.start([]string{host}); err != nil {
		t.Fatal(err)
	}
	do := func(script string) string {
		t.Helper()
		out, err := exec.Command(program("dkvrun"), "-q", "-m", host, "-e", script).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", script, err, out)
		}
		return string(out)
	}
	do(`
new_store{"OrdersStore", "orders", instance_count = 4}:check()
start_store("OrdersStore"):check()
wait_ready("OrdersStore")
connect_store("OrdersStore"):put("order/1", "paid")`)
	raiseFull(t, filepath.Join(f.dir, host, "instances", "OrdersStore", "orders-1"))
	out := do(`
for _, node in ipairs(store_status("OrdersStore").instances) do
  local store = connect_store{"OrdersStore", endpoints = node.host .. ":" .. node.client_port}
  local made, err = pcall(store.put, store, "order/2", "paid")
  print(node.role, made, err.code, err.message, store:get("order/1"))
end
local seen = {}
wait_until{timeout_sec = 10, f = function()
  local now = store_status("OrdersStore")
  seen = now.instances
  for _, node in ipairs(seen) do if node.ready then return false end end
  return not now.ready and now.status == "Running"
end}
print(seen[4].last_error)`)
	refused := "\tfalse\tfull\tstore:put: OrdersStore is full: its data has reached the quota of 2 GiB, and it takes reads only\tpaid\n"
	want := strings.Repeat("data"+refused, 3) + "gateway" + refused
	if !strings.HasPrefix(out, want) || !strings.Contains(out, "quota of 2 GiB is full") {
		t.Errorf("got\n%swant\n%s", out, want)
	}
}

// raiseFull raises the alarm of a full store over the engine's socket of a data instance, as the engine does.
func raiseFull(t *testing.T, folder string) {
	t.Helper()
	conn, err := grpc.NewClient("unix://"+filepath.Join(folder, "etcd.sock"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	request := new(emptypb.Empty)
	// The action ACTIVATE, of the member 1, the alarm NOSPACE.
	request.ProtoReflect().SetUnknown([]byte{1 << 3, 1, 2 << 3, 1, 3 << 3, 1})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := conn.Invoke(ctx, "/etcdserverpb.Maintenance/Alarm", request, new(emptypb.Empty)); err != nil {
		t.Fatal(err)
	}
}
