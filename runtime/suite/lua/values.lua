-- Values in assertions: comparing, copying, showing and calling them.

local suite = ...

local getmetatable, next, pcall, rawequal, rawget, rawset, select, setmetatable, type =
  getmetatable, next, pcall, rawequal, rawget, rawset, select, setmetatable, type

-- The metatables that identify kinds of values.
suite.spies, suite.matchers, suite.texts, suite.arguments = {}, {}, {}, {}

-- A list with its length n, so that it can have nil values.
function suite.pack(...) return setmetatable({n = select("#", ...), ...}, suite.arguments) end

local function read(t, key) return t[key] end

-- Returns t[key], or nil if its metatable raises.
local function member(t, key)
  local value = rawget(t, key)
  if value == nil and getmetatable(t) ~= nil then
    local ok, got = pcall(read, t, key)
    if ok then return got end
  end
  return value
end

-- Returns a metamethod of a value, or nil if it has none or hides it.
local function metamethod(value, event)
  local mt = getmetatable(value)
  return type(mt) == "table" and rawget(mt, event) or nil
end

local function decide_themselves(a, b)
  return getmetatable(a) == getmetatable(b) and metamethod(a, "__eq") ~= nil
end

-- Returns whether two values are the same: tables are compared by their contents, other values by ==. Tables inside that
-- share an __eq are compared by it.
function suite.same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then return a == b end
  if rawequal(a, b) then return true end
  local compared, left, right, n = {}, {a}, {b}, 1
  while n > 0 do
    local x, y = left[n], right[n]
    n = n - 1
    for k, v in next, x do
      local w = member(y, k)
      if v ~= w then
        if type(v) ~= "table" or type(w) ~= "table" or decide_themselves(v, w) then return false end
        local with = compared[v] or {}
        if not with[w] then
          compared[v], with[w] = with, true
          n = n + 1
          left[n], right[n] = v, w
        end
      end
    end
    for k in next, y do
      if member(x, k) == nil then return false end
    end
  end
  return true
end

-- Returns a deep copy, without copying spies and matchers.
function suite.copied(value)
  local copies, pending = {}, {}
  local function begin(t)
    if type(t) ~= "table" then return t end
    local mt = getmetatable(t)
    if mt == suite.spies or mt == suite.matchers then return t end
    if not copies[t] then
      copies[t] = type(mt) == "table" and setmetatable({}, mt) or {}
      pending[#pending + 1] = t
    end
    return copies[t]
  end
  local copy = begin(value)
  while #pending > 0 do
    local t = table.remove(pending)
    for k, v in next, t do rawset(copies[t], k, begin(v)) end
  end
  return copy
end

function suite.callable(value)
  return type(value) == "function" or metamethod(value, "__call") ~= nil
end

-- Returns the text of a string, a number or a value with __tostring, else nil.
function suite.own_text(value)
  if type(value) == "string" or type(value) == "number" or metamethod(value, "__tostring") then return tostring(value) end
end

-- Returns an error without the place at its beginning; of an error with fields, the message.
function suite.raised(err)
  if type(err) == "string" then return (err:gsub("^[^\n]-:%d+: ", "", 1)) end
  if type(err) == "table" and rawget(err, "message") ~= nil then return err.message end
  if type(err) == "userdata" then
    local ok, message = pcall(read, err, "message")
    if ok then return message end
  end
  return err
end

-- A text that is shown unchanged.
function suite.text(text) return setmetatable({text = text}, suite.texts) end

-- Returns a value as failures show it.
function suite.shown(value)
  if type(value) == "table" then
    local mt = getmetatable(value)
    if mt == suite.texts then return value.text end
    if mt == suite.matchers then return value:describe() end
    if mt == suite.spies then return "<spy>" end
    if mt == suite.arguments then return suite.listed(value) end
  end
  local text = suite.formatted and suite.formatted(value)
  if text ~= nil then return tostring(text) end
  return suite.show(value)
end

-- Returns the values of a list with a length, as call arguments are written.
function suite.listed(list)
  local out = {}
  for i = 1, list.n do out[i] = suite.shown(list[i]) end
  return "(" .. table.concat(out, ", ") .. ")"
end
