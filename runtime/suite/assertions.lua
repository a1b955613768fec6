-- The assertions of suites: luassert's, in all its spellings (assert.are.equal, assert.is_not_nil,
-- assert.has_no.errors, …), and some for results and stores. suite holds what the runner gives.

local suite, plain = suite, assert

local unpack, select, type, rawget, next, pcall = unpack, select, type, rawget, next, pcall

-- Whether two values are the same: tables by what they hold, all else by ==.
local function same(a, b, compared)
  if a == b then return true end
  if type(a) ~= "table" or type(b) ~= "table" then return false end
  if compared[a] == b then return true end
  compared[a] = b
  for k, v in next, a do
    if not same(v, rawget(b, k), compared) then return false end
  end
  for k in next, b do
    if rawget(a, k) == nil then return false end
  end
  return true
end

-- The text of what was raised, without the place in front of it.
local function raised_text(err)
  if type(err) == "table" and rawget(err, "message") ~= nil then return err.message end
  if type(err) == "userdata" then return err.message end
  if type(err) == "string" then return (err:gsub("^[^\n]-:%d+: ", "", 1)) end
  return err
end

-- An assertion is a function that gets the arguments, their number and, after assert.spy(s), the spy. It
-- returns whether it holds; then what was expected, in words; then, where there is something to compare, true, the expected value and
-- the one that came. arity is how many arguments it takes before the message.
local assertions = {}

local function define(names, arity, holds)
  for name in names:gmatch("%S+") do assertions[name] = {name = name, arity = arity, holds = holds} end
end

suite.define, suite.same = define, same

define("equal equals", 2, function(a)
  return a[1] == a[2], "equal values", true, a[1], a[2]
end)
define("same", 2, function(a)
  return same(a[1], a[2], {}), "the same values", true, a[1], a[2]
end)
define("true", 1, function(a) return a[1] == true, "true", true, true, a[1] end)
define("false", 1, function(a) return a[1] == false, "false", true, false, a[1] end)
define("nil", 1, function(a) return a[1] == nil, "nil", true, nil, a[1] end)
define("truthy", 1, function(a) return a[1], "neither false nor nil", true, true, a[1] end)
define("falsy", 1, function(a) return not a[1], "false or nil", true, false, a[1] end)
for _, name in ipairs{"boolean", "number", "string", "table", "function", "userdata", "thread"} do
  define(name, 1, function(a)
    local got = type(a[1])
    return got == name, "a " .. name, true, name, got
  end)
end
define("near", 3, function(a)
  return a[2] >= a[1] - a[3] and a[2] <= a[1] + a[3],
    ("a number within %s of %s"):format(tostring(a[3]), tostring(a[1])), true, a[1], a[2]
end)
define("unique", 2, function(a)
  for i, x in ipairs(a[1]) do
    for j = i + 1, #a[1] do
      if x == a[1][j] or a[2] and same(x, a[1][j], {}) then
        return false, "a list without duplicates: items " .. i .. " and " .. j .. " are the same", true, nil, a[1]
      end
    end
  end
  return true, "a list with duplicates"
end)
define("match matches", 4, function(a)
  local text = a[2]
  if type(text) ~= "string" then text = tostring(text) end
  return text:find(a[1], a[3] or 1, a[4]) ~= nil, "a text that matches the pattern", true, a[1], text
end)

-- Functions that raise, or don't.
define("error errors", 2, function(a, n)
  local results = {pcall(a[1])}
  if results[1] then
    return false, n > 1 and "an error" or "the function to raise an error", n > 1, a[2], "no error"
  end
  local err = results[2]
  if n > 1 and a[2] ~= nil then
    local got = type(a[2]) == "string" and raised_text(err) or err
    return err == a[2] or same(a[2], got, {}), "another error", true, a[2], got
  end
  return true, "no error", true, "no error", raised_text(err)
end)
define("error_matches error_match matches_error match_error", 4, function(a)
  local results = {pcall(a[1])}
  if results[1] then return false, "an error", true, a[2], "no error" end
  local text = tostring(raised_text(results[2]))
  return text:find(a[2], a[3] or 1, a[4]) ~= nil, "an error that matches the pattern", true, a[2], text
end)
define("returned_arguments", 2, function(a, n)
  return n - 1 == a[1], "so many values", true, a[1], n - 1
end)

-- Results of actions, and stores.
local function failures(rows)
  local lines = {}
  for i, row in ipairs(rows.failed) do
    lines[i] = ("%s %s: %s (%s)"):format(row.manager, row.instance or row.action, row.message, row.code)
  end
  return table.concat(lines, "\n")
end

define("all_ok", 1, function(a)
  local ok = a[1].ok
  return ok, "all rows to succeed: " .. tostring(a[1]), not ok, "", ok and "" or failures(a[1])
end)
define("failed", 2, function(a)
  local want = type(a[2]) == "table" and a[2] or {}
  local failed = a[1].failed
  local count = 0
  for _, row in ipairs(failed) do
    local fits = true
    for field, value in pairs(want) do
      if field ~= "count" and row[field] ~= value then fits = false end
    end
    if fits then count = count + 1 end
  end
  local holds = count > 0
  if want.count then holds = count == want.count end
  return holds, "failed rows like this", true, want, #failed == 0 and "no row failed" or failures(a[1])
end)
define("store_status", 2, function(a)
  local got = store_status(a[1]).status
  return got == a[2], "the status of " .. a[1], true, a[2], got
end)
define("matches_snapshot match_snapshot", 1, function(a)
  local value = suite.snapshot(a[1])
  if not value.kept then return false, "a snapshot, but none is kept yet: run with --update-snapshots", true, nil, value.got end
  return value.kept == value.got, "the kept snapshot", true, value.kept, value.got
end)
define("eventually", 2, function(a)
  local options = type(a[2]) == "table" and a[2] or {}
  suite.eventually{a[1], timeout_sec = options.timeout_sec, interval_sec = options.interval_sec}
  return true, "never"
end)

local modifiers = {is = false, are = false, was = false, were = false, has = false, have = false, does = false, a = false, an = false,
  ["not"] = true, no = true}

-- Runs an assertion: returns its arguments, or raises.
local function run(assertion, negated, message, spy, ...)
  local n, args = select("#", ...), {...}
  local holds, wanted, compare, expected, got = assertion.holds(args, n, spy)
  if holds and not negated or negated and not holds then return ... end
  if args[assertion.arity + 1] ~= nil then message = args[assertion.arity + 1] end
  suite.fail((negated and "expected not: " or "expected ") .. wanted, tostring(message or ""), compare and not negated or false, expected, got)
end

-- What stands after assert: it takes more names, or, once it has an assertion, arguments.
local function chain(negated, message, assertion, spy)
  local function extend(_, key)
    local words = {}
    for word in tostring(key):lower():gmatch("[^_]+") do words[#words + 1] = word end
    local negated, assertion, i = negated, assertion, 1
    while i <= #words do
      local last = #words
      local name = table.concat(words, "_", i, last)
      while last > i and not assertions[name] do
        last = last - 1
        name = table.concat(words, "_", i, last)
      end
      if assertion and assertions[assertion.name .. "_" .. name] then -- assert.error.matches
        assertion = assertions[assertion.name .. "_" .. name]
      elseif assertions[name] then
        assertion = assertions[name]
      elseif name == "message" then
        return function(text) return chain(negated, text, assertion, spy) end
      elseif name == "spy" or name == "stub" then
        return function(s)
          if type(s) ~= "table" or not s.is_spy then suite.misuse("assert." .. name .. ": got a " .. type(s) .. ", want a spy") end
          return chain(negated, message, assertion, s)
        end
      elseif modifiers[name] == nil then
        local known = {}
        for other in pairs(assertions) do known[#known + 1] = other end
        suite.unknown(tostring(key), name, known)
      elseif modifiers[name] then
        negated = not negated
      end
      i = last + 1
    end
    return chain(negated, message, assertion, spy)
  end
  return setmetatable({}, {
    __index = extend,
    __call = function(_, ...)
      if assertion then return run(assertion, negated, message, spy, ...) end
      local ok, err = pcall(plain, ...)
      if not ok then suite.fail(tostring(raised_text(err)), "", false) end
      return ...
    end,
  })
end

assert = chain(false)
