-- Matchers, for arguments and returned values in called_with, returned_with and on_call_with.

local suite = ...

local ipairs, getmetatable, pairs, tonumber, type = ipairs, getmetatable, pairs, tonumber, type

local same, shown = suite.same, suite.shown
local registered = suite.registered.matcher

suite.matchers.__index = {
  describe = function(self)
    if self.name == "_" then return "match._" end
    return (self.mod and "match." or "match.not_") .. self.name .. suite.listed(self.arguments)
  end,
}
function suite.matchers.__call(self, value)
  return (self.callback(value) and true or false) == self.mod
end

local function make(name, mod, callback, arguments)
  return setmetatable({name = name, mod = mod, callback = callback, arguments = arguments}, suite.matchers)
end

match._ = make("_", true, function() return true end, suite.pack())
function match.is_matcher(x) return type(x) == "table" and getmetatable(x) == suite.matchers end
function match.is_ref_matcher(x) return match.is_matcher(x) and x.name == "ref" end

suite.chain("matcher", match, function(entry, positive, state, ...)
  local arguments = suite.pack(...)
  if arguments.n < (entry.least or 0) then suite.too_few("match", entry, arguments.n) end
  return make(entry.name, positive, entry.callback(state or {mod = positive}, arguments, 2), arguments)
end, function() suite.misuse("match: it names no matcher: match._ stands for anything") end)

-- Declares a built-in matcher. make gets the arguments, at least the given number, and returns a function that reports
-- whether a value matches.
local function define(names, least, make_test)
  for name in names:gmatch("%S+") do
    registered[name] = {name = name, least = least, callback = function(_, arguments) return make_test(arguments) end}
  end
end

for _, name in ipairs{"nil", "boolean", "number", "string", "table", "function", "userdata", "thread"} do
  define(name, 0, function() return function(value) return type(value) == name end end)
end
define("true", 0, function() return function(value) return value == true end end)
define("false", 0, function() return function(value) return value == false end end)
define("truthy", 0, function() return function(value) return value end end)
define("falsy", 0, function() return function(value) return not value end end)
define("equal equals", 1, function(a) return function(value) return value == a[1] end end)
define("same", 1, function(a) return function(value) return same(value, a[1]) end end)

define("ref", 1, function(a)
  local kind = type(a[1])
  if kind ~= "table" and kind ~= "function" and kind ~= "userdata" and kind ~= "thread" then
    suite.misuse("match.ref: got " .. shown(a[1]) .. ", want a table, function, userdata or thread")
  end
  return function(value) return value == a[1] end
end)

define("near", 2, function(a)
  local expected, tolerance = tonumber(a[1]), tonumber(a[2])
  if not expected or not tolerance then suite.misuse("match.near: got " .. suite.listed(a) .. ", want two numbers") end
  return function(value)
    local got = tonumber(value)
    return got and got >= expected - tolerance and got <= expected + tolerance
  end
end)

define("match matches", 1, function(a)
  local from = a[2] == nil and 1 or tonumber(a[2])
  if type(a[1]) ~= "string" then suite.misuse("match.match: got " .. shown(a[1]) .. ", want a pattern") end
  if not from then suite.misuse("match.match: argument 2: got " .. shown(a[2]) .. ", want a number") end
  return function(value)
    local text = suite.own_text(value)
    return text and text:find(a[1], from, a[3])
  end
end)

define("unique", 0, function(a)
  return function(value)
    local values = {}
    for _, v in pairs(value) do
      for _, other in ipairs(values) do
        if v == other or a[1] and same(v, other) then return false end
      end
      values[#values + 1] = v
    end
    return true
  end
end)

-- Declares a matcher of matchers. count gets how many of them match and how many there are, and returns whether the
-- value matches.
local function composed(name, count)
  define(name, 1, function(a)
    for i = 1, a.n do
      if not match.is_matcher(a[i]) then suite.misuse(("match.%s: argument %d: got %s, want a matcher"):format(name, i, shown(a[i]))) end
    end
    return function(value)
      local fitting = 0
      for i = 1, a.n do
        if a[i](value) then fitting = fitting + 1 end
      end
      return count(fitting, a.n)
    end
  end)
end
composed("all_of", function(fitting, n) return fitting == n end)
composed("any_of", function(fitting) return fitting > 0 end)
composed("none_of", function(fitting) return fitting == 0 end)
