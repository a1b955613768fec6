-- Wrong arguments of calls, with the messages of a run.
new_store{"OrdersStore", instance_prefix = "orders", instance_cout = 2} -- want 54-67 misuse: new_store: unknown parameter instance_cout: did you mean instance_count?
new_store{"OrdersStore", instance_count = 0} -- want 43-44 misuse: new_store: parameter instance_count: 0 is out of range: 1 to 256
new_store{"OrdersStore", instance_count = "two", fail_fast = 1} -- want 43-48 misuse: new_store: parameter instance_count: got string, want integer | 62-63 misuse: new_store: parameter fail_fast: got number, want boolean
new_store{"OrdersStore", client_port = 7861.5} -- want 40-46 misuse: new_store: parameter client_port: got 7861.5, want an integer
new_store{"Orders Store"} -- want 11-25 misuse: new_store: parameter name: "Orders Store" has ' ' at position 7: a name is a letter followed by letters, digits, '_' or '-'
new_store{name = "OrdersStore", store_name = "Other"} -- want 46-53 misuse: new_store: parameter name: given twice, as name and as store_name
new_store{parallel = true} -- want 1-10 misuse: new_store: parameter name: required, but not given
start_instance("OrdersStore") -- want 1-15 misuse: start_instance: parameter instance_name: required, but not given
start_instance("OrdersStore", nil) -- want 31-34 misuse: start_instance: parameter instance_name: got nil
start_store("OrdersStore", "orders-1") -- want 28-38 misuse: start_store: got 2 arguments, takes 1 by position (name)
start_store("OrdersStore", {"orders-1", parallel = true}) -- want 28-57 misuse: start_store: the table of named parameters has list items: give these before it
managers(1) -- want 10-11 misuse: managers: takes only named parameters: managers{name = value, …}
sleep(-1) -- want 7-9 misuse: sleep: parameter sec: -1 is out of range: 0 to 1000000000
print(topology.render({}, "mermayd")) -- want 27-36 misuse: topology.render: parameter format: got "mermayd": did you mean "mermaid"?
with_managers("10.0.0.11", "get_store") -- want 28-39 misuse: with_managers: parameter f: got string, want function
connect_managers("10.0.0.11,0.0.0.0") -- want 18-37 misuse: connect_managers: parameter managers: "0.0.0.0" is the unspecified address: give the server's address
start_store{"OrdersStore", managers = {"10.0.0.11:70000"}} -- want 39-58 misuse: start_store: parameter managers: "10.0.0.11:70000" has port 70000: ports go from 1 to 65535
print(topology{managers = {}}) -- want 27-29 misuse: topology: parameter managers: the list is empty: name at least one server, such as 10.0.0.11 or host:7801

-- A local that is set once is as good as a literal; an alias is as good as the builtin.
local count, create = 300, new_store
create{"OrdersStore", instance_count = count} -- want 40-45 misuse: new_store: parameter instance_count: 300 is out of range: 1 to 256

-- Methods.
local made = new_store{"OrdersStore", instance_prefix = "orders"}:check()
made:retry("again") -- want 12-19 misuse: results:retry: takes only named parameters: results:retry{name = value, …}
made.retry() -- want 1-11 misuse: results:retry: called on a nil: call it with a colon
local store = connect_store("OrdersStore")
store.put("order/1", "one") -- want 1-10 misuse: store:put: called on a string: call it with a colon
store.put(store, "order/1", "one")
store.put({}, "one") -- want 1-10 misuse: store:put: called on a table: call it with a colon
store.scan(function() end) -- want 1-11 misuse: store:scan: called on a function: call it with a colon
store:put("order/1") -- want 7-10 misuse: store:put: parameter value: required, but not given
store:put("", 5) -- want 11-13 misuse: store:put: parameter key: is empty: a key has at least one byte | 15-16 misuse: store:put: parameter value: got number, want string
for key in store:scan{prefix = "order/", limit = 0, keys_only = true} do print(key) end -- want 50-51 misuse: store:scan: parameter limit: 0 is out of range: at least 1

-- The script's own options.
local opt = args{Store = "string"} -- want 17-35 misuse: args: parameter options: "Store" is not an option's name: lower-case letters, digits and _, a letter first
print(opt)
