-- Checks the use of assert, match and similar tables in a suite without running the suite; see vocabulary.go.

local suite = ...

local ipairs, pairs, pcall, type = ipairs, pairs, pcall, type

for _, file in ipairs{"spies", "stubs", "mocks", "matchers"} do suite.load(file) end

local globals = {assert = assert, match = match, spy = spy, stub = stub, mock = mock}
local kinds = {assert = "assertion", match = "matcher"}

-- The kinds of which a suite registers unknown names.
local open = {}

local reading = {}

-- Adds a name that the suite registers; nil stands for an unknown name.
function reading.register(kind, name)
  if name then suite.register(kind, name, {name = name:lower(), callback = function() end}) else open[kind] = true end
end

-- Raises the error of a call of root.path with n arguments, of which unknown ones are nil. Returns whether names may
-- follow the call.
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

-- Returns the name of the global that a module is, or nil for other modules.
function reading.module(name)
  local ok, value = pcall(require, name)
  for global, given in pairs(globals) do
    if ok and value == given then return global end
  end
end

-- Returns the fields of a global.
function reading.fields(global)
  local names = {}
  for name in pairs(globals[global]) do
    if type(name) == "string" then names[#names + 1] = name end
  end
  return names
end

return suite.check_kind, reading.register, reading.call, reading.module, reading.fields
