#!/usr/bin/env dkvrun
-- Carries the replacement of a secured cluster's authority on, while the stores take reads and writes: it waits until
-- every server has certificates of the new authority, restarts the instances that need it one after the other, and says
-- what comes next. It changes nothing where nothing is to be done, and can be repeated at any time. In this order:
--
--   dkvmanager pki rotate --data-dir DIR          on the server with the authority's key
--   dkvrun -m 10.0.0.11,10.0.0.12,10.0.0.13 scripts/rotate_authority.lua
--   dkvmanager credential --data-dir DIR --update FILE --out NEW     for whomever dkvmanager pki status names
--   dkvmanager pki rotate --data-dir DIR --end
--   dkvrun -m 10.0.0.11,10.0.0.12,10.0.0.13 scripts/rotate_authority.lua

local opt = args({wait_sec = 60, timeout_sec = 120}, [[
Carries the replacement of a secured cluster's authority on, which
"dkvmanager pki rotate" begins and ends. It waits until every manager and
instance has a certificate of the newest authority, restarts the instances
that read other authorities when they started, one after the other, while the
stores take reads and writes, and says what comes next. Where nothing is to be
done it changes nothing. Run it after each "pki rotate", and again after an
interruption; dkvrun --dry-run shows what it would restart.

--wait-sec is how long it waits for certificates and for old connections to
end, --timeout-sec how long the restart of one store may take.]])

-- rows returns the certificates of all managers and instances; each manager has to answer.
local function rows() return list_certificates():check() end

-- newest returns the authority that was added last, and the number of authorities. Whoever has not heard of a new one
-- yet has another one at the end of its list; whoever has not heard yet that an old one is retired has a longer list.
local function newest(all)
  local found = {}
  for _, row in ipairs(all) do
    if row.instance == nil and row.tls == "off" then
      error(row.who .. " is not secured: the authority is that of a secured cluster", 0)
    end
    if row.authorities and #row.authorities > #found then found = row.authorities end
  end
  local last, count = found[#found], #found
  for _, row in ipairs(all) do
    local list = row.authorities or found
    if list[#list] == last then count = math.min(count, #list) end
  end
  return last, count
end

local function has(list, value)
  for _, each in ipairs(list or {}) do
    if each == value then return true end
  end
  return false
end

-- differ reports whether two lists have different values.
local function differ(a, b)
  for _, each in ipairs(a) do
    if not has(b, each) then return true end
  end
  return #a ~= #b
end

-- unready returns why a row does not show and trust what the newest authority says, or nil.
local function unready(row, authority, count)
  if row.problem then return row.problem end
  if not row.serial then return nil end -- without TLS, or never started
  if row.authority ~= authority then return "only an older authority vouches for its certificate" end
  if #row.authorities ~= count then return "it trusts other authorities than the others do" end
end

-- wait_for calls a function until it returns nil, and raises what it returned or raised last if that takes too long: a
-- manager that is restarted meanwhile answers again soon.
local function wait_for(what, missing)
  local left
  local ok, problem = pcall(wait_until, function()
    local called, why = pcall(missing)
    left = called and why or not called and tostring(why) or nil
    return left == nil
  end, {timeout_sec = opt.wait_sec})
  if not ok then error(left and what .. ": " .. left or problem, 0) end
end

newest(rows()) -- refuses at once what no waiting helps against

wait_for("not all servers follow the authority", function()
  local all = rows()
  local authority, count = newest(all)
  for _, row in ipairs(all) do
    local why = unready(row, authority, count)
    if why then return row.who .. ": " .. why end
  end
end)

-- stale returns the stores of which a running instance has to be restarted, in order: it read another set of
-- authorities when it started, or has connections with a certificate of an older one.
local function stale()
  local stores, seen = {}, {}
  local function add(store)
    if not seen[store] then
      seen[store] = true
      table.insert(stores, store)
    end
  end
  for _, row in ipairs(rows()) do
    local started = row.peer_authorities
    if started and differ(started, row.authorities) then add(row.store) end
    for _, client in ipairs(row.old_clients or {}) do
      local store = client:match("^dkv://instance%.[^/]+/([^/]+)/")
      if store then add(store) end
    end
  end
  return stores
end

local planned = false
for _, store in ipairs(stale()) do
  step("restart the instances of " .. store, function()
    -- Somebody else may be restarting them, or an interrupted run has left one that starts.
    pcall(wait_ready, {store, timeout_sec = opt.wait_sec})
    for _, row in ipairs(restart_store{store, rolling = true, timeout_sec = opt.timeout_sec}:check()) do
      planned = planned or row.result == "PLANNED"
    end
  end)
end
if planned then
  print("A run without --dry-run restarts these stores.")
  return
end
wait_for("connections with old certificates stay", function()
  local left = stale()
  if #left > 0 then return "store " .. table.concat(left, ", ") end
end)

local all = rows()
local authority, count = newest(all)
if count == 1 then
  print("All servers and instances trust authority " .. authority .. " alone.")
  print("To replace it: dkvmanager pki rotate, on the server with the authority's key.")
  return
end
print("Authority " .. authority .. " vouches for all managers and instances.")
local clients = {}
for _, row in ipairs(all) do
  for _, client in ipairs(row.old_clients or {}) do
    if not clients[client] then
      clients[client] = true
      print("  still connected with an old certificate: " .. client)
    end
  end
end
print("Next: dkvmanager credential --update FILE --out NEW for whomever pki status names,")
print("then dkvmanager pki rotate --end, both on the server with the authority's key;")
print("then this runbook once more.")
