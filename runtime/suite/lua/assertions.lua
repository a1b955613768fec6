-- The assertions of luassert.

local suite = ...

local define, same, shown, text = suite.define, suite.same, suite.shown, suite.text
local ipairs, pairs, pcall, tonumber, tostring, type = ipairs, pairs, pcall, tonumber, tostring, type

define("equal equals", 2, 2, function(a)
  return a[1] == a[2], "equal values", true, a[1], a[2]
end)
define("same", 2, 2, function(a)
  return same(a[1], a[2]), "the same values", true, a[1], a[2]
end)
define("true", 0, 1, function(a) return a[1] == true, "true", true, true, a[1] end)
define("false", 0, 1, function(a) return a[1] == false, "false", true, false, a[1] end)
define("nil", 0, 1, function(a) return a[1] == nil, "nil", true, nil, a[1] end)
define("truthy", 1, 1, function(a) return a[1], "neither false nor nil", true, true, a[1] end)
define("falsy", 1, 1, function(a) return not a[1], "false or nil", true, false, a[1] end)
for _, name in ipairs{"boolean", "number", "string", "table", "function", "userdata", "thread"} do
  define(name, 0, 1, function(a)
    local got = type(a[1])
    return got == name, "a " .. name, true, name, got
  end)
end

-- Returns an argument as a number.
local function number(name, a, i)
  return tonumber(a[i]) or suite.misuse(("assert.%s: argument %d: got %s, want a number"):format(name, i, shown(a[i])))
end

define("near", 3, 3, function(a)
  local expected, got, tolerance = number("near", a, 1), number("near", a, 2), number("near", a, 3)
  return got >= expected - tolerance and got <= expected + tolerance, function(positive)
    return ("expected %sa number within %s of %s"):format(positive and "" or "not: ", tolerance, expected), positive, expected, got
  end
end)

-- unique(list, deep, message), or unique(list, message, deep).
define("unique", 1, 3, function(a, n)
  local deep, message = a[2], a[3]
  if type(deep) ~= "boolean" and not (deep == nil and n > 2) then deep, message = a[3], a[2] end
  a.message = message
  local keys, values = {}, {}
  for k, v in pairs(a[1]) do
    for i, other in ipairs(values) do
      if v == other or deep == true and same(v, other) then
        return false, ("a list without duplicates: items %s and %s are the same"):format(shown(keys[i]), shown(k)), true, nil, a[1]
      end
    end
    keys[#keys + 1], values[#values + 1] = k, v
  end
  return true, "a list with duplicates"
end)

-- Finds a pattern or a plain text from an index on. Returns whether it is there, and the captures.
local function find(got, pattern, from, is_plain)
  if is_plain then return got:find(pattern, from, true) ~= nil, suite.pack(pattern) end
  local captures = suite.pack(got:match(pattern, from))
  return captures[1] ~= nil, captures
end

-- Returns the arguments after the pattern: the index, whether it is plain text, and a message, which may be anywhere
-- among them.
local function options(name, a, n)
  for i = 3, n do
    if a[i] and type(a[i]) ~= "boolean" and not tonumber(a[i]) then
      a.message = table.remove(a, i)
      break
    end
  end
  return a[3] ~= nil and number(name, a, 3) or 1, a[4]
end

define("match matches", 2, 4, function(a, n)
  local pattern, got = a[1], suite.own_text(a[2])
  if type(pattern) ~= "string" then suite.misuse("assert.match: got " .. shown(pattern) .. ", want a pattern") end
  if not got then suite.misuse("assert.match: got " .. shown(a[2]) .. ", want a text") end
  local from, is_plain = options("match", a, n)
  local holds, captures = find(got, pattern, from, is_plain)
  a.returns = holds and captures or suite.pack()
  return holds, "a text that matches the pattern", true, pattern, got
end)

-- Calls a function. Returns whether it raised, and the error, without the place at the beginning if it is a string. The
-- assertion returns the error, or the values of the function, and its other arguments.
local function raises(name, a, n)
  if not suite.callable(a[1]) then suite.misuse(("assert.%s: got %s, want a function"):format(name, shown(a[1]))) end
  local ok, err = pcall(a[1])
  if type(err) == "string" then err = suite.raised(err) end
  a.returns = {n = n, err, unpack(a, 2, n)}
  return not ok, err
end

-- Returns the text of an error, or nil if it has none.
local function text_of(err)
  err = suite.raised(err)
  if type(err) == "boolean" then return tostring(err) end
  return suite.own_text(err)
end

define("error errors", 1, 2, function(a, n)
  local raised, err = raises("error", a, n)
  local expected = a[2]
  if not raised then
    if expected == nil then return false, "the function to raise an error" end
    return false, "an error", true, expected, text("no error")
  end
  if expected == nil then
    return true, function() return "expected no error", true, text("no error"), suite.raised(err) end
  end
  local got = err
  if type(expected) == "string" then
    got = text_of(err) or err
    a.returns[1] = got
  elseif type(expected) == "number" then
    got = tonumber(err) or err
  end
  return same(expected, got), function(positive)
    if positive then return "expected another error", true, expected, got end
    return "expected another error, or none", true, text("another error, or none"), got
  end
end)

define("error_matches error_match matches_error match_error", 2, 4, function(a, n)
  local pattern = a[2]
  if pattern ~= nil and type(pattern) ~= "string" then
    suite.misuse("assert.error_matches: got " .. shown(pattern) .. ", want a pattern")
  end
  local from, is_plain = options("error_matches", a, n)
  local raised, err = raises("error_matches", a, n)
  if not raised then return false, "an error", true, pattern, text("no error") end
  local got = text_of(err)
  local holds, captures = pattern == nil and err == nil, suite.pack()
  if got and pattern then holds, captures = find(got, pattern, from, is_plain) end
  if holds then a.returns = captures elseif got then a.returns[1] = got end
  return holds, "an error that matches the pattern", true, pattern, got or err
end)

define("returned_arguments", 1, 1e9, function(a, n)
  return n - 1 == a[1], "so many values", true, a[1], n - 1
end)

suite.registered.modifier.message = {callback = function(state, arguments)
  state.failure_message = arguments and arguments[1]
end}

-- assert.array(list).has.holes(n): an index up to n, by default the highest one, has no value.
suite.registered.modifier.array = {callback = function(state, arguments)
  if arguments == nil or arguments.n == 0 then suite.misuse("assert.array: got no list") end
  if state.array ~= nil then suite.misuse("assert.array: it has a list already") end
  state.array = arguments[1]
end}

define("holes", 0, 1, function(a, _, state)
  local list = state and state.array
  if list == nil then suite.misuse("assert.holes: say of which list: assert.array(list).has.holes()") end
  local last = a[1] ~= nil and number("holes", a, 1) or 0
  if a[1] == nil then
    for i in pairs(list) do
      if type(i) == "number" and i > last and i % 1 == 0 then last = i end
    end
  end
  for i = 1, last do
    if list[i] == nil then
      a.returns = suite.pack(i)
      return true, "a hole, found at " .. i
    end
  end
  return false, "a hole", true, text("a hole"), list
end)
