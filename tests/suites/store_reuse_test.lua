-- A store object after its store was removed and another one has its ports.

local cluster
local function removed(name) remove_store{name, stop_first = true, confirm = name}:check() end

setup(function() cluster = local_cluster{servers = 3} end)
after_each(function()
  for _, name in ipairs{"OrdersStore", "BillsStore"} do
    if #get_store(name) > 0 then removed(name) end
  end
end)

local function started(name, fields)
  local call = {name, "node"}
  for key, value in pairs(fields or {}) do call[key] = value end
  new_store(call):check()
  start_store(name):check()
  wait_ready(name)
end

local function keys(store)
  local seen = {}
  for key, value in store:scan() do seen[#seen + 1] = key .. "=" .. value end
  return table.concat(seen, " ")
end

-- The error of each of a store object's calls.
local function refused(store)
  local errors = {}
  for _, call in ipairs{
    function() store:put("k", "of the first store") end, function() store:get("k") end,
    function() store:remove("k") end, function() store:scan()() end,
  } do
    local ok, err = pcall(call)
    assert.is_false(ok)
    assert.are.equal("other_store", err.code)
    assert.is_false(err.in_doubt)
    errors[#errors + 1] = err
  end
  return errors[1]
end

describe("a store object whose ports another store has", function()
  it("reads and writes nothing there, whatever it has done before", function()
    started("OrdersStore")
    local at = {}
    for _, node in ipairs(store_status("OrdersStore").topology) do at[#at + 1] = node.host .. ":" .. node.client_port end
    local used, unused = connect_store("OrdersStore"), connect_store("OrdersStore")
    local by_hand = connect_store{"OrdersStore", endpoints = at}
    used:put("k", "1")
    removed("OrdersStore")
    started("BillsStore")
    local bills = connect_store("BillsStore")
    bills:put("k", "paid")
    local err = refused(used)
    assert.matches(cluster.hosts[3] .. ":7861 is a client port of another store than the OrdersStore that was connected", err.message, 1, true)
    assert.matches("it is of BillsStore", err.message, 1, true)
    assert.are.equal("no manager knows a store OrdersStore any more", err.hint)
    refused(unused)
    refused(by_hand)
    assert.are.equal("k=paid", keys(bills))
  end)

  it("refuses a later store of the same name, also if it was connected before the first start", function()
    new_store("OrdersStore", "node"):check()
    local stopped = connect_store("OrdersStore")
    start_store("OrdersStore"):check()
    wait_ready("OrdersStore")
    local first = store_status("OrdersStore").cluster
    assert.matches("^%x+$", first)
    removed("OrdersStore")
    new_store("OrdersStore", "node"):check()
    assert.is_nil(store_status("OrdersStore").cluster)
    start_store("OrdersStore"):check()
    wait_ready("OrdersStore")
    assert.are_not.equal(first, store_status("OrdersStore").cluster)
    assert.matches("OrdersStore was removed and created again", refused(stopped).hint, 1, true)
    assert.are.equal("", keys(connect_store("OrdersStore")))
  end)

  it("goes on with the endpoints that its store still has", function()
    started("OrdersStore")
    local store = connect_store("OrdersStore")
    store:put("k", "1")
    remove_instance("OrdersStore", "node-1"):check()
    wait_until(function() return #store_status("OrdersStore").leaving == 0 end)
    with_managers({cluster.hosts[1] .. ":7801"}, function() started("BillsStore") end)
    store:put("k", "2")
    assert.are.equal("2", store:get("k"))
    assert.are.equal("", keys(connect_store{"BillsStore", endpoints = cluster.hosts[1] .. ":7861"}))
  end)

  it("is refused at gateways too, and without managers", function()
    started("OrdersStore", {instance_count = 2})
    local gateway
    for _, node in ipairs(store_status("OrdersStore").topology) do
      if node.role == "gateway" then gateway = node.host .. ":" .. node.client_port end
    end
    disconnect_managers()
    local store = connect_store{"OrdersStore", endpoints = gateway}
    store:put("k", "1")
    connect_managers(cluster.managers)
    removed("OrdersStore")
    started("BillsStore", {instance_count = 2})
    disconnect_managers()
    refused(store)
    connect_managers(cluster.managers)
    assert.are.equal("", keys(connect_store("BillsStore")))
  end)
end)
