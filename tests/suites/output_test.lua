-- JSON, printed output, and the arguments and the end of a script.

local refuses = require "refuses"

describe("json.encode", function()
  it("sorts keys, and writes lists as arrays", function()
    assert.are.equal('{"a":[1,2.5],"b":{"c":null}}', (json.encode{b = json.decode('{"c": 1}'), a = {1, 2.5}}:gsub("1}", "null}")))
    assert.are.equal("[]", json.encode{})
    assert.are.equal('"\\u0000ä"', json.encode("\0ä"))
    assert.are.equal("null", json.encode(nil))
  end)
  it("refuses values without a JSON form", function()
    refuses("parameter value: ", json.encode, print)
    refuses("parameter value: ", json.encode, {1, a = 2})
    refuses("parameter value: ", json.encode, 0 / 0)
    local cycle = {}
    cycle[1] = cycle
    refuses("parameter value: ", json.encode, cycle)
  end)
end)

describe("json.decode", function()
  it("reads a value", function()
    assert.are.same({name = "orders", ports = {7811, 7861}, ok = true}, json.decode('{"name": "orders", "ports": [7811, 7861], "ok": true, "no": null}'))
    assert.are.equal(-1500, json.decode("-1.5e3"))
    assert.are.equal("9007199254740991", json.encode(json.decode("9007199254740991")))
    assert.are.equal(2^53, json.decode("9007199254740993"))
  end)
  it("refuses other values", function()
    for _, text in ipairs{"", "{", "{'a': 1}", "[1,]", "1 2", "nul"} do refuses("parameter text: ", json.decode, text) end
    refuses("parameter text: got table, want string", json.decode, {text = {}})
  end)
end)

describe("show", function()
  it("accepts any value", function()
    show()
    show(nil, 5, {a = {1, 2}}, print)
  end)
end)

describe("args", function()
  it("returns the options of a script", function()
    local run = run_script{"books/options.lua", args = {"--store", "OrdersStore", "--count=3"}}
    assert.are.equal("OrdersStore 3\n", run.stdout)
    assert.are.equal("OrdersStore 2\n", run_script{"books/options.lua", args = {"--store=OrdersStore"}}.stdout)
  end)
  it("ends the script if they are wrong", function()
    assert.are.equal(2, run_script{"books/options.lua"}.status)
    local run = run_script{"books/options.lua", args = {"--stroe", "x"}}
    assert.are.equal(2, run.status)
    assert.matches("did you mean --store", run.stderr, 1, true)
  end)
end)

describe("exit", function()
  it("ends the run with a status, whatever catches it", function()
    local run = run_script{"books/leaves.lua", args = {"7"}}
    assert.are.same({7, "first\nat the exit\n", "that is why\n"}, {run.status, run.stdout, run.stderr})
  end)
  it("accepts a status", function()
    refuses("parameter status: ", exit, 256)
    refuses("parameter status: got string, want integer", exit, "0")
  end)
end)

describe("at_exit", function()
  it("runs at the end, also after an error", function()
    local run = run_script("books/fails.lua")
    assert.are.equal(1, run.status)
    assert.are.equal("last in\nfirst in\n", run.stdout)
    assert.matches("fails.lua:3: on the way", run.stderr, 1, true)
  end)
  it("requires a function", function() refuses("parameter f: required", at_exit) end)
end)
