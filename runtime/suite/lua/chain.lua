-- The names after assert and match, in any spelling (assert.are.equal, assert.is_not_nil, assert.has_no.errors), up to an
-- assertion or a matcher, which gets the arguments.

local suite = ...

local plain = assert
local getmetatable, ipairs, pairs, pcall, rawset, select, setmetatable, type, unpack =
  getmetatable, ipairs, pairs, pcall, rawset, select, setmetatable, type, unpack

-- The registrations by kind and name. A modifier has a callback, or negates, or does nothing.
local registered = {assertion = {}, matcher = {}, modifier = {["not"] = {negates = true}, no = {negates = true}}}
for word in ("is are was were has have does a an the"):gmatch("%a+") do registered.modifier[word] = {} end
suite.registered = registered

-- The number of registrations: each makes the cached meanings of names invalid.
local version = 0

function suite.check_kind(kind)
  if not registered[kind] then
    suite.misuse("assert:register: got " .. tostring(kind) .. ", want assertion, matcher or modifier")
  end
end

function suite.register(kind, name, entry)
  suite.check_kind(kind)
  version = version + 1
  registered[kind][name:lower()] = entry
end

-- Returns the longest name that ends with word i, and the index of its first word.
local function ending(kind, words, i)
  for first = 1, i do
    local name = table.concat(words, "_", first, i)
    local found = registered[kind][name]
    if found or registered.modifier[name] then return first, found, registered.modifier[name] end
  end
end

-- Raises for an unknown name. The assertions about spies are loaded first.
local function unknown(kind, path, words, i)
  suite.load("spies")
  if ending(kind, words, i) then return end
  local known, wanted = {}, {}
  for other in pairs(registered[kind]) do known[#known + 1] = other end
  for first = i, 1, -1 do wanted[#wanted + 1] = table.concat(words, "_", first, i) end
  suite.unknown((kind == "matcher" and "match." or "assert.") .. path, kind, wanted, known)
end

-- Returns the meaning of a path of names: found is the assertion or matcher, positive is false if it is negated.
local function plan(kind, path)
  local words = {}
  for word in path:lower():gmatch("[^_.]+") do words[#words + 1] = word end
  local p = {modifiers = {}, positive = true}
  local i = #words
  while i > 0 do
    local first, found, modifier = ending(kind, words, i)
    if not first then
      unknown(kind, path, words, i)
    else
      if found then
        p.found = p.found or found
      elseif modifier.negates then
        p.positive = not p.positive
      elseif modifier.callback then
        table.insert(p.modifiers, 1, modifier)
      end
      i = first - 1
    end
  end
  p.version = version
  return p
end

suite.plan = plan

-- Raises if a path is called that has only modifiers without a callback.
function suite.names_none(kind, path)
  suite.misuse(("%s.%s: it names no %s"):format(kind == "matcher" and "match" or "assert", path, kind))
end

-- The names of a path, and the state that modifiers with arguments have set.
local PATH, STATE = 1, 2

-- The state that modifiers change: mod is false if the assertion is negated.
local function modified(state, p, arguments)
  local new = {mod = true}
  for k, v in pairs(state or {}) do new[k] = v end
  if not p.positive then new.mod = not new.mod end
  for _, modifier in ipairs(p.modifiers) do modifier.callback(new, arguments, 2) end
  return new
end

-- Makes a root. run gets a call: the registration, whether it is positive, the state and the arguments. called gets a
-- call of the root itself.
function suite.chain(kind, root, run, called)
  local mt, plans = {}, {}
  local function at(path, state) return setmetatable({path, state}, mt) end
  function mt.__index(self, key)
    if type(key) ~= "string" then return nil end
    local path = self[PATH]
    local longer = at(path == "" and key or path .. "." .. key, self[STATE])
    if not self[STATE] then rawset(self, key, longer) end
    return longer
  end
  function mt.__call(self, ...)
    local state, p = self[STATE], plans[self[PATH]]
    if not p or p.version ~= version then
      p = plan(kind, self[PATH])
      plans[self[PATH]] = p
    end
    if p.found then
      if not state and not p.modifiers[1] then return run(p.found, p.positive, nil, ...) end
      state = modified(state, p)
      return run(p.found, state.mod, state, ...)
    end
    if self == root then return called(...) end
    if not p.modifiers[1] then suite.names_none(kind, self[PATH]) end
    return at("", modified(state, p, suite.pack(...)))
  end
  root[PATH], root[STATE] = "", false
  return setmetatable(root, mt)
end

-- Returns the sentence of a failure: wanted is the expectation, or a function that returns the sentence.
local function explained(positive, wanted, compare, expected, got)
  if type(wanted) == "function" then return wanted(positive) end
  return (positive and "expected " or "expected not: ") .. wanted, compare and positive, expected, got
end

local function fail(message, sentence, compare, expected, got)
  if message ~= nil and type(message) ~= "string" then message = suite.own_text(message) or suite.shown(message) end
  suite.fail(sentence, message or "", compare or false, compare and suite.shown(expected) or "", compare and suite.shown(got) or "")
end
suite.failing = fail

-- An assertion that a suite registered: callback gets the state and the arguments.
local function judge(entry, positive, state, ...)
  state = state or {mod = positive}
  local arguments = suite.pack(...)
  local holds, returns = entry.callback(state, arguments, 2)
  if (holds and true or false) ~= state.mod then
    fail(state.failure_message, suite.saying(entry, state.mod, arguments))
  end
  if returns then return unpack(returns, 1, returns.n or #returns) end
  return ...
end

-- Raises if a call has too few arguments.
function suite.too_few(root, entry, n)
  suite.misuse(("%s.%s: got %d argument%s, want at least %d"):format(root, entry.name, n, n == 1 and "" or "s", entry.least))
end

-- Runs an assertion. It returns its arguments, or the values that the assertion sets, or raises.
local function run(entry, positive, state, ...)
  if entry.callback then return judge(entry, positive, state, ...) end
  local n, arguments = select("#", ...), {...}
  if n < entry.least then suite.too_few("assert", entry, n) end
  if entry.refuse then entry.refuse(arguments) end
  local holds, wanted, compare, expected, got = entry.holds(arguments, n, state)
  if (holds and true or false) == positive then
    local returns = arguments.returns
    if returns then return unpack(returns, 1, returns.n) end
    return ...
  end
  local message = arguments.message
  if message == nil then message = arguments[entry.arity + 1] end
  if message == nil and state then message = state.failure_message end
  fail(message, explained(positive, wanted, compare, expected, got))
end

-- assert(value, message): a message that is not a string is raised unchanged.
local function call(...)
  local ok, err = pcall(plain, ...)
  if ok then return ... end
  if type(err) == "table" then error(err, 0) end
  fail(nil, tostring(suite.raised(err)))
end

assert = suite.chain("assertion", {}, run, call)

-- Declares a built-in assertion. holds gets the arguments, their number and the state. It returns whether the assertion
-- holds; the expectation as text; and, if there is something to compare, true, the expected and the actual value. A call
-- needs at least the given number of arguments; the message is the argument after arity. holds may set arguments.message
-- and arguments.returns. refuse, if given, raises for wrong arguments; arguments that are not known yet are nil there.
function suite.define(names, least, arity, holds, refuse)
  for name in names:gmatch("%S+") do
    registered.assertion[name] = {name = name, least = least, arity = arity, holds = holds, refuse = refuse}
  end
end

-- assert:register and similar methods are loaded at their first use.
for _, name in ipairs{"register", "unregister", "snapshot", "add_formatter", "remove_formatter", "format", "set_parameter",
  "get_parameter", "add_spy", "level", "get_level"} do
  assert[name] = function(...)
    suite.load("extensions")
    return assert[name](...)
  end
end
