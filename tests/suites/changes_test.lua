-- Topology changes that fail: they reach all managers or none, and operations in doubt are resolved.

local refuses = require "refuses"

local cluster
before_each(function() cluster = local_cluster{servers = 3} end)

-- Reports whether all managers have the store, or none has it.
local function consistent(store)
  local rows = get_store(store)
  return rows.ok and (#rows == 0 or #rows == 3 and store_status(store).consistent)
end

describe("a topology change", function()
  for _, moment in ipairs{"prepare", "commit"} do
    for server = 1, 3 do
      it("is complete if manager " .. server .. " dies after its " .. moment, function()
        cluster:kill(server, {after = moment})
        local made = new_store{"OrdersStore", "orders", timeout_sec = 3}
        local ok = made.ok
        cluster:restart(server)
        assert.eventually(function() return consistent("OrdersStore") end, {timeout_sec = 45, interval_sec = 0.2})
        if ok then assert.are.equal(3, #get_store("OrdersStore")) end
      end)
    end
  end

  it("is planned again when another run has removed the store meanwhile", function()
    for _ = 1, 5 do
      new_store("OrdersStore", "orders"):check()
      local function remove() return #remove_store{"OrdersStore", confirm = "OrdersStore"}:check() end
      for _, outcome in ipairs(parallel{remove, remove, remove}:check()) do assert.are.equal(3, outcome.value) end
      assert.are.equal(0, #get_store())
    end
  end)

  -- Kills the coordinator and returns its number. It is the server whose failure leaves an operation in doubt.
  local function killCoordinator()
    for server = 1, 3 do
      cluster:kill(server, {after = "prepare"})
      local made = new_store{"OrdersStore", "orders", timeout_sec = 2}
      assert.is_false(made.ok)
      if made[1].in_doubt then return server end
      cluster:restart(server)
      assert.eventually(function() return consistent("OrdersStore") end, {timeout_sec = 45, interval_sec = 0.2})
      remove_store{"OrdersStore", confirm = "OrdersStore"}:check()
    end
    error("no server is the coordinator")
  end

  it("is reported while a store is being created and its coordinator is down", function()
    local coordinator = killCoordinator()
    for _, ask in ipairs{store_status, connect_store, function(name) wait_ready{name, timeout_sec = 0.5} end,
      function(name) assert(remove_store{name, confirm = name}) end} do
      refuses("OrdersStore is still being created by ", ask, "OrdersStore")
    end
    cluster:restart(coordinator)
    assert.eventually(function() return consistent("OrdersStore") end, {timeout_sec = 45, interval_sec = 0.2})
  end)

  it("leaves nothing if one manager refuses, and names that manager", function()
    new_store{"OtherStore", "other", managers = cluster.managers[3]}:check()
    local made = new_store("OrdersStore", "orders")
    assert.failed(made, {manager = cluster.managers[3], code = "port_taken"})
    assert.are.equal(0, #get_store("OrdersStore"))
  end)
end)

describe("repair_store", function()
  before_each(function() new_store("OrdersStore", "orders"):check() end)
  it("changes nothing if no operation is in doubt", function()
    local repaired = repair_store("OrdersStore")
    assert.all_ok(repaired)
    assert.are.equal(3, #repaired)
  end)
  it("lets the store continue without a lost manager", function()
    cluster:kill(3)
    local repaired = repair_store{"OrdersStore", lost = cluster.managers[3]}
    assert.all_ok(repaired)
    assert.are.equal(2, #repaired)
    with_managers({cluster.managers[1], cluster.managers[2]}, function()
      assert.all_ok(add_instance{"OrdersStore", host = cluster.hosts[1]})
      assert.is_true(store_status("OrdersStore").consistent)
    end)
  end)
  it("refuses to declare an answering manager lost", function()
    refuses("is not lost", function() assert(repair_store("OrdersStore", cluster.managers[2])) end)
  end)
  it("requires a store", function() refuses("parameter name: required", repair_store) end)
end)

describe("ensure_store", function()
  local function ensure(more)
    local want = {"OrdersStore", instance_prefix = "orders"}
    for k, v in pairs(more or {}) do want[k] = v end
    return ensure_store(want)
  end
  it("creates a store, then changes nothing, then adds instances", function()
    assert.are.equal("changed", ensure().result)
    local again = ensure()
    assert.are.same({"unchanged", {}}, {again.result, again.changes})
    local wider = ensure{instance_count = 2}
    assert.are.equal("changed", wider.result)
    assert.is_true(#wider.changes > 0)
    assert.are.equal(6, #store_status("OrdersStore").topology)
  end)
  it("never removes", function()
    ensure{instance_count = 2}
    refuses("it never removes or moves", ensure)
    assert.are.equal(6, #store_status("OrdersStore").topology)
  end)
  it("plans in a dry run", function()
    assert.are.equal("planned", ensure{dry_run = true}.result)
  end)
  it("raises if a manager is down", function()
    cluster:kill(2)
    assert.has_error(ensure)
  end)
  it("requires a name and a prefix", function()
    refuses("parameter name: required", ensure_store)
    refuses("parameter instance_prefix: required", ensure_store, "OrdersStore")
  end)
end)

describe("dry_run", function()
  it("shows what it would do, and later calls see the planned state", function()
    local planned = new_store{"OrdersStore", "orders", dry_run = true}
    assert.all_ok(planned)
    assert.are.equal("PLANNED", planned[1].result)
    assert.are.equal(3, #get_store("OrdersStore"))
  end)
  it("changes nothing", function() assert.are.equal(0, #get_store("OrdersStore")) end)
end)
