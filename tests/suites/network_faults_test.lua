-- Servers that are cut off the network. Each test has a separate cluster.

local cluster, store
before_each(function()
  cluster = local_cluster{servers = 3, instances = 1, store = "OrdersStore"}
  store = connect_store("OrdersStore")
  store:put("before", "kept")
end)

describe("a server that is cut off", function()
  local function reachable() return #get_store{timeout_sec = 1}.unreachable == 0 end
  local function at(server, key)
    return connect_store{"OrdersStore", endpoints = cluster.hosts[server] .. ":7861"}:get(key)
  end
  it("is not needed by the others, and catches up", function()
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
  it("does not reach others that are cut off as well", function()
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
