-- Servers and managers that die or hang. Each test has a separate cluster.

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
  it("takes no writes without two of them, and takes writes again afterwards", function()
    cluster:kill(2)
    cluster:kill(3)
    assert.has_error(function() deadline(3, function() store:put("lost", "?") end) end)
    cluster:restart(2)
    cluster:restart(3)
    wait_ready("OrdersStore")
    assert.are.equal("kept", store:get("before"))
  end)
  it("takes writes without its managers", function()
    for i = 1, 3 do cluster:kill(i, {only_manager = true}) end
    store:put("without managers", "kept")
    for i = 1, 3 do cluster:restart(i) end
    wait_ready("OrdersStore")
    assert.are.equal("kept", store:get("without managers"))
  end)
  it("survives a hanging server", function()
    cluster:pause(1)
    assert.are.equal("timeout", get_store{timeout_sec = 0.5}.unreachable[1].code)
    cluster:resume(1)
    wait_ready("OrdersStore")
    assert.is_true(store_status("OrdersStore").consistent)
  end)
end)
