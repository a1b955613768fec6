-- Clusters, fake managers and runbooks that tests start, and faults.

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
    for turn = 1, 2 do -- in any order: the second test does not find the cluster of the first one
      it("turn " .. turn, function()
        assert.are.same({}, managers())
        if earlier then -- another suite's cluster may have the addresses by now
          local answered, rows = pcall(get_store, {"EarlierStore", managers = earlier})
          assert.is_true(not answered or rows.ok ~= nil and #rows == 0)
        end
        earlier = local_cluster{servers = 2}.managers
        new_store("EarlierStore", "earlier"):check()
      end)
    end
  end)
  describe("of before_each still runs", function()
    before_each(function() local_cluster(1) end)
    after_each(function() assert.is_true(get_store().ok) end)
    it("in after_each", function() assert.are.equal(1, #managers()) end)
  end)
  it("has servers that can be made to fail", function()
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
  it("kills a server at a request of an action", function()
    local cluster = local_cluster{servers = 2}
    new_store("OrdersStore", "orders"):check()
    cluster:kill(2, {after = "start"})
    assert.all_ok(start_store("OrdersStore"))
    assert.failed(stop_store("OrdersStore"), {code = "refused", manager = cluster.managers[2], count = 1})
  end)
  describe("with instances", function()
    local function placed(store)
      local out = {}
      for i, node in ipairs(store_status(store).instances) do
        out[i] = ("%s %s %s %d %d"):format(node.name, node.host, node.role, node.clustron_port, node.client_port)
      end
      return out
    end
    it("has a store that takes writes, with the given number on each server", function()
      local cluster = local_cluster{servers = 3, instances = 2, store = "OrdersStore"}
      assert.are.equal("OrdersStore", cluster.store)
      connect_store(cluster.store):put("key", "value")
      local status = store_status(cluster.store)
      assert.is_true(status.ready)
      assert.are.equal(6, #status.instances)
      assert.are.equal("OrdersStore-3", status.instances[3].name)
      assert.are.equal(cluster.hosts[2], status.instances[3].host)
    end)
    it("has the listed instances with the given fields", function()
      local cluster = local_cluster{servers = 2, instances = {{host = 2}, {host = 1, name = "big", client_port = 9000}, {host = 2, role = "data"}}}
      local one, two = cluster.hosts[1], cluster.hosts[2]
      assert.are.same({
        "TestStore-1 " .. two .. " data 7811 7861", "big " .. one .. " data 7811 9000", "TestStore-3 " .. two .. " data 7812 7862",
      }, placed("TestStore"))
    end)
    it("need not be the session", function()
      local cluster = local_cluster{servers = 1, instances = 1, connect = false}
      assert.are.same({}, managers())
      assert.are.equal("TestStore", get_store{managers = cluster.managers}[1].store)
    end)
    it("has an ordinary store", function()
      local cluster = local_cluster{servers = 2, instances = 1}
      assert.are.equal("unchanged", new_store("TestStore", "TestStore")[1].code)
      stop_store("TestStore"):check()
      remove_store{"TestStore", confirm = "TestStore"}:check()
      assert.are.equal("TestStore", cluster.store)
      assert.is_nil(local_cluster{servers = 1, connect = false}.store)
    end)
    it("refuses invalid arguments", function()
      local function wrong(message, instances) refuses(message, local_cluster, {servers = 2, instances = instances}) end
      wrong("parameter instances: 0 on each server: want 1 to 50", 0)
      wrong("parameter instances: want how many on each server, or a list such as {{host = 1}, {host = 2}}", {})
      wrong("parameter instances: want how many on each server", {host = 1})
      wrong("parameter instances: want how many on each server", "two")
      wrong("parameter instances: instances[2] is not a table such as {host = 1}", {{host = 1}, 2})
      wrong("parameter instances: instances[1].host: want the number of a server, from 1", {{host = "127.0.0.1"}})
      wrong("parameter instances: instances[1].host: want the number of a server, from 1", {{name = "a"}})
      wrong("parameter instances: instances[1].host: got 3, but there are 2 servers", {{host = 3}})
      wrong("parameter instances: instances[2].rol: a node has no such field: did you mean role?", {{host = 1}, {host = 2, rol = "data"}})
      wrong('"boss" is not a role: data or gateway', {{host = 1, role = "boss"}})
      wrong('"a" is the name of nodes[1] too', {{host = 1, name = "a"}, {host = 2, name = "a"}})
      refuses("parameter store: requires instances, ", local_cluster, {servers = 1, store = "OrdersStore"})
      refuses("unknown parameter instance: did you mean instances?", local_cluster, {instance = 1})
    end)
  end)
  it("refuses invalid arguments", function()
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
  it("has managers with the given faults", function()
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
    local function ask() get_store{managers = fakes.managers, timeout_sec = 0.1} end
    assert.error_matches(ask, "no manager answered: .*gave no answer within 100ms")
    assert.is_true(get_store{managers = fakes.managers}.ok)
  end)
  describe("when a store changes:", function()
    local function connected(options)
      local fakes = fake_managers(options)
      connect_managers(fakes.managers)
      return fakes
    end
    it("all take part in all operations", function()
      local fakes = connected(60)
      assert.all_ok(new_store{"OrdersStore", "orders", parallel = true})
      assert.are.equal("unchanged", new_store{"OrdersStore", "orders", parallel = true}[60].code)
      assert.failed(new_store{"OrdersStore", "others", parallel = true}, {code = "store_exists", count = 60})
      assert.failed(new_store{"UsersStore", "users", parallel = true}, {code = "port_taken", count = 60})
      assert.all_ok(start_store{"OrdersStore", parallel = true})
      wait_ready("OrdersStore")
      assert.failed(remove_store{"OrdersStore", parallel = true, confirm = "OrdersStore"}, {code = "store_running", count = 60})
      assert.all_ok(add_instance{"OrdersStore", hosts = fakes.managers[7], parallel = true})
      assert.all_ok(remove_instance{"OrdersStore", "orders-60", parallel = true})
      local status = store_status("OrdersStore")
      assert.are.same({true, true, 3, 60}, {status.ready, status.consistent, status.revision, #status.instances})
      assert.all_ok(stop_store{"OrdersStore", parallel = true})
      assert.all_ok(remove_store{"OrdersStore", parallel = true, confirm = "OrdersStore"})
      assert.are.equal(0, #get_store("OrdersStore"))
    end)
    it("none keeps the store if some do not answer changes", function()
      local fakes = connected{count = 200, faults = {stall = 2}}
      local rows = new_store{"OrdersStore", "orders", parallel = true, timeout_sec = 1.5}
      for _, row in ipairs(rows) do
        assert.are.equal(fakes.faults[row.manager] and "timeout" or "rolled_back", row.code)
      end
      assert.failed(rows, {code = "timeout", count = 2})
      assert.are.equal(0, #get_store("OrdersStore"))
      local repaired = repair_store{"OrdersStore", timeout_sec = 1.5} -- all say that nothing is in doubt
      assert.all_ok(repaired)
      assert.are.equal(200, #repaired)
      assert.are.equal("absent", repaired[1].code)
    end)
    it("none gets a request if some do not answer", function()
      local fakes = fake_managers{count = 200, faults = {hang = 1, garbage = 1, refuse = 1}}
      local function make() new_store{"OrdersStore", "orders", managers = fakes.managers, timeout_sec = 1.5} end
      assert.error_matches(make, "3 of 200 managers", 1, true)
      assert.are.equal(0, #get_store{"OrdersStore", managers = fakes.managers, timeout_sec = 1.5})
    end)
    it("all are in doubt if the coordinator does not answer", function()
      connected{count = 3, faults = {stall = 1}} -- the first manager stalls: it has the smallest identity
      local rows = new_store{"OrdersStore", "orders", parallel = true, timeout_sec = 0.5}
      assert.failed(rows, {code = "undecided", count = 3})
      for _, row in ipairs(rows) do assert.is_true(row.in_doubt) end
      assert.is_true(select(2, pcall(rows.check, rows)).in_doubt)
    end)
  end)
  it("can be started several times", function()
    local one, other = fake_managers(2), fake_managers(2)
    assert.are_not.equal(one.managers[1], other.managers[1])
  end)
  it("refuses invalid arguments", function()
    refuses("parameter count: required", fake_managers)
    refuses("unknown parameter delay: did you mean delay_sec?", fake_managers, {count = 2, delay = 1})
    refuses("there is no fault sleep", fake_managers, {count = 2, faults = {sleep = 1}})
    refuses("3 faults for 2 managers", fake_managers, {count = 2, faults = {hang = 3}})
    refuses("refuse: want how many managers", fake_managers, {count = 2, faults = {refuse = 0.5}})
  end)
end)

describe("run_script", function()
  it("returns the output and the exit status of a script", function()
    local run = run_script{"books/leaves.lua", args = "3"}
    assert.are.same({false, 3}, {run.ok, run.status})
    assert.matches("^first\n", run.stdout)
  end)
  it("passes the session and flags", function()
    local cluster = local_cluster(2)
    local run = run_script{"books/lists.lua", flags = {"-o", "json"}}
    assert.are.same(cluster.managers, json.decode(run.stdout).value)
  end)
  it("reports a missing script", function()
    local run = run_script("books/nowhere.lua")
    assert.are.equal(2, run.status)
    assert.matches("nowhere.lua: can't be read", run.stderr, 1, true)
  end)
  it("requires a script", function() refuses("parameter script: required", run_script) end)
end)
