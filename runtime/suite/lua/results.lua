-- Assertions about results of actions and about stores.

local suite = ...

local define, text = suite.define, suite.text
local ipairs, pairs, type = ipairs, pairs, type

local function failures(rows)
  local lines = {}
  for i, row in ipairs(rows.failed) do
    lines[i] = ("%s %s: %s (%s)"):format(row.manager, row.instance or row.action, row.message, row.code)
  end
  return text(table.concat(lines, "\n"))
end

define("all_ok", 1, 1, function(a)
  return a[1].ok, function(positive)
    return ("expected %sall rows to succeed: %s"):format(positive and "" or "not: ", tostring(a[1])), positive, text(""), failures(a[1])
  end
end)
define("failed", 1, 2, function(a)
  local want = type(a[2]) == "table" and a[2] or {}
  local failed = a[1].failed
  local count = 0
  for _, row in ipairs(failed) do
    local fits = true
    for field, value in pairs(want) do
      if field ~= "count" and row[field] ~= value then fits = false end
    end
    if fits then count = count + 1 end
  end
  local holds = count > 0
  if want.count then holds = count == want.count end
  return holds, "failed rows like this", true, want, #failed == 0 and text("no row failed") or failures(a[1])
end)
define("store_status", 2, 2, function(a)
  local got = store_status(a[1]).status
  return got == a[2], "the status of " .. a[1], true, a[2], got
end, function(a)
  local wanted, statuses = a[2], suite.statuses()
  for _, status in ipairs(statuses) do
    if wanted == status then return end
  end
  if type(wanted) == "string" then suite.unknown("assert.store_status", "status", {wanted}, statuses) end
end)
define("matches_snapshot match_snapshot", 1, 1, function(a)
  local value = suite.snapshot(a[1])
  if not value.saved then
    return false, "a snapshot, but none is saved yet: run with --update-snapshots", true, text(""), text(value.got)
  end
  return value.saved == value.got, "the saved snapshot", true, text(value.saved), text(value.got)
end)
define("eventually", 1, 2, function(a)
  local call = {a[1]}
  for name, option in pairs(type(a[2]) == "table" and a[2] or {}) do call[name] = option end
  suite.eventually(call)
  return true, "never"
end, function(a)
  local known = {"timeout_sec", "interval_sec"}
  for name in pairs(type(a[2]) == "table" and a[2] or {}) do
    if name ~= known[1] and name ~= known[2] then suite.unknown("assert.eventually", "option", {tostring(name)}, known) end
  end
end)
