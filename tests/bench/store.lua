-- A store of 6 instances on the session's 3 servers, from nothing to its first write, and then at rest.
print("begin")
new_store{"BenchStore", instance_prefix = "bench", instance_count = 2, parallel = true}:check()
start_store{"BenchStore", parallel = true}:check()
wait_ready("BenchStore")
connect_store("BenchStore"):put("key", "value")
print("written")
for _, instance in ipairs(store_status("BenchStore").instances) do
  print("instance", instance.name, instance.role)
end
sleep(3)
print("rest")
sleep(1)
