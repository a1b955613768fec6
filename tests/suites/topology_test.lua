-- The generator of topologies and its tools, which don't use the network.

local refuses = require "refuses"

local function plan(more)
  local t = {managers = "10.0.0.11,10.0.0.12", instance_prefix = "orders"}
  for k, v in pairs(more or {}) do t[k] = v end
  return topology(t)
end

describe("topology", function()
  it("counts names through the cluster and ports on each server", function()
    local t = plan{instance_count = 2}
    assert.are.equal(4, #t)
    assert.are.same({"orders-3", "10.0.0.12", 7811, 7861}, {t[3].name, t[3].host, t[3].clustron_port, t[3].client_port})
    assert.are.same({"orders-4", 7812, 7862}, {t[4].name, t[4].clustron_port, t[4].client_port})
  end)
  it("continues the ports if two managers share a host", function()
    local t = plan{managers = {"10.0.0.11:7801", "10.0.0.11:7802"}}
    assert.are.same({7811, 7812}, {t[1].clustron_port, t[2].clustron_port})
  end)
  it("prints one line per node", function() assert.are.equal(2, select(2, tostring(plan()):gsub("orders%-", ""))) end)
  it("refuses overlapping ports", function()
    assert.has_error(function() plan{instance_count = 60} end)
    assert.has_error(function() plan{clustron_port = 7801} end)
    assert.has_error(function() plan{client_port = 65535, instance_count = 2} end)
  end)
  it("requires servers and a prefix", function()
    refuses("no managers connected", topology, {instance_prefix = "orders"})
    refuses("parameter instance_prefix: required", topology, {managers = "10.0.0.11"})
    refuses("parameter instance_prefix: ", topology, {managers = "10.0.0.11", instance_prefix = "a b"})
  end)
end)

describe("topology.validate", function()
  it("accepts generated topologies", function() assert.is_true(topology.validate(plan()).ok) end)
  it("names the first problem", function()
    local t = plan()
    t[2].name = "orders-1"
    local result = topology.validate(t)
    assert.is_false(result.ok)
    assert.matches("orders-1", result.problem, 1, true)
  end)
  it("requires a list of nodes", function()
    refuses("parameter nodes: required", topology.validate)
    refuses("parameter nodes: got string, want table", topology.validate, "nodes")
  end)
end)

describe("topology.diff", function()
  it("reports equal topologies as the same", function() assert.is_true(topology.diff(plan(), plan()).same) end)
  it("lists what was added, removed and changed", function()
    local other = plan{managers = "10.0.0.11,10.0.0.12,10.0.0.13"}
    other[1].client_port = 7900
    local diff = topology.diff(plan(), other)
    assert.are.same({"orders-3"}, diff.added)
    assert.are.same({"orders-1"}, diff.changed)
    assert.are.same({"orders-3"}, topology.diff(other, plan()).removed)
  end)
  it("has a line per difference", function()
    local other = plan()
    other[1].client_port, other[2].role = 7900, "gateway"
    assert.are.equal("orders-1: client_port " .. plan()[1].client_port .. " → 7900", tostring(topology.diff(plan(), other)))
    table.remove(other)
    assert.is_truthy(tostring(topology.diff(plan(), other)):find(": removed, ", 1, true))
    assert.are.equal("no difference", tostring(topology.diff(plan(), plan())))
  end)
  it("requires two topologies", function() refuses("parameter to: required", topology.diff, plan()) end)
  it("refuses a name that a topology has twice, as topology.validate does", function()
    local twice = {{name = "x", host = "a"}, {name = "y", host = "a"}, {name = "X", host = "b"}}
    refuses('parameter from: nodes[3].name: "X" is the name of nodes[1] too', topology.diff, twice, plan())
    refuses('parameter to: nodes[3].name: "X" is the name of nodes[1] too', topology.diff, plan(), twice)
  end)
end)

describe("topology.render", function()
  it("renders four formats", function()
    assert.matches("^Instance", topology.render(plan()))
    assert.matches("^graph TD", topology.render(plan(), "mermaid"))
    assert.matches("^digraph", topology.render(plan(), "dot"))
    assert.are.equal("orders-2", json.decode(topology.render(plan(), "json"))[2].name)
  end)
  it("refuses other formats", function() refuses("parameter format: ", topology.render, plan(), "svg") end)
end)
