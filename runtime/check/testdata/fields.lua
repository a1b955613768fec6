-- Fields and methods that a value does not have.
local opt = args{store = "string", count = 2}
print(opt.stoer, opt.count) -- want 11-16 field: args: no field stoer: did you mean store?

local made = new_store{opt.store, instance_prefix = "orders"}
if made.faild then print(#made) end -- want 9-14 field: results: no field faild: did you mean failed?
made:chek() -- want 6-10 field: results: no field chek: did you mean check?
made.ok = true -- want 6-8 field: results: ok can't be set: it is read-only
for _, row in ipairs(made.failed) do
  print(row.mesage, row.code) -- want 13-19 field: row: no field mesage: did you mean message?
end
print(made[1].manger) -- want 15-21 field: row: no field manger: did you mean manager?
for i = 1, #made do print(made[i].manger) end -- want 35-41 field: row: no field manger: did you mean manager?
print(made:retry():check().fialed) -- want 28-34 field: results: no field fialed: did you mean failed?
print(assert(made).suceeded) -- want 20-28 field: results: no field suceeded: did you mean succeeded?

local status = store_status(opt.store)
print(status.Ready) -- want 14-19 field: status: no field Ready: did you mean ready?
for _, node in ipairs(status.instances) do
  print(node.hots) -- want 14-18 field: instance: no field hots: did you mean host?
end
print(status.instances.status) -- want 24-30 field: list: no field status: each instance in it has one
for _, row in ipairs(get_store()) do print(row.statsu) end -- want 48-54 field: store row: no field statsu: did you mean status?
local rows = get_store()
print(rows.ok, rows.unreachable[1].manager, rows.oks) -- want 50-53 field: rows: no field oks: did you mean ok?
local metrics = store_metrics(opt.store)
print(metrics.store["Requests/Put"].total, metrics[1].rates) -- want 55-60 field: metric: no field rates: did you mean rate?
print(topology.validate({}).problem, topology.diff({}, {}).add) -- want 60-63 field: difference: no field add: there is same, added, removed, changed and lines
local store = connect_store(opt.store)
store:putt("a", "b") -- want 7-11 field: store: no field putt: did you mean put?
local outcomes = parallel{managers, get_store}
print(outcomes.allright) -- want 16-24 field: outcomes: no field allright: there is ok, failed and check
for _, outcome in ipairs(outcomes.failed) do print(outcome.errror) end -- want 60-66 field: outcome: no field errror: did you mean error?
