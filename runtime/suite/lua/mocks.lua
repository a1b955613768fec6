-- Mocks: tables whose functions, at any depth, are spies or stubs.

local suite = ...

local next, pairs, setmetatable, type = next, pairs, setmetatable, type

suite.load("spies")

-- Calls visit(table, key, value) for everything in a table at any depth, except in spies.
local function each(t, visit, seen)
  seen[t] = true
  local values = {}
  for k, v in next, t do values[k] = v end -- visit may replace the values
  for k, v in next, values do
    visit(t, k, v)
    if type(v) == "table" and not spy.is_spy(v) and not seen[v] then each(v, visit, seen) end
  end
  return t
end

function mock.new(t, stubbed, ...)
  if type(t) == "function" then return spy.new(t) end
  if type(t) ~= "table" then suite.misuse("mock: got " .. suite.shown(t) .. ", want a table") end
  local values = suite.pack(...)
  return each(t, function(inner, key, value)
    if type(value) ~= "function" then return end
    if stubbed then stub(inner, key, unpack(values, 1, values.n)) else spy.on(inner, key) end
  end, {})
end

local function on_all(method)
  return function(t)
    if spy.is_spy(t) then return t[method](t) end
    return each(t, function(_, _, value)
      if spy.is_spy(value) then value[method](value) end
    end, {})
  end
end

mock.clear, mock.revert = on_all("clear"), on_all("revert")

setmetatable(mock, {__call = function(_, ...) return mock.new(...) end})
