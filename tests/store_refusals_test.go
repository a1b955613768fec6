package tests

import (
	"net/http"
	"os/exec"
	"strings"
	"testing"
)

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
	answer, err := http.Post("http://"+host+":7861/v3/maintenance/alarm", "application/json",
		strings.NewReader(`{"action": "ACTIVATE", "memberID": "1", "alarm": "NOSPACE"}`))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatal(answer.Status)
	}
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
