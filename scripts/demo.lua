#!/usr/bin/env dkvrun
-- The life of a store from end to end: create, start, use, extend, stop and remove it.
--
--   dkvrun --local=3 scripts/demo.lua                        on three managers that live as long as the script
--   dkvrun -m 10.0.0.11,10.0.0.12,10.0.0.13 scripts/demo.lua on real ones

local opt = args{store = "OrdersStore", prefix = "orders"}

connect_managers():check()

print("\n-- Create: two instances on each server")
new_store{opt.store, instance_prefix = opt.prefix, instance_count = 2, parallel = true}:check()
print("\n" .. tostring(store_status(opt.store).topology))

print("\n-- Start, and wait until it takes writes")
start_store{opt.store, parallel = true}:check()
print(string.format("\n%s is ready after %.1f s", opt.store, wait_ready(opt.store)))

print("\n-- Write through the first instance, read through the last")
local nodes = store_status(opt.store).topology
local function client(node) return node.host .. ":" .. node.client_port end
local first = connect_store{opt.store, endpoints = client(nodes[1])}
local last = connect_store{opt.store, endpoints = client(nodes[#nodes])}
for i = 1, 3 do first:put("order/" .. i, "item " .. i) end
for key, value in last:scan{prefix = "order/"} do
  print(key, value)
end
assert(last:get("order/2") == "item 2", "the last instance does not return the value written through the first")

print("\n-- Add an instance on the first server")
add_instance{opt.store, hosts = nodes[1].host}:check()

print("\n-- Status")
local status = store_status(opt.store)
print(status.name, status.status, status.ready and "ready" or "not ready")
assert(status.status == "Running" and status.ready, "the instance was added, and not all of the store runs")
for _, node in ipairs(status.instances) do
  print(node.name, node.host .. ":" .. node.clustron_port, "client:" .. node.client_port, node.role, node.status,
    node.leader and "leader" or "")
end

print("\n-- Stop and remove it")
stop_store{opt.store, parallel = true}:check()
remove_store{opt.store, confirm = opt.store, parallel = true}:check()
print("\nDone: " .. #get_store() .. " stores left")
