#!/usr/bin/env dkvrun
-- Restarts every instance of a running store, one after the other and the leader last, so that at most one is down.
--
--   dkvrun -m 10.0.0.11,10.0.0.12,10.0.0.13 scripts/rolling_restart.lua --store OrdersStore

local opt = args{store = "string"}

local nodes = store_status(opt.store).instances
table.sort(nodes, function(a, b) return not a.leader and b.leader end)

for _, node in ipairs(nodes) do
  step("restart " .. node.name, function()
    wait_ready(opt.store)
    restart_instance(opt.store, node.name):check()
    wait_ready{opt.store, timeout_sec = 120}
  end)
end
