#!/usr/bin/env dkvrun
-- Switches the stores of a running cluster to TLS, after its managers were secured with --tls=prefer: see "A running
-- cluster" in docs/security.md. It checks everything before it changes anything, and can be run again at any time: also
-- after it was interrupted, and at the end to see that nothing is open any more.
--
--   dkvrun -m 10.0.0.11,10.0.0.12,10.0.0.13 scripts/secure_cluster.lua [--stores OrdersStore,SessionStore]
--   dkvrun --dry-run -m … scripts/secure_cluster.lua        checks, and says what it would do
--
-- Reads and writes of a store stand still for some seconds while its cluster ports are switched.

local opt = args({stores = {}, timeout_sec = 120}, [[
Switches the stores of a running cluster to TLS, whose managers were secured
with --tls=prefer. It checks that all managers are secured and all stores
whole, and changes nothing if one is not. Then it restarts the instances of
each store one after the other, so that their client ports take TLS, and
switches the cluster ports, store by store: reads and writes of that store
stand still for some seconds, and none is lost. The switch can't be undone.
Run it again after an interruption, and at the end, when all managers run with
--tls=require, to see that nothing is open any more. dkvrun --dry-run checks,
and says what it would do.

--stores names the stores, all without it; --timeout-sec is how long each
restart and each switch of a store may take.]])

local function stop(format, ...)
  print(string.format(format, ...))
  exit(1)
end

-- Which managers are secured.
local certificates = list_certificates():check()
local open, plain, problems = {}, {}, {}
for _, row in ipairs(certificates) do
  if row.tls == "off" and not row.instance then plain[#plain + 1] = row.manager end
  if row.tls == "prefer" and not row.instance then open[#open + 1] = row.manager end
  -- The process of an instance does not answer while it restarts, which is waited for below.
  if row.problem and not row.instance then problems[#problems + 1] = row.who .. ": " .. row.problem end
end
if #plain > 0 then
  stop("Not secured yet: %s. Nothing was changed. Run dkvmanager join ADDRESS TOKEN --tls=prefer … there, with a line of dkvmanager token.",
    table.concat(plain, ", "))
end
if #problems > 0 then stop("Nothing was changed: %s", table.concat(problems, "; ")) end

-- The stores, each checked before the first one is changed.
local names, seen = {}, {}
for _, row in ipairs(get_store():check()) do
  if not seen[row.store] then names[#names + 1], seen[row.store] = row.store, true end
end
if #opt.stores > 0 then
  for _, name in ipairs(opt.stores) do
    if not seen[name] then stop("There is no store %s. Nothing was changed.", name) end
  end
  names = opt.stores
end
table.sort(names)

-- state returns what is left to do for a store.
local function state(name)
  local status = store_status(name):check()
  local out = {name = name, status = status, running = false, plain_clients = {}, plain_cluster = false}
  for _, instance in ipairs(status.instances) do
    if instance.pid then
      out.running = true
      if not instance.client_tls then out.plain_clients[#out.plain_clients + 1] = instance.name end
      if instance.role == "data" and not instance.cluster_tls then out.plain_cluster = true end
    end
  end
  return out
end

for _, name in ipairs(names) do
  -- After an earlier run was interrupted, an operation may be undecided for up to 40 s, and instances may be restarting.
  pcall(wait_until, {function() return not store_status(name):check().pending end, timeout_sec = 60})
  local s = state(name)
  if #s.status.not_asked > 0 then
    stop("%s is kept by managers that were not named: %s. Nothing was changed.", name, table.concat(s.status.not_asked, ", "))
  elseif s.status.pending then
    stop("An operation of %s is not decided yet (%s). Nothing was changed.", name, s.status.pending.action)
  elseif not s.status.consistent then
    stop("The managers of %s differ: repair_store(%q) first. Nothing was changed.", name, name)
  end
  local ready, why = pcall(function() return not s.running or wait_ready{name, timeout_sec = 30} end)
  if not ready then stop("%s: bring all its instances up, or stop it. Nothing was changed.", tostring(why)) end
end

-- check_clients reads through the client port of each instance with this user's credential, over TLS.
local function check_clients(s)
  for _, node in ipairs(s.status.topology) do
    local at = string.format("https://%s:%d", node.host, node.client_port)
    retry{function() connect_store{s.name, endpoints = at}:get("_dkv/probe") end, times = 20, delay_sec = 0.25, backoff = 1}
  end
end

-- check_closed waits until no instance answers a read without TLS. Instances follow their managers within a second.
local function check_closed(s)
  for _, node in ipairs(s.status.topology) do
    local at = string.format("http://%s:%d", node.host, node.client_port)
    local closed = pcall(wait_until, {timeout_sec = 10, interval_sec = 0.25, f = function()
      return not pcall(function() connect_store{s.name, endpoints = at}:get("_dkv/probe") end)
    end})
    if not closed then stop("The client port of %s still takes plain connections: %s", node.name, at) end
  end
end

-- measured calls f while it reads the store, and returns the longest time in seconds without an answered read. Reads
-- need a majority of the data instances, as writes do.
local function measured(name, f)
  local store, last, longest, done = connect_store{name, timeout_sec = 1}, os.clock(), 0, false
  local reader = spawn(function()
    while not done do
      local answered = pcall(function() store:get("_dkv/probe") end)
      local now = os.clock()
      if answered then longest, last = math.max(longest, now - last), now end
      sleep(0.02)
    end
  end)
  f()
  sleep(0.1)
  done = true
  reader:wait()
  return longest
end

-- The client ports: one instance after the other, while the store takes reads and writes.
for _, name in ipairs(names) do
  local s = state(name)
  local data = 0
  for _, instance in ipairs(s.status.instances) do data = data + (instance.role == "data" and 1 or 0) end
  if #s.plain_clients > 0 and data > 2 then
    print(name .. ": the client ports take TLS as well from now on")
    restart_store{name, rolling = true, timeout_sec = opt.timeout_sec}:check()
  elseif #s.plain_clients > 0 then
    print(name .. ": has no majority without one of its data instances: its client ports are switched with the cluster ports")
  end
end

-- The cluster ports: all instances of a store at once.
local planned = false -- this is a dry run
for _, name in ipairs(names) do
  local s = state(name)
  local results
  local function switch()
    results = secure_store{name, timeout_sec = opt.timeout_sec}
    results:check()
  end
  if s.plain_cluster and #s.plain_clients == 0 then check_clients(s) end
  if s.plain_cluster then
    local still = measured(name, switch)
    if results[1].result ~= "PLANNED" then
      print(string.format("%s: the cluster ports speak TLS; reads and writes stood still for %.1f s", name, still))
    end
  else
    switch()
  end
  planned = results[1].result == "PLANNED"
  if not planned then
    for _, instance in ipairs(state(name).plain_clients) do restart_instance(name, instance):check() end
    s = state(name)
    if s.running then
      wait_ready{name, timeout_sec = opt.timeout_sec}
      check_clients(s)
    end
  end
end

if planned then
  print("This was a dry run: nothing was changed.")
elseif #open > 0 then
  print("All stores are switched. Last step: start these managers again with --tls=require, or without --tls: " ..
    table.concat(open, ", ") .. ". Until then they and their stores take plain connections. Then run this again.")
else
  for _, name in ipairs(names) do
    local s = state(name)
    if s.running then check_closed(s) end
  end
  print("Done: all managers and stores take TLS alone.")
end
