-- Runs as many tasks as its argument says, all alive at the same time, and adds up what they return.

local functions = {}
for i = 1, tonumber(arg[1]) do
  functions[i] = function()
    sleep(0.5)
    return i
  end
end

local sum = 0
for _, outcome in ipairs(parallel(functions):check()) do
  sum = sum + outcome.value
end
print(sum)
