-- A store's data.

local refuses = require "refuses"

local cluster, store
setup(function()
  cluster = local_cluster{servers = 2}
  new_store("OrdersStore", "orders"):check()
  start_store("OrdersStore"):check()
  wait_ready("OrdersStore")
  store = connect_store("OrdersStore")
end)
before_each(function()
  local keys = {}
  for key in store:scan{keys_only = true} do keys[#keys + 1] = key end
  for _, key in ipairs(keys) do store:remove(key) end
end)

describe("connect_store", function()
  it("has its name and its endpoints", function()
    assert.are.equal("OrdersStore", store.name)
    assert.are.equal(2, #store.endpoints)
  end)
  it("accepts endpoints without a query", function()
    local second = connect_store{"OrdersStore", endpoints = cluster.hosts[2] .. ":7861"}
    store:put("k", "through the first")
    assert.are.equal("through the first", second:get("k"))
  end)
  it("raises for an unknown store", function()
    refuses("no manager knows", connect_store, "NoStore")
    refuses("parameter endpoints: ", connect_store, {"OrdersStore", endpoints = "host:0"})
  end)
end)

describe("store:put", function()
  it("keeps all bytes unchanged", function()
    local bytes = "\0\1\255 ä"
    store:put(bytes, bytes)
    assert.are.equal(bytes, store:get(bytes))
  end)
  it("requires a key and a value", function()
    assert.has_error(function() store:put("", "v") end)
    assert.has_error(function() store:put("k") end)
    assert.has_error(function() store:put("k", 5) end)
    refuses("call it with a colon", store.put, "k", "v")
  end)
end)

describe("store:get", function()
  it("returns nil for a missing key", function() assert.is_nil(store:get("nobody")) end)
  it("requires a key", function() assert.has_error(function() store:get() end) end)
end)

describe("store:remove", function()
  it("deletes a key, and accepts a missing one", function()
    store:put("k", "v")
    store:remove("k")
    assert.is_nil(store:get("k"))
    store:remove("k")
  end)
  it("requires a key", function() assert.has_error(function() store:remove("") end) end)
end)

describe("store:scan", function()
  before_each(function() for i = 1, 5 do store:put("order/" .. i, "item " .. i) end store:put("user/1", "one") end)
  it("iterates over the keys in order", function()
    local seen = {}
    for key, value in store:scan{prefix = "order/"} do seen[#seen + 1] = key .. "=" .. value end
    assert.are.equal("order/1=item 1 order/2=item 2 order/3=item 3 order/4=item 4 order/5=item 5", table.concat(seen, " "))
  end)
  it("stops at its limit", function()
    local n = 0
    for _ in store:scan{limit = 2} do n = n + 1 end
    assert.are.equal(2, n)
  end)
  it("refuses invalid arguments", function() assert.error_matches(function() store:scan{limit = 0} end, "limit") end)
end)
