-- What a run doesn't see.
local unused = 5 -- want 7-13 unused: local unused is never used
local _, second = pcall(print)
print(second)
local ok, problem = pcall(print)
print(ok)
local first, other = 1, pcall(print) -- want 7-12 unused: local first is never used
print(other)
local set = 1 -- want 7-10 unused: local set is never used
set = 2
local function never() end -- want 16-21 unused: local never is never used
local function itself(n) return n > 0 and itself(n - 1) end -- want 16-22 unused: local itself is never used
local function parameters(a, b) return a end
for i = 1, 2 do print(parameters(1)) end
for i, v in ipairs{} do print(v) end

-- Results that nothing looks at. A call without a variable is fine: the next action raises.
new_store{"OrdersStore", instance_prefix = "orders"}
local started = start_store("OrdersStore") -- want 7-14 unlooked: nothing looks at the results of start_store
local stopped = stop_store("OrdersStore") -- want 7-14 unlooked: nothing looks at the results of stop_store: to print them is not to look
print(stopped, #stopped)
local restarted = restart_instance("OrdersStore", "orders-1")
print(restarted.ok)

-- Keys that stand twice.
start_store{"OrdersStore", parallel = true, parallel = false} -- want 45-53 duplicate: parallel is given twice in this table: the last one counts
print{[1] = 1, [2] = 2, ["a"] = 1, a = 2} -- want 36-37 duplicate: a is given twice in this table: the last one counts

-- A bracket that begins a line.
print("one")
("two"):rep(2) -- want 1-2 ambiguous: this ( calls what the line before ends with

-- What is silenced.
local quiet = 1 -- check: ignore
-- check: ignore unlooked, misuse
local quieter = start_store()
-- check: ignore misuse
local loud = 1 -- want 7-11 unused: local loud is never used
local both = new_stor() -- check: ignore undefined
print(both)
