-- The modules of busted and luassert by name, except assert, spy, stub, mock and match.

local suite = ...

suite.modules = {}

-- say: texts by language and key.
function suite.modules.say()
  local registry, language, fallback = {en = {}}, "en", "en"
  local function choose(name)
    registry[name] = registry[name] or {}
    return name
  end
  return setmetatable({
    _registry = registry,
    set_namespace = function(_, name) language = choose(name) end,
    set_fallback = function(_, name) fallback = choose(name) end,
    set = function(_, key, text) registry[language][key] = text end,
  }, {
    __index = registry,
    __call = function(_, key, values)
      if values ~= nil and type(values) ~= "table" then
        suite.misuse("say: got " .. suite.show(values) .. ", want a table of values")
      end
      local text = registry[language][key] or registry[fallback][key]
      if text == nil or values == nil then return text end
      local texts = {}
      for i = 1, math.max(values.n or 0, #values) do texts[i] = tostring(values[i]) end
      return #texts > 0 and tostring(text):format(unpack(texts)) or tostring(text)
    end,
  })
end

local function shallowcopy(t)
  if type(t) ~= "table" then return t end
  local copy = {}
  for k, v in next, t do copy[k] = v end
  return setmetatable(copy, getmetatable(t))
end

suite.modules["luassert.util"] = function()
  return {
    deepcompare = function(a, b) return suite.same(a, b) end,
    deepcopy = suite.copied,
    shallowcopy = shallowcopy,
    callable = suite.callable,
    hastostring = function(x) return type(x) ~= "number" and suite.own_text(x) ~= nil end,
    pack = function(...) return {n = select("#", ...), ...} end,
    unpack = function(t, i, j) return unpack(t, i or 1, j or t.n or #t) end,
    make_arglist = suite.pack,
    is_arglist = function(x) return type(x) == "table" and getmetatable(x) == suite.arguments end,
    errorlevel = function() return 1 end,
    -- table.insert and table.remove for lists with a field n, which can have nil values.
    tinsert = function(t, ...)
      local at, value = (t.n or #t) + 1, ...
      if select("#", ...) > 1 then at, value = ... end
      t.n = math.max((t.n or #t) + 1, at)
      for i = t.n, at + 1, -1 do t[i] = t[i - 1] end
      t[at] = value
    end,
    tremove = function(t, at)
      local n = t.n or #t
      at = at or n
      local value = t[at]
      if at > n then
        t[at] = nil
        return value
      end
      for i = at, n do t[i] = t[i + 1] end
      t.n = n - 1
      return value
    end,
  }
end

-- A formatter that shows strings as bytes.
suite.modules["luassert.formatters.binarystring"] = function()
  return function(text)
    if type(text) ~= "string" then return nil end
    local out = {("%d bytes"):format(#text)}
    for from = 1, #text, 16 do
      local line = text:sub(from, from + 15)
      local hex = line:gsub(".", function(c) return ("%02x "):format(c:byte()) end)
      out[#out + 1] = ("%-48s %s"):format(hex, (line:gsub("[^\32-\126]", ".")))
    end
    return table.concat(out, "\n")
  end
end

-- busted: the functions of suites as fields, without the internals of its runner.
function suite.modules.busted()
  local words = {assert = assert, spy = spy, stub = stub, mock = mock, match = match, sleep = sleep}
  for _, name in ipairs(suite.words()) do words[name] = _G[name] end
  function words.fail(message) suite.failing(nil, message or "fail was called") end
  return setmetatable(words, {__index = function(_, name)
    suite.misuse("busted." .. tostring(name) .. " is not available: of busted there are its words, assert, spy, stub, mock, match, fail and sleep")
  end})
end

-- busted.runner makes a file run itself. Here it has no effect.
suite.modules["busted.runner"] = function() return function() end end
