#!/usr/bin/env dkvrun
-- The same store, with all managers contacted at once.
--
--   dkvrun -m 127.0.0.11,127.0.0.12 scripts/new_store_3.lua     or with --local=2 instead of -m

connect_managers()

print(topology{instance_prefix = "orders", instance_count = 2})

new_store{"OrdersStore", instance_prefix = "orders", instance_count = 2, parallel = true}
