-- Topology changes while a server fails. Each test has a separate cluster.

local cluster
before_each(function()
  cluster = local_cluster{servers = 3, instances = 1, store = "OrdersStore"}
end)

describe("a topology change", function()
  it("is complete if a manager dies after its vote", function()
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
  it("is refused while a server is cut off, and nothing of it remains", function()
    cluster:cut(2)
    local made = new_store{"CartStore", "cart", clustron_port = 7911, client_port = 7961, timeout_sec = 1}
    assert.is_false(made.ok)
    cluster:heal(2)
    assert.eventually(function() return #get_store{timeout_sec = 1}.unreachable == 0 end)
    assert.are.equal(0, #get_store("CartStore"))
  end)
  for server = 1, 3 do -- one of them is the store's home
    it("is complete if server " .. server .. " is cut off after its vote", function()
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
