-- Names that don't exist.
new_stor{"OrdersStore"} -- want 1-9 undefined: undefined global new_stor: did you mean new_store?
print(Opt) -- want 7-10 undefined: undefined global Opt
print(os.getenv "HOME", io.open) -- want 10-16 undefined: os.getenv is not available in runbooks: a script doesn't see the environment
dofile("x.lua") -- want 1-7 undefined: dofile is not available in runbooks: require reads modules
print(string.fromat("%d", 1)) -- want 14-20 undefined: string: no field fromat: did you mean format?
print(table.unpack or unpack, table.unpack{1}) -- want 37-43 undefined: table: no field unpack: there is concat, foreach, foreachi, getn, insert, maxn, remove, setn and sort
print(topology.valdate) -- want 16-23 undefined: topology: no field valdate: did you mean validate?
print(json.encode(1), json.parse "1") -- want 28-33 undefined: json: no field parse: there is decode and encode
print(managers.foo(), tostring.x) -- want 16-19 undefined: attempt to index a function value with key 'foo' | 32-33 undefined: attempt to index a function value with key 'x'
print(_G.stopp_store) -- want 10-21 undefined: undefined global stopp_store: did you mean stop_store?

local function helper()
  return mangers() -- want 10-17 undefined: undefined global mangers: did you mean managers?
end

do local inner = 1; print(inner) end
print(inner, helper) -- want 7-12 undefined: undefined global inner

-- Modules.
local lists, text = require "lists", require("text")
print(lists.mapp({}, print), text.split("a,b", ",")) -- want 13-17 undefined: lists: no field mapp: did you mean map?
local own = require "modules.own"
own.greet(own_global)
own.gret() -- want 5-9 undefined: modules.own: no field gret: did you mean greet?
