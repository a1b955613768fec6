-- What tests can start and break.

local refuses = require "refuses"

describe("local_cluster", function()
  local earlier
  it("starts real managers and makes them the session", function()
    local cluster = local_cluster{servers = 2}
    assert.are.same(cluster.managers, managers())
    assert.are.equal(2, #cluster.hosts)
    assert.is_true(get_store().ok)
  end)
  describe("ends with the test that started it:", function()
    for turn = 1, 2 do -- in any order, the later one finds nothing of the earlier one's
      it("turn " .. turn, function()
        assert.are.same({}, managers())
        if earlier then assert.are.equal(2, #get_store{managers = earlier}.unreachable) end
        earlier = local_cluster{servers = 2}.managers
      end)
    end
  end)
  describe("of before_each is still there", function()
    before_each(function() local_cluster(1) end)
    after_each(function() assert.is_true(get_store().ok) end)
    it("in after_each", function() assert.are.equal(1, #managers()) end)
  end)
  it("has servers that fail when they are told to", function()
    local cluster = local_cluster(2)
    cluster:kill(2)
    cluster:kill(2)
    assert.are.equal("refused", get_store().unreachable[1].code)
    cluster:restart(2)
    cluster:pause(1)
    assert.are.equal("timeout", get_store{timeout_sec = 0.5}.unreachable[1].code)
    cluster:pause(1)
    cluster:resume(1)
    cluster:resume(1)
    assert.is_true(get_store().ok)
    cluster:pause(2)
    cluster:kill(2)
    assert.are.equal("refused", get_store().unreachable[1].code)
  end)
  it("loses a server at a moment of an action", function()
    local cluster = local_cluster{servers = 2}
    new_store("OrdersStore", "orders"):check()
    cluster:kill(2, {after = "start"})
    assert.all_ok(start_store("OrdersStore"))
    assert.failed(stop_store("OrdersStore"), {code = "refused", manager = cluster.managers[2], count = 1})
  end)
  it("refuses what can't be", function()
    refuses("parameter servers: ", local_cluster, {servers = 0})
    refuses("parameter servers: ", local_cluster, {servers = 33})
    local cluster = local_cluster(1)
    refuses("parameter server: got 2, but there are 1", cluster.kill, cluster, 2)
    refuses("parameter after: ", cluster.kill, cluster, 1, {after = "lunch"})
    refuses("call it with a colon", cluster.restart, 1)
  end)
end)

describe("fake_managers", function()
  it("answers like many managers", function()
    local fakes = fake_managers(300)
    assert.are.equal(300, #fakes.managers)
    local rows = get_store{managers = fakes.managers}
    assert.is_true(rows.ok)
    assert.are.equal(300, #rows)
  end)
  it("has some that fail, each in its way", function()
    local fakes = fake_managers{count = 60, faults = {refuse = 2, hang = 1, garbage = 2, reset = 1}}
    local seen = {}
    for _, silent in ipairs(get_store{managers = fakes.managers, timeout_sec = 1}.unreachable) do
      seen[#seen + 1] = fakes.faults[silent.manager] .. " " .. silent.code
    end
    table.sort(seen)
    assert.are.same({"garbage protocol", "garbage protocol", "hang timeout", "refuse refused", "refuse refused", "reset reset"}, seen)
  end)
  it("waits before it answers", function()
    local fakes = fake_managers{count = 2, delay_sec = 0.5}
    assert.are.equal("timeout", get_store{managers = fakes.managers, timeout_sec = 0.1}.unreachable[1].code)
    assert.is_true(get_store{managers = fakes.managers}.ok)
  end)
  it("may be several at a time", function()
    local one, other = fake_managers(2), fake_managers(2)
    assert.are_not.equal(one.managers[1], other.managers[1])
  end)
  it("refuses what can't be", function()
    refuses("parameter count: required", fake_managers)
    refuses("there is no fault sleep", fake_managers, {count = 2, faults = {sleep = 1}})
    refuses("3 faults for 2 managers", fake_managers, {count = 2, faults = {hang = 3}})
    refuses("refuse: want how many managers", fake_managers, {count = 2, faults = {refuse = 0.5}})
  end)
end)

describe("run_script", function()
  it("gives what a script printed, and how it ended", function()
    local run = run_script{"books/leaves.lua", args = "3"}
    assert.are.same({false, 3}, {run.ok, run.status})
    assert.matches("^first\n", run.stdout)
  end)
  it("hands it the session, and flags", function()
    local cluster = local_cluster(2)
    local run = run_script{"books/lists.lua", flags = {"-o", "json"}}
    assert.are.same(cluster.managers, json.decode(run.stdout).value)
  end)
  it("says where there is no such script", function()
    local run = run_script("books/nowhere.lua")
    assert.are.equal(2, run.status)
    assert.matches("nowhere.lua: can't be read", run.stderr, 1, true)
  end)
  it("needs a script", function() refuses("parameter script: required", run_script) end)
end)
