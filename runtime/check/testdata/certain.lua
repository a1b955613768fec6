-- Nothing is reported about values that are only known in a run.
local opt = args{store = "OrdersStore", count = 2, options = {}}
local function parameters() return {opt.store, parallel = true} end

new_store(parameters())
new_store(opt.store, opt.options)
new_store{opt.store, instance_count = opt.count, instance_prefix = #arg > 0 and arg[1] or nil}
new_store{unpack(arg)}
new_store(...)
new_store{name = opt.store, [opt.count] = 1}
connect_managers{...}
start_store(opt.store, {timeout_sec = opt.count})

-- A name that the script gives a meaning of its own.
local get_store = function(n) return {n} end
print(get_store("any", "thing", "goes").missing)
function show(x) print(x.anything) end
show(1, 2, 3)
stop_store = nil

-- Globals of the script, also those that are set later, and by name.
local function later() return defined_later, _G.by_name, other end
defined_later = later
_G.by_name = 1
rawset(_G, "other", 2)
if rawget(_G, "optional") then print "set" end

-- A variable is what all its values are.
local state = store_status(opt.store)
if opt.count > 1 then state = {anything = 1} end
print(state.anything)
local started
repeat started = start_store(opt.store) until started.ok
started = started:retry()
print(started.failed[1].code)

for _, key in ipairs{"ok", "failed"} do print(started[key].anything) end

-- Records are tables: a script may add to them.
for _, node in ipairs(store_status(opt.store).instances) do
  node.label = node.name .. "@" .. node.host
  print(node.label)
end
