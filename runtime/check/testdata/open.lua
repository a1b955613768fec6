-- The source may define more globals than are known: only near misses are found.
local name = arg[1]
require(name)
print(from_the_module)
local gone = require "modules.gone" -- want 22-36 module: require: no module modules.gone: looked for testdata/modules/gone.lua, testdata/modules/gone/init.lua, stdlib/modules/gone.lua
print(gone, from_that_module)
print(stroe_status("OrdersStore")) -- want 7-19 undefined: undefined global stroe_status: did you mean store_status?
