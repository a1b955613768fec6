-- The shipped runbooks, run as on the command line.

local function book(name) return "../../scripts/" .. name .. ".lua" end

describe("demo", function()
  it("runs", function()
    local_cluster{servers = 3}
    local run = run_script(book "demo")
    assert.are.equal("", run.ok and "" or run.stderr)
    assert.matches("order/3\titem 3", run.stdout, 1, true)
    assert.matches("OrdersStore\tRunning\tready", run.stdout, 1, true)
    assert.matches("Done: 0 stores left", run.stdout, 1, true)
  end)
end)

for n = 1, 4 do
  describe("new_store_" .. n, function()
    it("creates the store of its page", function()
      local cluster = local_cluster{servers = 2}
      assert.is_true(run_script(book("new_store_" .. n)).ok)
      local nodes = store_status("OrdersStore").topology
      assert.are.equal(n == 1 and 2 or 4, #nodes)
      assert.are.same({"orders-1", cluster.hosts[1]}, {nodes[1].name, nodes[1].host})
    end)
  end)
end

describe("rolling_restart", function()
  it("restarts every instance, and keeps the store up", function()
    local_cluster{servers = 3}
    new_store("OrdersStore", "orders"):check()
    start_store{"OrdersStore", parallel = true}:check()
    wait_ready("OrdersStore")
    local before = {}
    for i, node in ipairs(store_status("OrdersStore").instances) do before[i] = node.pid end
    local run = run_script{book "rolling_restart", args = {"--store", "OrdersStore"}}
    assert.are.equal("", run.ok and "" or run.stderr)
    for i, node in ipairs(store_status("OrdersStore").instances) do assert.are_not.equal(before[i], node.pid) end
    assert.is_true(store_status("OrdersStore").ready)
  end)
  it("requires a store", function() assert.are.equal(2, run_script(book "rolling_restart").status) end)
end)

describe("secure_cluster", function()
  it("changes nothing while a manager is not secured, and names it", function()
    local cluster = local_cluster{servers = 2}
    new_store("OrdersStore", "orders"):check()
    local before = get_store("OrdersStore")[1].revision
    local run = run_script(book "secure_cluster")
    assert.are.equal(1, run.status)
    assert.matches("Not secured yet: " .. cluster.hosts[1] .. ":", run.stdout, 1, true)
    assert.matches("Nothing was changed", run.stdout, 1, true)
    assert.are.equal(before, get_store("OrdersStore")[1].revision)
  end)
end)

describe("rotate_authority", function()
  it("refuses managers that are not secured", function()
    local_cluster{servers = 2}
    local run = run_script(book "rotate_authority")
    assert.is_false(run.ok)
    assert.matches("is not secured: the authority is that of a secured cluster", run.stderr, 1, true)
  end)
end)
