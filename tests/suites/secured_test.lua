-- Secured throw-away clusters: roles, credentials and faults.

local refuses = require "refuses"

local function book(name) return "../../scripts/" .. name .. ".lua" end

-- as(file) returns the flags of dkvrun for a credential.
local function as(file) return {"--credential", file} end

describe("local_cluster{secured = true}", function()
  it("makes the test and its runbooks admins", function()
    local cluster = local_cluster{servers = 3, secured = true}
    assert.is_true(cluster.secured)
    local run = run_script{book "demo", flags = as(cluster:credential{role = "admin", name = "ann"})}
    assert.are.equal("", run.ok and "" or run.stderr)
    assert.matches("Done: 0 stores left", run.stdout, 1, true)
    assert.is_true(run_script("books/lists.lua").ok)
    new_store("OrdersStore", "orders"):check()
    start_store{"OrdersStore", parallel = true}:check()
    wait_ready("OrdersStore")
    local store = connect_store("OrdersStore")
    store:put("key", "value")
    assert.are.equal("value", store:get("key"))
    stop_store("OrdersStore"):check()
    remove_store{"OrdersStore", confirm = "OrdersStore"}:check()
  end)

  it("can be beside one that is not", function()
    local secured = local_cluster{servers = 1, secured = true}
    local plain = local_cluster{servers = 1, secured = false}
    assert.is_false(plain.secured)
    assert.is_true(get_store().ok)
    connect_managers{managers = secured.managers, force = true}
    assert.is_true(get_store().ok)
  end)

  it("goes on through faults of servers", function()
    local cluster = local_cluster{servers = 3, secured = true, instances = 1}
    local store = connect_store(cluster.store)
    cluster:kill(2)
    assert.eventually(function() store:put("killed", "kept") end)
    cluster:restart(2)
    cluster:pause(1)
    refuses("resume it first", cluster.credential, cluster, "viewer")
    cluster:resume(1)
    cluster:cut(3)
    assert.are.equal(1, #get_store{timeout_sec = 0.5}.unreachable)
    cluster:heal(3)
    assert.eventually(function() return #get_store().unreachable == 0 end)
    wait_ready(cluster.store)
    assert.are.equal("kept", store:get("killed"))
  end)
end)

describe("cluster:credential", function()
  local cluster
  setup(function()
    cluster = local_cluster{servers = 3, secured = true, instances = 1}
    connect_store(cluster.store):put("earlier", "value")
  end)

  -- try(file, book, args) runs a runbook with a credential, and returns how it ended.
  local function try(file, name, args, flags) return run_script{name, args = args, flags = flags or as(file)} end

  -- stores() returns the names of the stores, which runbooks that are refused don't change.
  local function stores()
    local names, known = {}, {}
    for _, row in ipairs(get_store()) do
      if not known[row.store] then known[row.store], names[#names + 1] = true, row.store end
    end
    return names
  end

  it("lets a viewer read, and change nothing", function()
    local viewer = cluster:credential("viewer")
    local run = try(viewer, book "demo")
    assert.are.equal(1, run.status)
    assert.matches("viewer%d+ may not change a topology: that takes admin", run.stderr .. run.stdout)
    run = try(viewer, book "rolling_restart", {"--store", cluster.store})
    assert.are.equal(1, run.status)
    assert.are.same({cluster.store}, stores())
    assert.is_true(store_status(cluster.store).ready)
    run = try(viewer, "books/lists.lua")
    assert.are.equal("", run.ok and "" or run.stderr)
  end)

  it("lets an operator restart instances, and no more", function()
    local operator = cluster:credential("operator")
    local run = try(operator, book "rolling_restart", {"--store", cluster.store})
    assert.are.equal("", run.ok and "" or run.stderr)
    assert.are.equal(1, try(operator, book "demo").status)
    assert.are.same({cluster.store}, stores())
  end)

  it("makes bearer tokens", function()
    local token = cluster:credential{role = "viewer", token = true}
    assert.is_true(try(token, "books/lists.lua", nil, {"--token-file", token}).ok)
    assert.are.equal(1, try(token, book "demo", nil, {"--token-file", token}).status)
  end)

  it("ends the earlier one of the same name", function()
    local first = cluster:credential{role = "viewer", name = "twice"}
    local second = cluster:credential{role = "viewer", name = "twice"}
    assert.is_false(try(first, "books/lists.lua").ok)
    assert.is_true(try(second, "books/lists.lua").ok)
  end)

  it("ends an earlier one at a server that was cut off once it is reached again", function()
    local first = cluster:credential{role = "viewer", name = "late"}
    cluster:cut(3)
    cluster:credential{role = "viewer", name = "late"}
    cluster:heal(3)
    assert.eventually(function()
      local run = try(first, "books/lists.lua")
      return not run.ok and run.stderr:find(cluster.managers[3] .. "[^\n]*revoked")
    end, {timeout_sec = 5})
    assert.eventually(function() return store_status(cluster.store).ready end)
  end)

  it("lets applications use their store", function()
    local endpoint = connect_store(cluster.store).endpoints[1]
    local function write(file, value)
      return try(file, "books/writes.lua", {"--store", cluster.store, "--endpoint", endpoint, "--value", value})
    end
    local store = connect_store(cluster.store)
    local run = write(cluster:credential{app = "web", store = cluster.store}, "web")
    assert.are.equal("", run.ok and "" or run.stderr)
    assert.are.equal("web", store:get("key"))
    run = write(cluster:credential{app = "report", store = cluster.store, read_only = true}, "report")
    assert.matches("read value", run.stdout, 1, true)
    assert.is_false(run.ok)
    assert.are.equal("web", store:get("key"))
    run = write(cluster:credential{app = "other", store = "OtherStore"}, "other")
    assert.is_false(run.ok)
    assert.are.equal("web", store:get("key"))
  end)

  it("refuses what contradicts itself", function()
    local function credential(of) return function() return cluster:credential(of) end end
    refuses("want the role of a user, or app and store", credential{})
    refuses("want the role of a user, or app and store", credential{role = "viewer", app = "web", store = "S"})
    refuses("name the store", credential{app = "web"})
    refuses("neither name nor token", credential{app = "web", store = "S", token = true})
    refuses("neither store nor read_only", credential{role = "viewer", store = "S"})
    local plain = local_cluster{servers = 1, secured = false, connect = false}
    refuses("not secured", function() return plain:credential("viewer") end)
  end)
end)
