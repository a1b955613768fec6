#!/usr/bin/env dkvrun
-- The same store, stopping at the first manager that reports an error; managers not yet contacted are SKIPPED.
--
--   dkvrun -m 127.0.0.11,127.0.0.12 scripts/new_store_4.lua     or with --local=2 instead of -m

connect_managers()

print(topology{instance_prefix = "orders", instance_count = 2})

new_store{"OrdersStore", instance_prefix = "orders", instance_count = 2, fail_fast = true}
