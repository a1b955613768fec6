-- lists: functions for lists. Each takes a list, or anything that ipairs iterates over (rows, results), and returns a
-- new value; none changes its arguments.
--
--   local lists = require "lists"
--   local hosts = lists.unique(lists.map(get_store("OrdersStore"), function(row) return row.manager end))

local lists = {}

local function need(f, name)
  if type(f) ~= "function" then
    error("lists." .. name .. ": got " .. type(f) .. ", want function", 3)
  end
end

-- map(list, f): the list of f(item, i) for each item, without nil.
function lists.map(list, f)
  need(f, "map")
  local out = {}
  for i, item in ipairs(list) do
    out[#out + 1] = f(item, i)
  end
  return out
end

-- filter(list, f): the list of the items for which f(item, i) is true.
function lists.filter(list, f)
  need(f, "filter")
  local out = {}
  for i, item in ipairs(list) do
    if f(item, i) then
      out[#out + 1] = item
    end
  end
  return out
end

-- find(list, f): the first item for which f(item, i) is true, and its index; nil if there is none.
function lists.find(list, f)
  need(f, "find")
  for i, item in ipairs(list) do
    if f(item, i) then
      return item, i
    end
  end
  return nil
end

-- contains(list, value): true if an item equals the value.
function lists.contains(list, value)
  for _, item in ipairs(list) do
    if item == value then
      return true
    end
  end
  return false
end

-- unique(list): each item once, in the order of the first occurrences.
function lists.unique(list)
  local seen, out = {}, {}
  for _, item in ipairs(list) do
    if not seen[item] then
      seen[item] = true
      out[#out + 1] = item
    end
  end
  return out
end

-- group(list, f): a table that maps each f(item) to the list of the items with that result.
function lists.group(list, f)
  need(f, "group")
  local out = {}
  for _, item in ipairs(list) do
    local key = f(item)
    if key ~= nil then
      out[key] = out[key] or {}
      table.insert(out[key], item)
    end
  end
  return out
end

-- keys(table): the sorted list of its keys, numbers before strings.
function lists.keys(t)
  local out = {}
  for key in pairs(t) do
    out[#out + 1] = key
  end
  table.sort(out, function(a, b)
    if type(a) == type(b) and type(a) ~= "boolean" then
      return a < b
    end
    return type(a) == type(b) and tostring(a) < tostring(b) or type(a) < type(b)
  end)
  return out
end

return lists
