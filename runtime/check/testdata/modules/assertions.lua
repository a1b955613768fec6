-- A module that registers assertions of its own.
local own = {status = "Running"}

function own.prime(_, arguments) return arguments[1] == 3 end

function own.pair() return 1, 1 end

assert:register("assertion", "prime", own.prime)
assert:register("modifier", "with_tax", function(state) state.tax = 1 end)

return own
