-- Changes of a topology that don't go through: all managers take one or none does, and what stays open is settled.

local refuses = require "refuses"

local cluster
before_each(function() cluster = local_cluster{servers = 3} end)

-- Every manager that answers keeps the store, or none does.
local function settled(store)
  local rows = get_store(store)
  return rows.ok and (#rows == 0 or #rows == 3 and store_status(store).consistent)
end

describe("a change of topology", function()
  for _, moment in ipairs{"prepare", "commit"} do
    for server = 1, 3 do
      it("is whole when manager " .. server .. " dies after its " .. moment, function()
        cluster:kill(server, {after = moment})
        local made = new_store{"OrdersStore", "orders", timeout_sec = 3}
        local ok = made.ok
        cluster:restart(server)
        assert.eventually(function() return settled("OrdersStore") end, {timeout_sec = 45, interval_sec = 0.2})
        if ok then assert.are.equal(3, #get_store("OrdersStore")) end
      end)
    end
  end

  -- The home of a change is the one whose death leaves it in doubt.
  local function loseHome()
    for server = 1, 3 do
      cluster:kill(server, {after = "prepare"})
      local made = new_store{"OrdersStore", "orders", timeout_sec = 2}
      assert.is_false(made.ok)
      if made[1].in_doubt then return server end
      cluster:restart(server)
      assert.eventually(function() return settled("OrdersStore") end, {timeout_sec = 45, interval_sec = 0.2})
      remove_store{"OrdersStore", confirm = "OrdersStore"}:check()
    end
    error("no server is the home")
  end

  it("is said to be under way while a store is created and its home is away", function()
    local home = loseHome()
    for _, ask in ipairs{store_status, connect_store, function(name) wait_ready{name, timeout_sec = 0.5} end,
      function(name) assert(remove_store{name, confirm = name}) end} do
      refuses("OrdersStore is still being created by ", ask, "OrdersStore")
    end
    cluster:restart(home)
    assert.eventually(function() return settled("OrdersStore") end, {timeout_sec = 45, interval_sec = 0.2})
  end)

  it("leaves nothing where one manager refuses, and says who did", function()
    new_store{"OtherStore", "other", managers = cluster.managers[3]}:check()
    local made = new_store("OrdersStore", "orders")
    assert.failed(made, {manager = cluster.managers[3], code = "port_taken"})
    assert.are.equal(0, #get_store("OrdersStore"))
  end)
end)

describe("repair_store", function()
  before_each(function() new_store("OrdersStore", "orders"):check() end)
  it("settles nothing where nothing is open", function()
    local repaired = repair_store("OrdersStore")
    assert.all_ok(repaired)
    assert.are.equal(3, #repaired)
  end)
  it("goes on without a manager that is lost", function()
    cluster:kill(3)
    local repaired = repair_store{"OrdersStore", lost = cluster.managers[3]}
    assert.all_ok(repaired)
    assert.are.equal(2, #repaired)
    with_managers({cluster.managers[1], cluster.managers[2]}, function()
      assert.all_ok(add_instance{"OrdersStore", host = cluster.hosts[1]})
      assert.is_true(store_status("OrdersStore").consistent)
    end)
  end)
  it("does not take a manager for lost that answers", function()
    refuses("is not lost", function() assert(repair_store("OrdersStore", cluster.managers[2])) end)
  end)
  it("needs a store", function() refuses("parameter name: required", repair_store) end)
end)

describe("ensure_store", function()
  local function ensure(more)
    local want = {"OrdersStore", instance_prefix = "orders"}
    for k, v in pairs(more or {}) do want[k] = v end
    return ensure_store(want)
  end
  it("creates, then leaves alone, then widens", function()
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
  it("raises where a manager is away", function()
    cluster:kill(2)
    assert.has_error(ensure)
  end)
  it("needs a name and a prefix", function()
    refuses("parameter name: required", ensure_store)
    refuses("parameter instance_prefix: required", ensure_store, "OrdersStore")
  end)
end)

describe("dry_run", function()
  it("plans what it would do, and what follows sees the plan", function()
    local planned = new_store{"OrdersStore", "orders", dry_run = true}
    assert.all_ok(planned)
    assert.are.equal("PLANNED", planned[1].result)
    assert.are.equal(3, #get_store("OrdersStore"))
  end)
  it("changes nothing", function() assert.are.equal(0, #get_store("OrdersStore")) end)
end)
