-- Runs before each suite and makes assert, spy, stub, mock and match. suite has the functions of the runner and those that
-- the files below share. Files that few suites need are loaded at their first use.

local given, suite = suite, {}
_G.suite = nil
for name, f in pairs(given) do suite[name] = f end

local sources = suite.sources()

-- Loads a file once and returns its value. No other task runs meanwhile.
function suite.load(name)
  local source = sources[name]
  if source then
    sources[name] = false
    return assert(load(source, "=[" .. name .. "]"))(suite)
  end
end

-- A table that a file fills at its first use.
local function filled_by(file)
  local t = {}
  local function fill()
    setmetatable(t, nil)
    suite.load(file)
    return t
  end
  return setmetatable(t, {
    __index = function(_, key) return fill()[key] end,
    __call = function(_, ...) return fill()(...) end,
  })
end

spy, stub, mock, match = filled_by "spies", filled_by "stubs", filled_by "mocks", filled_by "matchers"

for _, file in ipairs{"values", "chain", "assertions", "results"} do suite.load(file) end

-- Suites require them as modules, too.
local function give(name, value) package.preload[name] = function() return value end end

give("luassert", assert)
give("luassert.assert", assert)
give("luassert.spy", spy)
give("luassert.stub", stub)
give("luassert.mock", mock)
give("luassert.match", match)
for _, name in ipairs{"say", "luassert.util", "luassert.formatters.binarystring", "busted", "busted.runner"} do
  package.preload[name] = function()
    suite.load("modules")
    return suite.modules[name]()
  end
end

return suite.load
