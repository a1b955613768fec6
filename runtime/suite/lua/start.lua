-- What runs before each suite: it makes assert, spy, stub, mock and match. suite holds what the runner
-- gives, and what the parts below share; those that few suites want are read when they are wanted.

local given, suite = suite, {}
_G.suite = nil
for name, f in pairs(given) do suite[name] = f end

local parts = suite.parts()

-- Reads a part, once, and returns what it returns; no other task comes between.
function suite.part(name)
  local source = parts[name]
  if source then
    parts[name] = false
    return assert(load(source, "[" .. name .. "]"))(suite)
  end
end

-- A table that a part fills at the first use of it.
local function filled_by(part)
  local t = {}
  local function fill()
    setmetatable(t, nil)
    suite.part(part)
    return t
  end
  return setmetatable(t, {
    __index = function(_, key) return fill()[key] end,
    __call = function(_, ...) return fill()(...) end,
  })
end

spy, stub, mock, match = filled_by "spies", filled_by "stubs", filled_by "mocks", filled_by "matchers"

for _, part in ipairs{"values", "chain", "assertions", "results"} do suite.part(part) end

-- Suites name them as modules too.
local function give(name, value) package.preload[name] = function() return value end end

give("luassert", assert)
give("luassert.assert", assert)
give("luassert.spy", spy)
give("luassert.stub", stub)
give("luassert.mock", mock)
give("luassert.match", match)
for _, name in ipairs{"say", "luassert.util", "luassert.formatters.binarystring", "busted", "busted.runner"} do
  package.preload[name] = function()
    suite.part("modules")
    return suite.modules[name]()
  end
end

return suite.part
