#!/usr/bin/env dkvrun
-- Restarts every instance of a running store, one after the other and the leader after the other data instances, while
-- the store takes reads and writes: for example after a new dkvmanager was installed on all servers.
--
--   dkvrun -m 10.0.0.11,10.0.0.12,10.0.0.13 scripts/rolling_restart.lua --store OrdersStore

local opt = args{store = "string", timeout_sec = 120}

restart_store{opt.store, rolling = true, timeout_sec = opt.timeout_sec}:check()
