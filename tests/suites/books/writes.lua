-- Writes to a store and reads from it, as an application does.

local opt = args{store = "", endpoint = "", value = "written"}

local store = opt.endpoint == "" and connect_store(opt.store) or connect_store{opt.store, endpoints = opt.endpoint}
print("read " .. tostring(store:get("earlier")))
store:put("key", opt.value)
