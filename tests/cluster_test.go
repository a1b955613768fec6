package tests

import (
	"os/exec"
	"strings"
	"testing"
)

// lua runs Lua code with N throw-away managers and returns its output.
func lua(t *testing.T, servers, script string) string {
	t.Helper()
	cmd := exec.Command(program("dkvrun"), "-q", "--local="+servers, "-e", script)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

func TestCluster_TwentyInstancesOnFourServers(t *testing.T) {
	t.Parallel()
	out := lua(t, "4", `
new_store{"OrdersStore", instance_prefix = "orders", instance_count = 5, parallel = true}:check()
start_store{"OrdersStore", parallel = true}:check()
wait_ready("OrdersStore")
local roles = {data = 0, gateway = 0}
local status = store_status("OrdersStore")
for _, node in ipairs(status.instances) do roles[node.role] = roles[node.role] + 1 end
print(#status.instances, roles.data, roles.gateway)
local function at(node) return connect_store{"OrdersStore", endpoints = node.host .. ":" .. node.client_port} end
for i, node in ipairs(status.instances) do at(node):put("from/" .. node.name, tostring(i)) end
local wrong = 0
for i, node in ipairs(status.instances) do
  local next_one = status.instances[i % #status.instances + 1]
  if at(next_one):get("from/" .. node.name) ~= tostring(i) then wrong = wrong + 1 end
end
print("wrong", wrong)
`)
	if out != "20\t5\t15\nwrong\t0\n" {
		t.Error(out)
	}
}

func TestCluster_GrowsAndShrinksWhileWritten(t *testing.T) {
	t.Parallel()
	out := lua(t, "3", `
local hosts = {}
for i, manager in ipairs(managers()) do hosts[i] = manager:match("^[^:]+") end
if #hosts == 0 then connect_managers() for i, manager in ipairs(managers()) do hosts[i] = manager:match("^[^:]+") end end
new_store{"OrdersStore", nodes = {{name = "orders-1", host = hosts[1], clustron_port = 7811, client_port = 7861}}}:check()
start_store("OrdersStore"):check()
wait_ready("OrdersStore")
local written = 0
local function write()
  local store = connect_store("OrdersStore")
  for _ = 1, 10 do written = written + 1 store:put("k" .. written, "v" .. written) end
end
local function roles()
  local out = {}
  for _, node in ipairs(store_status("OrdersStore").instances) do out[#out + 1] = node.role:sub(1, 1) end
  return table.concat(out)
end
write()
for _, host in ipairs{hosts[2], hosts[3]} do
  add_instance{"OrdersStore", hosts = host}:check()
  write()
  print(roles())
end
add_instance{"OrdersStore", hosts = hosts, instance_count = 1}:check()
write()
print(roles())
for _, name in ipairs{"orders-1", "orders-6", "orders-2", "orders-3", "orders-4"} do
  remove_instance("OrdersStore", name):check()
  wait_ready("OrdersStore")
  write()
  print(name, roles())
end
local store = connect_store("OrdersStore")
local missing = 0
for i = 1, written do if store:get("k" .. i) ~= "v" .. i then missing = missing + 1 end end
print(written, "missing", missing)
print(pcall(remove_instance, "OrdersStore", "orders-5"))
`)
	want := []string{"dd", "ddd", "ddddd", "missing\t0", "is the last instance"}
	for _, w := range want {
		if !strings.Contains(out, w) {
			t.Errorf("lacks %q:\n%s", w, out)
		}
	}
}
