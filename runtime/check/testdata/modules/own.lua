-- A module that defines a global beside what it returns.
own_global = "seen"

local own = {}

function own.greet(name) print("hello " .. name) end

return own
