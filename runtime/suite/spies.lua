-- Spies and stubs, as luassert has them: functions that remember how they were called. Those that take
-- the place of a function give it back when the test ends.

local suite = suite
_G.suite = nil

local unpack, select, type = unpack, select, type
local define, same = suite.define, suite.same

local function pack(...) return {n = select("#", ...), ...} end

-- What was put in the place of what: revert needs it.
local function give_back(self)
  if self.table then self.table[self.key], self.table = self.original, nil end
end

local methods = {
  clear = function(self) self.calls, self.returned = {}, {} return self end,
  revert = function(self) give_back(self) return self end,
  returns = function(self, ...)
    local values = pack(...)
    self.call = function() return unpack(values, 1, values.n) end
    return self
  end,
  invokes = function(self, f) self.call = f return self end,
}

local function new(f)
  return setmetatable({calls = {}, returned = {}, call = f or function() end, is_spy = true}, {
    __index = methods,
    __call = function(self, ...)
      self.calls[#self.calls + 1] = pack(...)
      local results = pack(self.call(...))
      self.returned[#self.returned + 1] = results
      return unpack(results, 1, results.n)
    end,
  })
end

local function replace(t, key, f)
  local s = new(f)
  s.table, s.key, s.original = t, key, t[key]
  t[key] = s
  if suite.running() then finally(function() give_back(s) end) end
  return s
end

spy = {new = new, on = function(t, key) return replace(t, key, t[key]) end, is_spy = function(x) return type(x) == "table" and x.is_spy == true end}
stub = setmetatable({new = function(t, key, ...) return replace(t, key):returns(...) end}, {__call = function(self, ...) return self.new(...) end})

-- The calls, or what they returned, one below the other.
local function listed(all)
  local out = {}
  for i, arguments in ipairs(all) do out[i] = {unpack(arguments, 1, arguments.n)} end
  return out
end

local function any(all, wanted)
  for _, one in ipairs(all) do
    if one.n == wanted.n and same(wanted, one, {}) then return true end
  end
  return false
end

define("called", 1, function(a, n, s)
  local count = #s.calls
  if n == 0 or a[1] == nil then return count > 0, "a call", false end
  return count == a[1], "so many calls", true, a[1], count
end)
define("called_at_least", 1, function(a, _, s) return #s.calls >= a[1], "at least so many calls", true, a[1], #s.calls end)
define("called_at_most", 1, function(a, _, s) return #s.calls <= a[1], "at most so many calls", true, a[1], #s.calls end)
define("called_with", 99, function(a, n, s)
  local wanted = {n = n, unpack(a, 1, n)}
  return any(s.calls, wanted), "a call with these arguments", true, listed{wanted}, listed(s.calls)
end)
define("returned_with", 99, function(a, n, s)
  local wanted = {n = n, unpack(a, 1, n)}
  return any(s.returned, wanted), "a call that returned this", true, listed{wanted}, listed(s.returned)
end)
