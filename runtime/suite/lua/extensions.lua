-- What a suite adds of its own: assertions, matchers, modifiers, formatters, parameters; and snapshots, which
-- take all of it but what is registered back.

local suite = ...

local error, ipairs, pairs, setmetatable, type = error, ipairs, pairs, setmetatable, type

suite.part("modules")
local say = require "say"

function assert.register(_, kind, name, callback, positive, negative)
  if not suite.callable(callback) then suite.misuse("assert:register: got " .. suite.shown(callback) .. ", want a function") end
  if kind == "matcher" then suite.part("matchers") end
  suite.register(kind, name, {name = name:lower(), callback = callback, positive = positive, negative = negative})
end

function assert.unregister(_, kind, name) suite.register(kind, name, nil) end

-- What is said when a registered assertion fails: its text of say, or its text, with the arguments in it.
function suite.saying(entry, positive, arguments)
  local key = positive and entry.positive or not positive and entry.negative
  if not key then return "expected " .. (positive and "" or "not: ") .. entry.name .. suite.listed(arguments) end
  local texts = assert:format(arguments)
  local ok, text = pcall(say, key, texts)
  if ok and text then return text end
  ok, text = pcall(string.format, key, unpack(texts, 1, texts.n or #texts))
  return ok and text or key
end

-- A snapshot holds what was set since it was made; the first one is what there is without any.
local present
local snapshots = {}
snapshots.__index = snapshots
snapshots.__call = function(self) self:revert() end

local NOTHING = {} -- a parameter that is set to nil

function snapshots.revert(self)
  if self.next then self.next:revert() end
  for i = #self.spies, 1, -1 do self.spies[i]:revert() end
  self.formatters, self.parameters, self.spies = {}, {}, {}
  if self.previous then
    present, self.previous.next = self.previous, nil
  end
  self.previous = nil
end

function assert.snapshot()
  local s = setmetatable({formatters = {}, parameters = {}, spies = {}, previous = present}, snapshots)
  if present then present.next = s end
  present = s
  return s
end
assert.snapshot()

-- Spies are noted once there is a snapshot that can be reverted.
function suite.note_spy(s)
  if present.previous then table.insert(present.spies, s) end
end
function assert.add_spy(_, s) suite.note_spy(s) end

-- A formatter gives the text of a value, or nil where another one is to.
function assert.add_formatter(_, f) table.insert(present.formatters, 1, f) end

function assert.remove_formatter(_, f)
  local s = present
  while s do
    for i, other in ipairs(s.formatters) do
      if other == f then return table.remove(s.formatters, i) end
    end
    s = s.previous
  end
end

function suite.formatted(value, options)
  local s = present
  while s do
    for _, f in ipairs(s.formatters) do
      local text = f(value, options)
      if text ~= nil then return text end
    end
    s = s.previous
  end
end

-- Makes texts of arguments, in their place, but for those of arguments.nofmt.
function assert.format(_, arguments)
  local nofmt, options = arguments.nofmt or {}, arguments.fmtargs or {}
  for i = 1, arguments.n or #arguments do
    if not nofmt[i] then arguments[i] = suite.formatted(arguments[i], options[i]) or suite.shown(arguments[i]) end
  end
  return arguments
end

function assert.set_parameter(_, name, value)
  if value == nil then value = NOTHING end
  present.parameters[name] = value
end

function assert.get_parameter(_, name)
  local s = present
  while s do
    local value = s.parameters[name]
    if value == NOTHING then return nil end
    if value ~= nil then return value end
    s = s.previous
  end
end

-- A level of the stack as luassert's functions pass it. Failures here have their own way to the place.
local levels = {}
function assert.level(_, n) return setmetatable({level = n}, levels) end
function assert.get_level(_, x) return type(x) == "table" and getmetatable(x) == levels and x.level or nil end
