-- What a cluster lives through: each test breaks one of its own.

local cluster, store
before_each(function()
  cluster = local_cluster{servers = 3, instances = 1, store = "OrdersStore"}
  store = connect_store("OrdersStore")
  store:put("before", "kept")
end)

describe("a store on three servers", function()
  it("takes writes without one of them", function()
    cluster:kill(2)
    assert.eventually(function() store:put("during", "kept") end)
    assert.are.equal("kept", store:get("before"))
    cluster:restart(2)
    wait_ready("OrdersStore")
    local back = connect_store{"OrdersStore", endpoints = cluster.hosts[2] .. ":7861"}
    assert.are.equal("kept", back:get("during"))
  end)
  it("takes none without two, and all again afterwards", function()
    cluster:kill(2)
    cluster:kill(3)
    assert.has_error(function() deadline(3, function() store:put("lost", "?") end) end)
    cluster:restart(2)
    cluster:restart(3)
    wait_ready("OrdersStore")
    assert.are.equal("kept", store:get("before"))
  end)
  it("outlives its managers", function()
    for i = 1, 3 do cluster:kill(i, {only_manager = true}) end
    store:put("without managers", "kept")
    for i = 1, 3 do cluster:restart(i) end
    wait_ready("OrdersStore")
    assert.are.equal("kept", store:get("without managers"))
  end)
  it("goes on while a server hangs", function()
    cluster:pause(1)
    assert.are.equal("timeout", get_store{timeout_sec = 0.5}.unreachable[1].code)
    cluster:resume(1)
    wait_ready("OrdersStore")
    assert.is_true(store_status("OrdersStore").consistent)
  end)
end)

describe("a server that is cut off", function()
  local function reachable() return #get_store{timeout_sec = 1}.unreachable == 0 end
  local function at(server, key)
    return connect_store{"OrdersStore", endpoints = cluster.hosts[server] .. ":7861"}:get(key)
  end
  it("is missed by no one, and catches up", function()
    local leader
    for i, node in ipairs(store_status("OrdersStore").instances) do
      if node.leader then leader = i end
    end
    cluster:cut(leader)
    assert.are.equal("timeout", get_store{timeout_sec = 0.5}.unreachable[1].code)
    local other = connect_store{"OrdersStore", endpoints = cluster.hosts[leader % 3 + 1] .. ":7861"}
    assert.eventually(function() other:put("during", "kept") end)
    cluster:heal(leader)
    assert.eventually(reachable)
    assert.eventually(function() return at(leader, "during") == "kept" end, {timeout_sec = 30})
    wait_ready("OrdersStore")
    assert.is_true(store_status("OrdersStore").consistent)
  end)
  it("is alone, though others are cut off as well", function()
    cluster:cut(2)
    cluster:cut(3)
    assert.has_error(function() deadline(2, function() store:put("lost", "?") end) end)
    cluster:heal(3)
    assert.eventually(function() store:put("two", "kept") end, {timeout_sec = 30})
    assert.are.equal(1, #get_store{timeout_sec = 0.5}.unreachable)
    cluster:heal(2)
    assert.eventually(function() return at(2, "two") == "kept" end, {timeout_sec = 30})
  end)
  it("stays cut off when it is killed and restarted", function()
    cluster:cut(2)
    cluster:kill(2)
    cluster:restart(2)
    assert.are.equal("timeout", get_store{timeout_sec = 0.5}.unreachable[1].code)
    cluster:heal(2)
    assert.eventually(reachable)
    wait_ready("OrdersStore")
  end)
  it("can't be cut or healed while a server is paused", function()
    cluster:pause(1)
    assert.error_matches(function() cluster:cut(2) end, "no server can be cut off while server 1 is paused")
    cluster:resume(1)
    assert.is_true(reachable())
    cluster:cut(2)
    cluster:heal(3) -- nothing to do
    assert.is_false(reachable())
    cluster:heal(2)
    assert.eventually(reachable)
  end)
end)

describe("a change of topology", function()
  it("is whole when a manager dies after its vote", function()
    cluster:kill(2, {after = "prepare"})
    local made = new_store{"CartStore", "cart", clustron_port = 7911, client_port = 7961, timeout_sec = 5}
    local ok = made.ok
    cluster:restart(2)
    assert.eventually(function()
      local there = #get_store("CartStore")
      return there == 0 or there == 3
    end, {timeout_sec = 40, interval_sec = 0.2})
    assert.is_true(ok == false or #get_store("CartStore") == 3)
  end)
  it("is refused while a server is cut off, and leaves nothing", function()
    cluster:cut(2)
    local made = new_store{"CartStore", "cart", clustron_port = 7911, client_port = 7961, timeout_sec = 1}
    assert.is_false(made.ok)
    cluster:heal(2)
    assert.eventually(function() return #get_store{timeout_sec = 1}.unreachable == 0 end)
    assert.are.equal(0, #get_store("CartStore"))
  end)
  for server = 1, 3 do -- one of them is the store's home
    it("is whole when server " .. server .. " is cut off after its vote", function()
      cluster:cut(server, {after = "prepare"})
      local made = new_store{"CartStore", "cart", clustron_port = 7911, client_port = 7961, timeout_sec = 2}
      local ok = made.ok
      cluster:heal(server)
      assert.eventually(function() return repair_store{"CartStore", timeout_sec = 5}.ok end, {timeout_sec = 45})
      assert.eventually(function()
        local there = #get_store("CartStore")
        return there == 0 or there == 3
      end)
      assert.is_true(ok == false or #get_store("CartStore") == 3)
    end)
  end
end)
