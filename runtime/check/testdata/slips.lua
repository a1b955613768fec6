-- Mistakes that a run does not notice.
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

-- Results that are never checked. A call without a variable is fine: the next action raises.
new_store{"OrdersStore", instance_prefix = "orders"}
local started = start_store("OrdersStore") -- want 7-14 unlooked: the results of start_store are never checked
local stopped = stop_store("OrdersStore") -- want 7-14 unlooked: the results of stop_store are never checked: printing them is not a check
print(stopped, #stopped)
local restarted = restart_instance("OrdersStore", "orders-1")
print(restarted.ok)

-- Keys that stand twice.
start_store{"OrdersStore", parallel = true, parallel = false} -- want 45-53 duplicate: duplicate key parallel: the last value is used
print{[1] = 1, [2] = 2, ["a"] = 1, a = 2} -- want 36-37 duplicate: duplicate key a: the last value is used

-- A bracket that begins a line.
print("one")
("two"):rep(2) -- want 1-2 ambiguous: this ( continues the line before as a call

-- What is silenced.
local quiet = 1 -- check: ignore
-- check: ignore unlooked, misuse
local quieter = start_store()
-- check: ignore misuse
local loud = 1 -- want 7-11 unused: local loud is never used
local both = new_stor() -- check: ignore undefined
print(both)
