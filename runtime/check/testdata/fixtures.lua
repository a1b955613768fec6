-- Fixtures of tests: the fields of a cluster's instances, and the units of parameters.
local cluster = local_cluster{servers = 3, instances = {{host = 1}, {host = 2, rol = "data"}}} -- want 56-94 misuse: local_cluster: parameter instances: instances[2].rol: a node has no such field: did you mean role?
local_cluster{servers = 0, instances = 1} -- want 25-26 misuse: local_cluster: parameter servers: 0 is out of range: 1 to 32
local_cluster{instances = 51} -- want 27-29 misuse: local_cluster: parameter instances: 51 on each server: want 1 to 50
local_cluster{instances = {{host = "127.0.0.1"}}} -- want 27-49 misuse: local_cluster: parameter instances: instances[1].host: want the number of a server, from 1
local_cluster{instances = {{host = #arg}, {hots = 1}}}
local_cluster{instances = #arg}
local_cluster{instances = 1, store = "Orders Store"} -- want 38-52 misuse: local_cluster: parameter store: "Orders Store" has ' ' at position 7: a name is a letter followed by letters, digits, '_' or '-'
print(cluster.stroe) -- want 15-20 field: cluster: no field stroe: did you mean store?
print(fake_managers{count = 3, delay = 1}.fault) -- want 32-37 misuse: fake_managers: unknown parameter delay: did you mean delay_sec? | 43-48 field: fakes: no field fault: did you mean faults?
