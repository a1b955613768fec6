-- ensure: the implementation of ensure_store. It makes the cluster match the description of a store. If the cluster
-- matches already, it changes nothing, so it is safe to run repeatedly. It creates stores and adds instances; it never
-- removes, moves or stops anything.

-- only(t, …): a table with these fields of t, such as the caller's options for an action.
local function only(t, ...)
  local out = {}
  for _, field in ipairs{...} do out[field] = t[field] end
  return out
end

local function action(want, own)
  for _, field in ipairs{"managers", "port", "parallel", "fail_fast", "dry_run", "timeout_sec", "connect_timeout_sec", "deadline"} do
    own[field] = want[field]
  end
  own.name = want.name
  return own
end

-- bare(nodes): the nodes with only the fields that an operator plans.
local function bare(nodes, roles)
  local out = {}
  for i, n in ipairs(nodes) do
    out[i] = {name = n.name, host = n.host, clustron_port = n.clustron_port, client_port = n.client_port}
    if roles then out[i].role = n.role end
  end
  return out
end

local function names(nodes)
  local out = {}
  for i, n in ipairs(nodes) do out[i] = n.name end
  return table.concat(out, ", ")
end

local function refuse(want, what, hint)
  error("ensure_store: " .. want.name .. ": " .. what .. ": ensure_store creates and widens, it never removes or moves: " .. hint, 0)
end

-- lacking(want, have): the nodes of a complete topology that the store does not have.
local function lacking(want, have)
  local roles = false
  for _, n in ipairs(want.nodes) do roles = roles or n.role ~= nil end
  local diff = topology.diff(bare(have, roles), bare(want.nodes, roles))
  if #diff.removed > 0 then
    refuse(want, "has " .. table.concat(diff.removed, ", ") .. " beyond the description", "remove_instance takes out what is too much")
  end
  if #diff.changed > 0 then
    refuse(want, "has " .. table.concat(diff.changed, ", ") .. " at another place", "correct the description")
  end
  local wanted, out = {}, {}
  for _, name in ipairs(diff.added) do wanted[name] = true end
  for _, n in ipairs(want.nodes) do
    if wanted[n.name] then out[#out + 1] = n end
  end
  return out
end

-- short(want, have): the number of missing instances on each host, in the order of the servers.
local function short(want, have)
  local planned = topology(only(want, "managers", "port", "instance_prefix", "instance_count", "clustron_port", "client_port"))
  local count, order = {}, {}
  for _, n in ipairs(planned) do
    if not count[n.host] then order[#order + 1] = n.host end
    count[n.host] = (count[n.host] or 0) + 1
  end
  for _, n in ipairs(have) do
    if n.name:sub(1, #want.instance_prefix + 1) ~= want.instance_prefix .. "-" then
      refuse(want, "has " .. n.name .. ", which is not named " .. want.instance_prefix .. "-…", "correct the description")
    end
    if not count[n.host] or count[n.host] == 0 then
      refuse(want, "has " .. n.name .. " on " .. n.host .. " beyond the description", "remove_instance takes out what is too much")
    end
    count[n.host] = count[n.host] - 1
  end
  return order, count
end

-- fail(code, message, hint): raises an error with a code, which the caller's script gets.
local function fail(code, message, hint)
  error({code = code, message = "ensure_store: " .. message, hint = hint}, 0)
end

-- listed(managers): the managers of a query with their messages, of many only the first ones.
local function listed(managers, separator)
  local out = {}
  for i = 1, math.min(#managers, 3) do out[i] = managers[i].manager .. separator .. managers[i].message end
  if #managers > 3 then out[4] = "and " .. #managers - 3 .. " more" end
  return table.concat(out, "; ")
end

-- complete(want, rows): raises unless every manager answered. A store that none of the others has can't be repaired.
local function complete(want, rows)
  if rows.ok then return end
  local remedy = "leave it out"
  if #rows > 0 then
    remedy = string.format("let the store continue without it, with repair_store{%q, lost = …}, and leave it out", want.name)
  end
  fail("not_all_connected", "a topology change needs every manager, and " .. #rows.unreachable .. " gave no usable answer: "
    .. listed(rows.unreachable, ": "), "repeat it when they answer; if one is gone for good, " .. remedy)
end

-- comparable(want, status): raises if managers that have the store keep different contents of it: only one of them can be
-- what the description says. Managers without the store get it.
local function comparable(want, status)
  if status.pending then return end
  local found = {}
  for _, d in ipairs(status.differences) do
    if d.revision then found[#found + 1] = d end
  end
  if #found > 0 then
    fail("inconsistent", "the managers keep different contents of " .. want.name .. ": " .. listed(found, " "),
      string.format("repair_store(%q) gives all managers the coordinator's content; then repeat", want.name))
  end
end

local function create(want)
  new_store(action(want, only(want, "instance_prefix", "instance_count", "clustron_port", "client_port", "nodes"))):check()
end

local function widen(want, own)
  local before = {}
  local query = only(want, "name", "managers", "port", "timeout_sec", "connect_timeout_sec")
  for _, n in ipairs(store_status(query):check().topology) do before[n.name] = true end
  add_instance(action(want, own)):check()
  local added = {}
  for _, n in ipairs(store_status(query):check().topology) do
    if not before[n.name] then added[#added + 1] = n end
  end
  return "added " .. names(added)
end

return function(want)
  local query = only(want, "name", "managers", "port", "timeout_sec", "connect_timeout_sec")
  local rows = get_store(query)
  complete(want, rows)
  local changes = {}
  if #rows == 0 then
    create(want)
    changes[1] = "created with " .. names(store_status(query):check().topology)
  else
    local status = store_status(query):check()
    comparable(want, status)
    local have = status.topology
    if want.nodes then
      local added = lacking(want, have)
      if #added > 0 then changes[1] = widen(want, {nodes = added}) end
    else
      local order, count = short(want, have)
      for _, host in ipairs(order) do
        if count[host] > 0 then changes[#changes + 1] = widen(want, {hosts = host, instance_count = count[host]}) end
      end
    end
    if #changes == 0 and #status.differences > 0 then
      new_store(action(want, {nodes = bare(have)})):check()
      changes[1] = "brought to all managers"
    end
  end
  local result = "unchanged"
  if #changes > 0 then result = want.planned and "planned" or "changed" end
  local line = want.name .. ": " .. result
  if #changes > 0 then line = line .. ": " .. table.concat(changes, "; ") end
  print(line)
  return result, changes
end
