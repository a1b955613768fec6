-- The assertions, matchers, modifiers, formatters and parameters that a suite adds; and snapshots, which revert all of
-- these but the registrations.

local suite = ...

local error, ipairs, pairs, setmetatable, type = error, ipairs, pairs, setmetatable, type

suite.load("modules")
local say = require "say"

function assert.register(_, kind, name, callback, positive, negative)
  if not suite.callable(callback) then suite.misuse("assert:register: got " .. suite.shown(callback) .. ", want a function") end
  if kind == "matcher" then suite.load("matchers") end
  suite.register(kind, name, {name = name:lower(), callback = callback, positive = positive, negative = negative})
end

function assert.unregister(_, kind, name) suite.register(kind, name, nil) end

-- Returns the message of a registered assertion: its text in say, or the text itself, with the arguments.
function suite.saying(entry, positive, arguments)
  local key = positive and entry.positive or not positive and entry.negative
  if not key then return "expected " .. (positive and "" or "not: ") .. entry.name .. suite.listed(arguments) end
  local texts = assert:format(arguments)
  local ok, text = pcall(say, key, texts)
  if ok and text then return text end
  ok, text = pcall(string.format, key, unpack(texts, 1, texts.n or #texts))
  return ok and text or key
end

-- A snapshot has the settings since it was made. The first one has those without any snapshot.
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

-- Spies are recorded while there is a snapshot that can be reverted.
function suite.note_spy(s)
  if present.previous then table.insert(present.spies, s) end
end
function assert.add_spy(_, s) suite.note_spy(s) end

-- A formatter returns the text of a value, or nil to leave it to another one.
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

-- Replaces arguments by their texts, except those in arguments.nofmt.
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

-- A stack level, as luassert's functions pass it. It has no effect: failures find their place in another way.
local levels = {}
function assert.level(_, n) return setmetatable({level = n}, levels) end
function assert.get_level(_, x) return type(x) == "table" and getmetatable(x) == levels and x.level or nil end
