-- text: functions for strings. Separators and prefixes are plain text, never patterns.
--
--   local text = require "text"
--   for _, host in ipairs(text.split("10.0.0.11, 10.0.0.12", ",")) do print(text.trim(host)) end

local text = {}

local function need(s, name, what)
  if type(s) ~= "string" then
    error("text." .. name .. ": " .. what .. ": got " .. type(s) .. ", want string", 3)
  end
end

-- split(s, separator): the list of the parts between the separators, including empty ones.
function text.split(s, separator)
  need(s, "split", "text")
  need(separator, "split", "separator")
  if separator == "" then
    error("text.split: the separator is empty", 2)
  end
  local out, from = {}, 1
  while true do
    local first, last = s:find(separator, from, true)
    if not first then
      out[#out + 1] = s:sub(from)
      return out
    end
    out[#out + 1] = s:sub(from, first - 1)
    from = last + 1
  end
end

-- lines(s): the list of its lines, without line ends; a line feed at the end does not begin another line.
function text.lines(s)
  need(s, "lines", "text")
  local out = {}
  for line in (s:gsub("\r\n", "\n"):gsub("([^\n])$", "%1\n")):gmatch("(.-)\n") do
    out[#out + 1] = line
  end
  return out
end

-- trim(s): s without white space at its beginning and end.
function text.trim(s)
  need(s, "trim", "text")
  return (s:gsub("^%s+", ""):gsub("%s+$", ""))
end

-- starts_with(s, prefix), ends_with(s, suffix): true if s begins or ends with it.
function text.starts_with(s, prefix)
  need(s, "starts_with", "text")
  need(prefix, "starts_with", "prefix")
  return s:sub(1, #prefix) == prefix
end

function text.ends_with(s, suffix)
  need(s, "ends_with", "text")
  need(suffix, "ends_with", "suffix")
  return suffix == "" or s:sub(-#suffix) == suffix
end

return text
