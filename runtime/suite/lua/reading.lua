-- What can be told of a suite's use of assert, match and their like without running the suite.

local suite = ...

local ipairs, pairs, pcall, type = ipairs, pairs, pcall, type

for _, part in ipairs{"spies", "stubs", "mocks", "matchers"} do suite.part(part) end

local globals = {assert = assert, match = match, spy = spy, stub = stub, mock = mock}
local kinds = {assert = "assertion", match = "matcher"}

-- What suites may have registered under names that can't be told, by kind.
local open = {}

local reading = {}

-- Notes that the suite registers a name; nil for one that can't be told.
function reading.register(kind, name)
  if name then suite.register(kind, name, {name = name:lower(), callback = function() end}) else open[kind] = true end
end

-- What a call of root.path would raise is raised: n arguments are given, those that are known with their values.
-- Returns whether what the call gives goes on as the root does.
function reading.call(root, path, n, ...)
  if path == "" or rawget(globals[root], path) ~= nil then return false end
  local kind = kinds[root]
  local ok, p = pcall(suite.plan, kind, path)
  if not ok then
    if open[kind] or open.modifier then return false end
    error(p, 0)
  end
  local entry = p.found
  if not entry then
    if not p.modifiers[1] then suite.names_none(kind, path) end
    return true
  end
  if n < (entry.least or 0) then suite.too_few(root, entry, n) end
  if entry.refuse then entry.refuse{...} end
  return false
end

-- The global that a module's name gives; nil for another module.
function reading.module(name)
  local ok, value = pcall(require, name)
  for global, given in pairs(globals) do
    if ok and value == given then return global end
  end
end

-- The fields of a global that stand for nothing but themselves.
function reading.fields(global)
  local names = {}
  for name in pairs(globals[global]) do
    if type(name) == "string" then names[#names + 1] = name end
  end
  return names
end

return suite.check_kind, reading.register, reading.call, reading.module, reading.fields
