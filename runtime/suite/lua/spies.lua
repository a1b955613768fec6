-- Spies: functions that record their calls and the values that they returned. When the test ends, a spy that replaced a
-- function restores it.

local suite = ...

local define, same, text, listed, shown = suite.define, suite.same, suite.text, suite.listed, suite.shown
local finally, getmetatable, ipairs, pairs, setmetatable, type, unpack = finally, getmetatable, ipairs, pairs, setmetatable, type, unpack

local pack = suite.pack

-- A recorded list of values: vals are copies, refs the values themselves.
local function recorded(list)
  local vals = pack()
  vals.n = list.n
  for i = 1, list.n do vals[i] = suite.copied(list[i]) end
  return {vals = vals, refs = list}
end
suite.recorded = recorded

local function alike(got, ref, wanted)
  if getmetatable(wanted) == suite.matchers then
    if wanted.name == "ref" then got = ref end
    return wanted(got)
  end
  return got == wanted or same(got, wanted)
end

-- Returns whether a recorded list is equal to the wanted one, which may have matchers.
local function fits(one, wanted)
  if one.vals.n ~= wanted.n then return false end
  for i = 1, wanted.n do
    if not alike(one.vals[i], one.refs[i], wanted[i]) then return false end
  end
  return true
end
suite.fits = fits

-- Returns the last recorded list that is equal to the wanted one.
local function find(all, wanted)
  for i = #all, 1, -1 do
    if fits(all[i], wanted) then return all[i].vals end
  end
end

local function last(all) return all[#all] and all[#all].vals end

local methods = {}

function methods.revert(self)
  if not self.reverted and self.target_table then self.target_table[self.target_key] = self.original end
  self.reverted = true
  return self.original
end

function methods.clear(self)
  self.calls, self.returnvals = {}, {}
  return self
end

function methods.called(self, times, compare)
  local count = #self.calls
  if compare then return compare(count, times), count end
  if times then return count == times, count end
  return count > 0, count
end

function methods.called_with(self, wanted)
  local found = find(self.calls, wanted)
  return found ~= nil, found or last(self.calls)
end

function methods.returned_with(self, wanted)
  local found = find(self.returnvals, wanted)
  return found ~= nil, found or last(self.returnvals)
end

suite.spies.__index = methods

function suite.spies.__call(self, ...)
  self.calls[#self.calls + 1] = recorded(pack(...))
  local results = pack(self.callback(...))
  self.returnvals[#self.returnvals + 1] = recorded(results)
  return unpack(results, 1, results.n)
end

local function new(f)
  f = f or function() end
  if not suite.callable(f) then suite.misuse("spy.new: got " .. shown(f) .. ", want a function") end
  local s = setmetatable({calls = {}, returnvals = {}, callback = f, original = f}, suite.spies)
  if suite.note_spy then suite.note_spy(s) end
  return s
end

-- Replaces t[key] by a spy that calls f.
function suite.replace(t, key, f)
  local s = new(f)
  s.target_table, s.target_key, s.original = t, key, t[key]
  t[key] = s
  if suite.running() then finally(function() s:revert() end) end
  return s
end

spy.new = new
function spy.on(t, key)
  local f = type(t) == "table" and t[key]
  if not suite.callable(f) then suite.misuse(("spy.on: %s is %s, want a function in a table"):format(tostring(key), shown(f))) end
  return suite.replace(t, key, f)
end
function spy.is_spy(x) return type(x) == "table" and getmetatable(x) == suite.spies end
setmetatable(spy, {__call = function(_, f) return new(f) end})

-- assert.spy(s, message) and assert.stub(s, message) set the spy of the assertion.
for _, word in ipairs{"spy", "stub"} do
  suite.registered.modifier[word] = {callback = function(state, arguments)
    local s = arguments and arguments[1]
    if not spy.is_spy(s) then suite.misuse(("assert.%s: got a %s, want a spy"):format(word, type(s))) end
    state.payload = s
    if arguments[2] ~= nil then state.failure_message = arguments[2] end
  end}
end

-- Declares an assertion about the spy of assert.spy(s).
local function of_spy(name, least, arity, holds)
  define(name, least, arity, function(a, n, state)
    local s = state and state.payload
    if not s then suite.misuse(("assert.%s: say of which spy: assert.spy(s).%s()"):format(name, name)) end
    return holds(a, n, s)
  end)
end

of_spy("called", 0, 1, function(a, _, s)
  local count = #s.calls
  if a[1] == nil then
    return count > 0, function(positive)
      if positive then return "expected a call" end
      return "expected no call", true, text("no call"), count
    end
  end
  return count == a[1], "so many calls", true, a[1], count
end)

local function counted(name, words, compare)
  of_spy(name, 1, 1, function(a, _, s)
    if type(a[1]) ~= "number" then suite.misuse(("assert.%s: got %s, want a number"):format(name, shown(a[1]))) end
    return compare(#s.calls, a[1]), words .. " so many calls", true, a[1], #s.calls
  end)
end
counted("called_at_least", "at least", function(count, wanted) return count >= wanted end)
counted("called_at_most", "at most", function(count, wanted) return count <= wanted end)
counted("called_more_than", "more than", function(count, wanted) return count > wanted end)
counted("called_less_than", "less than", function(count, wanted) return count < wanted end)

-- Shows recorded lists, each on a line.
local function lines(all)
  local out = {}
  for i, one in ipairs(all) do out[i] = listed(one.vals) end
  return table.concat(out, "\n")
end

local function with(name, field, none, words)
  of_spy(name, 0, 1e9, function(a, n, s)
    local wanted = pack(unpack(a, 1, n))
    local found = find(s[field], wanted)
    return found ~= nil, function(positive)
      if not positive then return "expected no " .. words .. ": " .. listed(wanted), true, text("no " .. words), found end
      return "expected a " .. words, true, wanted, text(#s[field] == 0 and none or lines(s[field]))
    end
  end)
end
with("called_with", "calls", "no call", "call with these arguments")
with("returned_with", "returnvals", "no call that returned", "call that returned this")
