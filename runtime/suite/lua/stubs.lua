-- Stubs: spies that return given values instead of calling the function that they replace.

local suite = ...

local ipairs, pairs, select, setmetatable, type, unpack = ipairs, pairs, select, setmetatable, type, unpack

local pack = suite.pack

suite.load("spies")

local function returning(...)
  local values = pack(...)
  return function() return unpack(values, 1, values.n) end
end

local function wanting(name, f)
  if not suite.callable(f) then suite.misuse(("%s: got %s, want a function"):format(name, suite.shown(f))) end
  return f
end

function stub.new(t, key, ...)
  if t == nil and key == nil then t, key = {}, "stub" end
  if type(t) ~= "table" or key == nil then suite.misuse("stub: got " .. suite.shown(t) .. ", want a table and a key") end
  if t[key] ~= nil and not suite.callable(t[key]) then
    suite.misuse(("stub: %s is %s, want a function or nil"):format(tostring(key), suite.shown(t[key])))
  end
  local default = returning(...)
  if select("#", ...) == 1 and suite.callable((...)) then default = ... end
  local cases = {} -- {wanted, f}: the first that matches is called
  local s = suite.replace(t, key, function(...)
    local got = pack(...)
    for _, case in ipairs(cases) do
      if suite.fits({vals = got, refs = got}, case.wanted) then return case.f(...) end
    end
    return default(...)
  end)
  s.returns = function(...) default = returning(...) return s end
  s.invokes = function(f) default = wanting("stub.invokes", f) return s end
  s.by_default = {returns = s.returns, invokes = s.invokes}
  s.on_call_with = function(...)
    local wanted = suite.recorded(pack(...)).vals
    local function case(f)
      cases[#cases + 1] = {wanted = wanted, f = f}
      return s
    end
    return {returns = function(...) return case(returning(...)) end,
      invokes = function(f) return case(wanting("stub.on_call_with.invokes", f)) end}
  end
  return s
end

setmetatable(stub, {__call = function(_, ...) return stub.new(...) end})
