#!/usr/bin/env dkvrun
-- A store with two instances on each server: names count through the cluster, ports count on each server.
--
--   dkvrun -m 127.0.0.11,127.0.0.12 scripts/new_store_2.lua     or with --local=2 instead of -m

connect_managers()

print(topology{instance_prefix = "orders", instance_count = 2})

new_store{"OrdersStore", instance_prefix = "orders", instance_count = 2}
