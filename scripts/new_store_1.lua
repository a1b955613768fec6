#!/usr/bin/env dkvrun
-- A store with one instance on each server.
--
--   dkvrun -m 127.0.0.11,127.0.0.12 scripts/new_store_1.lua     or with --local=2 instead of -m

connect_managers()

print(topology{instance_prefix = "orders"})

new_store{"OrdersStore", instance_prefix = "orders"}
