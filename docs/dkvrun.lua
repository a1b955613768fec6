---@meta
-- Rendered from the declarations by make gen, for the Lua language server: name this folder in workspace.library.

---A store as one manager sees it: counts and status are of its own instances.
---@class dkvrun.store_row
---@field manager any host:port
---@field store any the store's name
---@field status any `NoInstances`, `Running`, `Stopped`, `Partial` or `Unknown`
---@field instance_count any the manager's own instances
---@field running_instances any those of them that run
---@field stopped_instances any those of them that don't
---@field participating_nodes any all instances of the topology
---@field revision any the topology's revision, from 1
---@field instances dkvrun.instance[] the topology, with the state of the manager's own instances

---One instance of a store.
---@class dkvrun.instance
---@field name any its name
---@field host any its server
---@field clustron_port any its port for the other instances
---@field client_port any its port for applications
---@field manager any host:port of its manager
---@field role any `data` or `gateway`
---@field status any `Stopped`, `Starting`, `Running`, `Stopping`, `CrashLooping`, `Joining`, `Leaving` or `Unknown`
---@field desired any `Running` or `Stopped`: what it was last told to be; nil where not known
---@field ready any true when it takes reads and writes
---@field leader any true for the data instance that leads
---@field pid any its process, nil when it doesn't run
---@field restarts any how often it was started again after it died
---@field started_at any when it started, in UTC as RFC 3339; nil when it doesn't run
---@field last_error any what went wrong last, nil when nothing did

---A store, from all managers together.
---@class dkvrun.status
---@field name any the store's name
---@field status any `NoInstances`, `Running`, `Stopped`, `Partial` or `Unknown`
---@field ready any true when every instance takes reads and writes
---@field consistent any true when all managers keep the same topology, false when they differ, nil while one is silent
---@field revision any the topology's revision, from 1
---@field topology dkvrun.node[] the topology
---@field instances dkvrun.instance[] a list of instances: name, host, status, ready, role, leader, …
---@field leaving dkvrun.instance[] instances that the topology has dropped and that are not gone yet
---@field pending dkvrun.pending the change that is being made, nil where none is
---@field differences dkvrun.deviation[] the managers that keep it otherwise, empty when all agree
---@field ok any true when every manager answered
---@field unreachable dkvrun.silent[] the managers that did not: `{manager, code, message}`

---One instance of a topology.
---@class dkvrun.node
---@field name any `<prefix>-<index>`
---@field host any the server
---@field clustron_port any port for the other instances
---@field client_port any port for applications
---@field role any `data` or `gateway`; nil until the store is made
---@field manager any host:port of the manager it is planned for

---A list, with the managers that did not answer.
---@class dkvrun.rows
---@field ok any true when every manager answered
---@field unreachable dkvrun.silent[] a list of the managers that did not: `{manager, code, message}`

---A manager that did not answer a query.
---@class dkvrun.silent
---@field manager any host:port
---@field code any refused, timeout, …
---@field message any a sentence for a person

---A store's figures.
---@class dkvrun.metrics
---@field store any the store's own figures, by `"Category/Metric"`
---@field ok any true when every manager answered
---@field unreachable dkvrun.silent[] a list of the managers that did not: `{manager, code, message}`

---One figure of one instance, or of the store.
---@class dkvrun.metric
---@field category any `Requests`, `Storage`, `Watch`, `Lease` or `Cluster`
---@field metric any `Get`, `Put`, `Remove`, `ItemsCount`, `Bytes`, `Active`, `IsLeader`
---@field instance any the instance; nil in the store's own figures
---@field rate any per second over the window, nil where a rate has no meaning
---@field total any the count since the instance started, or the present value

---What topology.validate found.
---@class dkvrun.validation
---@field ok any true when the topology can be
---@field problem any the first thing that can't be, nil when ok

---What topology.diff found.
---@class dkvrun.difference
---@field same any true when nothing differs
---@field added any names that only the second has
---@field removed any names that only the first has
---@field changed any names that both have with another host, port or role

---An operation on a store that managers have prepared and that is not decided.
---@class dkvrun.pending
---@field operation any its id
---@field action any CreateStore, AddInstance, …
---@field owner any who makes it: user@host, process
---@field since any when the first manager voted, in UTC as RFC 3339, by that manager's clock
---@field age_sec any seconds since then
---@field managers string[] the managers that hold it, as host:port

---A manager whose topology differs from the latest one, or that has none.
---@class dkvrun.deviation
---@field manager any host:port
---@field revision any the revision that it keeps, nil where it does not know the store
---@field message any what differs, in a sentence

---What ensure_store did.
---@class dkvrun.ensured
---@field name any the store's name
---@field result any `unchanged`, `changed` or `planned`
---@field changes string[] what was done, a sentence each; empty when unchanged

---Fake managers.
---@class dkvrun.fakes
---@field managers any a list of `host:port`
---@field faults any by manager, the fault of those that have one

---What came of a runbook that a test has run.
---@class dkvrun.script_run
---@field ok any true when its exit status is 0
---@field status any its exit status
---@field stdout any its standard output
---@field stderr any its standard error

---What `parallel` returns: `#outcomes`, `outcomes[i]`, `ipairs(outcomes)`; `assert(outcomes)` raises if any failed.
---@class dkvrun.outcomes
---@field ok any true when no function raised
---@field failed dkvrun.outcome[] the outcomes of those that raised
local outcomes = {}

---Raises if any function raised; returns the outcomes otherwise.
---@return dkvrun.outcomes # the outcomes
---@overload fun(parameters: table): dkvrun.outcomes
function outcomes:check() end

---What came of one of `parallel`'s functions.
---@class dkvrun.outcome
---@field ok any true unless it raised
---@field value any what it returned first
---@field error any what it raised, nil where it didn't
local outcome = {}

---What an action returns: `#results` rows, `results[i]`, `ipairs(results)`; `assert(results)` raises if any failed.
---@class dkvrun.results
---@field ok any true when every row succeeded
---@field failed dkvrun.row[] the rows that did not succeed
---@field succeeded dkvrun.row[] the rows that succeeded
local results = {}

---Raises if any row failed; returns the results otherwise.
---@return dkvrun.results # the results
---@overload fun(parameters: table): dkvrun.results
function results:check() end

---Repeats the failed steps, or the whole action if it was rolled back, and returns the rows of the retry.
---@return dkvrun.results # results
---@overload fun(parameters: table): dkvrun.results
function results:retry() end

---The answer of one manager to one step of an action.
---@class dkvrun.row
---@field manager any host:port of the manager
---@field instance any the instance's name, nil where the step is about none
---@field action any CreateStore, StartInstance, …
---@field result any SUCCESS, FAILED, SKIPPED, CANCELLED, ROLLED BACK or PLANNED
---@field success any true when result is SUCCESS or PLANNED
---@field changed any false when it was so already
---@field status_code any the HTTP status, 0 where no answer came
---@field message any a sentence for a person
---@field code any a stable word: ok, unchanged, port_taken, refused, timeout, …
---@field hint any what to do, nil where there is nothing to say
---@field in_doubt any true when the request was sent and no answer came: it may have been carried out
---@field attempts any how often it was sent
---@field duration_ms any how long it took
local row = {}

---A store's data. Keys and values are strings, byte for byte; a missing key is nil, not an error.
---@class dkvrun.store
---@field name any the store's name
---@field endpoints any the client ports that it tries, in order
local store = {}

---Writes a value.
---@param key string the key, not empty
---@param value string the value, at most 1 MiB
---@return any # the store's revision after the write
---@overload fun(parameters: table): any
function store:put(key, value) end

---Reads a value. The read is linearizable: it sees every write that was answered before.
---@param key string the key, not empty
---@return any # the value, nil when there is no such key
---@overload fun(parameters: table): any
function store:get(key) end

---Deletes a key.
---@param key string the key, not empty
---@return any # true when there was one
---@overload fun(parameters: table): any
function store:remove(key) end

---Iterates over the keys in order, a page at a time; all pages are read at the same revision: `for key, value in store:scan{prefix = "order/"} do … end`.
---@param prefix? string only keys with this prefix
---@param limit? integer at most so many; all where it is left out
---@param keys_only? boolean without the values
---@return any # an iterator that gives key and value, or with `keys_only` the key
---@overload fun(parameters: table): any
function store:scan(prefix, limit, keys_only) end

---A function that runs beside the script, begun by `spawn`.
---@class dkvrun.task
---@field ended any true once it has ended
local task = {}

---Waits for the task's end and returns what its function returned, or raises what it failed with.
---@return any # what the function returned
---@overload fun(parameters: table): any
function task:wait() end

---A throw-away cluster of a test, from `local_cluster`. Its servers fail when they are told to.
---@class dkvrun.cluster
---@field managers any a list of `host:port`
---@field hosts any a list of the servers' addresses
---@field store any the name of the store that it came with, nil where it came with none
local cluster = {}

---Ends a server as the loss of its power would: its manager, and its instances, get no time to shut down. With `after` it returns at once, and the server ends when its manager has answered the next such request, before anybody gets the answer; the test fails if that never comes.
---@param server integer its number, from 1
---@param only_manager? boolean leave its instances running
---@param after? "prepare"|"commit"|"abort"|"start"|"stop" the moment in an action: its vote, its commit or abort, an instance's start or stop
---@return any # nothing
---@overload fun(parameters: table): any
function cluster:kill(server, only_manager, after) end

---Starts the manager of a server again, ending it first where it runs, and returns when it answers. It starts those instances again that should run.
---@param server integer its number, from 1
---@return any # nothing
---@overload fun(parameters: table): any
function cluster:restart(server) end

---Stops all processes of a server: connections to it stay open and get no answer, and it does nothing by itself either. One that is `cut` off goes on.
---@param server integer its number, from 1
---@return any # nothing
---@overload fun(parameters: table): any
function cluster:pause(server) end

---Lets a paused server go on.
---@param server integer its number, from 1
---@return any # nothing
---@overload fun(parameters: table): any
function cluster:resume(server) end

---Takes a server off the network: it goes on running, and nothing passes between it and the other servers or the test, in either direction, until `heal`; nor between two servers that are cut off. Who asks it waits until the time is over. Killed and restarted it is still cut off. Refused while a server is paused; needs Linux. With `after` it returns at once, as `kill` does.
---@param server integer its number, from 1
---@param after? "prepare"|"commit"|"abort"|"start"|"stop" the moment in an action: its vote, its commit or abort, an instance's start or stop
---@return any # nothing
---@overload fun(parameters: table): any
function cluster:cut(server, after) end

---Brings a server that was cut off back. What was sent over open connections meanwhile is sent again by and by: wait for what should come of it.
---@param server integer its number, from 1
---@return any # nothing
---@overload fun(parameters: table): any
function cluster:heal(server) end

---Adds instances to a store: one instance, the given nodes, or a number of instances on each of several hosts. A server without the store gets the whole topology. In a running store the call returns when the new instances take reads and writes.
---@param name string the store's name: a letter, then up to 62 letters, digits, `_` or `-`
---@param instance_name? string the new instance's name; the store's prefix and the next index where it is left out
---@param host? string the server of the one new instance
---@param clustron_port? integer its cluster port; the next free one of the store on that host where it is left out
---@param client_port? integer its client port; likewise
---@param nodes? table several new nodes, each `{name, host, clustron_port, client_port}`
---@param hosts? string|string[] servers that get `instance_count` new instances each; names and ports go on
---@param instance_count? integer with `hosts`: how many on each; 1 where it is left out
---@param atomic? boolean apply the change on all managers or on none; with `false` each manager applies it on its own, and managers that fail lag behind
---@param managers? string|string[] managers to use instead of the session: `host` or `host:port`; one string may hold several, separated by commas
---@param port? integer the port of managers that are given without one: 7801, or that of `--manager-port`
---@param parallel? any contact all managers at once instead of one after the other; a number limits how many at once
---@param fail_fast? boolean stop at the first failure: requests that were not sent are SKIPPED, requests in flight are CANCELLED
---@param dry_run? boolean check with the managers, show what would be done as PLANNED rows, and change nothing; later calls of the run see the planned state. `--dry-run` does so for all actions
---@param timeout_sec? number seconds for the answer of each manager
---@param connect_timeout_sec? number seconds until there is a connection, within `timeout_sec`
---@param deadline? number seconds for the whole action; requests that are not done by then are cancelled or skipped
---@return dkvrun.results # results: an AddInstance row a manager, then a JoinInstance row a new instance
---@overload fun(parameters: table): dkvrun.results
function add_instance(name, instance_name, host, clustron_port, client_port, nodes, hosts, instance_count, atomic, managers, port, parallel, fail_fast, dry_run, timeout_sec, connect_timeout_sec, deadline) end

---Declares the script's own options and reads them from its command line. Each name has a type ("string", "integer", "number", "boolean", "list"), which makes it required, or a default, which gives it a type. The script then takes --name VALUE and --name=VALUE, --name and --no-name for a boolean, commas or repetition for a list, and --help.
---@param options any a table of the options: their names, in snake_case, and their types or defaults
---@return any # the options' values by name, and what else was on the command line as a list
---@overload fun(parameters: table): any
function args(options) end

---Has a function called at the end of the run, however it ends: also after an error, `exit`, `--timeout` or Ctrl-C, which leaves it 4 seconds. The last one given is called first, with the session of now.
---@param f function what to clean up
---@return any # nothing
---@overload fun(parameters: table): any
function at_exit(f) end

---Connects to all managers at once and makes them the session, in this order. Without managers it uses those of `-m`, DKVRUN_MANAGERS or `--local`. If a manager does not answer, it raises after the rows, and the session does not change.
---@param managers? string|string[] `host`, `host:port`, an IPv4 or IPv6 address, or `http(s)://host:port`; one string may hold several with commas between
---@param port? integer the port of managers that are given without one: 7801, or that of `--manager-port`
---@param force? boolean replace another session
---@param allow_down? boolean connect even if some managers don't answer: queries and instance actions work, topology changes still need all; same as `--allow-down`
---@param timeout_sec? number seconds for the answer of each manager
---@return dkvrun.results # results: a Connect row a manager
---@overload fun(parameters: table): dkvrun.results
function connect_managers(managers, port, force, allow_down, timeout_sec) end

---Returns an object that reads and writes a store through the client ports of its instances, over HTTP and JSON. Each call goes to the first endpoint that can be reached.
---@param name string the store's name: a letter, then up to 62 letters, digits, `_` or `-`
---@param endpoints? string|string[] `host:port` of client ports, in the order to try; the topology's where none are given
---@param managers? string|string[] managers to use instead of the session: `host` or `host:port`; one string may hold several, separated by commas
---@param port? integer the port of managers that are given without one: 7801, or that of `--manager-port`
---@param timeout_sec? number seconds for the answer of each manager
---@param connect_timeout_sec? number seconds until there is a connection, within `timeout_sec`
---@return dkvrun.store # a store
---@overload fun(parameters: table): dkvrun.store
function connect_store(name, endpoints, managers, port, timeout_sec, connect_timeout_sec) end

---Runs a function with a time limit: when the time is over, the function is cancelled and deadline raises, code `timeout`.
---@param sec number seconds
---@param f function what to run
---@return any # what the function returns
---@overload fun(parameters: table): any
function deadline(sec, f) end

---Ends the session. The managers are not contacted.
---@return any # nothing
---@overload fun(parameters: table): any
function disconnect_managers() end

---Makes the cluster match the description of a store: creates it, adds instances, or changes nothing, and says which. It can run every hour. It never removes or moves an instance: it raises if that would be needed, as for every failure.
---@param name string the store's name: a letter, then up to 62 letters, digits, `_` or `-`
---@param instance_prefix? string names are `<prefix>-<index>`, counted from 1 through the whole cluster
---@param instance_count? integer instances a server
---@param clustron_port? integer first cluster port on each server; one more for each further instance there
---@param client_port? integer first client port on each server; one more for each further instance there
---@param nodes? table the whole topology instead, as `topology` makes it; roles as for `new_store`
---@param managers? string|string[] managers to use instead of the session: `host` or `host:port`; one string may hold several, separated by commas
---@param port? integer the port of managers that are given without one: 7801, or that of `--manager-port`
---@param parallel? any contact all managers at once instead of one after the other; a number limits how many at once
---@param fail_fast? boolean stop at the first failure: requests that were not sent are SKIPPED, requests in flight are CANCELLED
---@param dry_run? boolean check with the managers, show what would be done as PLANNED rows, and change nothing; later calls of the run see the planned state. `--dry-run` does so for all actions
---@param timeout_sec? number seconds for the answer of each manager
---@param connect_timeout_sec? number seconds until there is a connection, within `timeout_sec`
---@param deadline? number seconds for the whole action; requests that are not done by then are cancelled or skipped
---@return dkvrun.ensured # `{name, result, changes}`: result is `unchanged`, `changed` or, in a dry run, `planned`; changes are sentences
---@overload fun(parameters: table): dkvrun.ensured
function ensure_store(name, instance_prefix, instance_count, clustron_port, client_port, nodes, managers, port, parallel, fail_fast, dry_run, timeout_sec, connect_timeout_sec, deadline) end

---Ends the run with a status, also from a task, after the functions of `at_exit`. `pcall` does not stop it.
---@param status? integer the exit status
---@param message? string said on standard error
---@return any # never
---@overload fun(parameters: table): any
function exit(status, message) end

---Queries every manager about one store, or about all stores.
---@param name? string the store's name: a letter, then up to 62 letters, digits, `_` or `-`
---@param managers? string|string[] managers to use instead of the session: `host` or `host:port`; one string may hold several, separated by commas
---@param port? integer the port of managers that are given without one: 7801, or that of `--manager-port`
---@param timeout_sec? number seconds for the answer of each manager
---@param connect_timeout_sec? number seconds until there is a connection, within `timeout_sec`
---@return dkvrun.rows|dkvrun.store_row[] # a list with a row a manager and store; `rows.ok`, `rows.unreachable`
---@overload fun(parameters: table): dkvrun.rows|dkvrun.store_row[]
function get_store(name, managers, port, timeout_sec, connect_timeout_sec) end

---Reads the end of an instance's own log, through its manager.
---@param name string the store's name: a letter, then up to 62 letters, digits, `_` or `-`
---@param instance_name string the instance
---@param tail? integer how many lines
---@param managers? string|string[] managers to use instead of the session: `host` or `host:port`; one string may hold several, separated by commas
---@param port? integer the port of managers that are given without one: 7801, or that of `--manager-port`
---@param timeout_sec? number seconds for the answer of each manager
---@param connect_timeout_sec? number seconds until there is a connection, within `timeout_sec`
---@return any # a string; empty when the instance never ran
---@overload fun(parameters: table): any
function instance_log(name, instance_name, tail, managers, port, timeout_sec, connect_timeout_sec) end

json = {}

---Reads JSON. null becomes nil, so a field with null is absent.
---@param text string one JSON value
---@return any # the value
---@overload fun(parameters: table): any
function json.decode(text) end

---Writes a value as JSON. An empty table is `[]`; keys are sorted.
---@param value? any nil, boolean, number, string, table, or anything that a builtin returned
---@return any # a string
---@overload fun(parameters: table): any
function json.encode(value) end

---Lists the managers of the session, in its order; before it is connected, those of `-m`, DKVRUN_MANAGERS or `--local`.
---@return any # a list of `host:port`, empty where there is no session
---@overload fun(parameters: table): any
function managers() end

---Generates the topology of a new store and creates it on all managers or on none. Nothing runs yet: `start_store` starts it. If the same store exists already, the call succeeds with the code `unchanged`.
---@param name string the store's name: a letter, then up to 62 letters, digits, `_` or `-`
---@param instance_prefix? string names are `<prefix>-<index>`, counted from 1 through the whole cluster
---@param instance_count? integer instances a server
---@param clustron_port? integer first cluster port on each server; one more for each further instance there
---@param client_port? integer first client port on each server; one more for each further instance there
---@param nodes? table the whole topology instead, as `topology` makes it; a `role` that is given stays, but gateways become data until enough instances hold data: all of one or two, three of three or four, else five
---@param atomic? boolean apply the change on all managers or on none; with `false` each manager applies it on its own, and managers that fail lag behind
---@param managers? string|string[] managers to use instead of the session: `host` or `host:port`; one string may hold several, separated by commas
---@param port? integer the port of managers that are given without one: 7801, or that of `--manager-port`
---@param parallel? any contact all managers at once instead of one after the other; a number limits how many at once
---@param fail_fast? boolean stop at the first failure: requests that were not sent are SKIPPED, requests in flight are CANCELLED
---@param dry_run? boolean check with the managers, show what would be done as PLANNED rows, and change nothing; later calls of the run see the planned state. `--dry-run` does so for all actions
---@param timeout_sec? number seconds for the answer of each manager
---@param connect_timeout_sec? number seconds until there is a connection, within `timeout_sec`
---@param deadline? number seconds for the whole action; requests that are not done by then are cancelled or skipped
---@return dkvrun.results # results: a CreateStore row a manager
---@overload fun(parameters: table): dkvrun.results
function new_store(name, instance_prefix, instance_count, clustron_port, client_port, nodes, atomic, managers, port, parallel, fail_fast, dry_run, timeout_sec, connect_timeout_sec, deadline) end

---Runs functions at the same time, each as a task, and waits for all of them. A function that raises doesn't stop the others; its failure has to be checked, like that of an action. Each task has its own session, which begins as the caller's.
---@param functions any a list of functions
---@param limit? integer the largest number at a time; without it, all at once
---@return dkvrun.outcomes # outcomes: `ok`, `value` and `error` of each function, in their order
---@overload fun(parameters: table): dkvrun.outcomes
function parallel(functions, limit) end

---Removes one instance from a store and deletes its data. Refused if the store would lose its quorum, or cannot remove the instance because it isn't running; a ready gateway replaces a removed data instance first. The call returns when the instance is gone.
---@param name string the store's name: a letter, then up to 62 letters, digits, `_` or `-`
---@param instance_name string the instance
---@param lose_data? boolean remove it at once, even if the store stops or loses data
---@param atomic? boolean apply the change on all managers or on none; with `false` each manager applies it on its own, and managers that fail lag behind
---@param managers? string|string[] managers to use instead of the session: `host` or `host:port`; one string may hold several, separated by commas
---@param port? integer the port of managers that are given without one: 7801, or that of `--manager-port`
---@param parallel? any contact all managers at once instead of one after the other; a number limits how many at once
---@param fail_fast? boolean stop at the first failure: requests that were not sent are SKIPPED, requests in flight are CANCELLED
---@param dry_run? boolean check with the managers, show what would be done as PLANNED rows, and change nothing; later calls of the run see the planned state. `--dry-run` does so for all actions
---@param timeout_sec? number seconds for the answer of each manager
---@param connect_timeout_sec? number seconds until there is a connection, within `timeout_sec`
---@param deadline? number seconds for the whole action; requests that are not done by then are cancelled or skipped
---@return dkvrun.results # results: a RemoveInstance row a manager, then a LeaveInstance row
---@overload fun(parameters: table): dkvrun.results
function remove_instance(name, instance_name, lose_data, atomic, managers, port, parallel, fail_fast, dry_run, timeout_sec, connect_timeout_sec, deadline) end

---Removes a store and deletes its data on every manager. Without `confirm` it asks on a terminal and is refused elsewhere; `--yes` confirms.
---@param name string the store's name: a letter, then up to 62 letters, digits, `_` or `-`
---@param confirm? string the store's name once more
---@param stop_first? boolean stop running instances first; without it a running store is refused
---@param atomic? boolean apply the change on all managers or on none; with `false` each manager applies it on its own, and managers that fail lag behind
---@param managers? string|string[] managers to use instead of the session: `host` or `host:port`; one string may hold several, separated by commas
---@param port? integer the port of managers that are given without one: 7801, or that of `--manager-port`
---@param parallel? any contact all managers at once instead of one after the other; a number limits how many at once
---@param fail_fast? boolean stop at the first failure: requests that were not sent are SKIPPED, requests in flight are CANCELLED
---@param dry_run? boolean check with the managers, show what would be done as PLANNED rows, and change nothing; later calls of the run see the planned state. `--dry-run` does so for all actions
---@param timeout_sec? number seconds for the answer of each manager
---@param connect_timeout_sec? number seconds until there is a connection, within `timeout_sec`
---@param deadline? number seconds for the whole action; requests that are not done by then are cancelled or skipped
---@return dkvrun.results # results: a RemoveStore row a manager, after a StopInstance row an instance with stop_first
---@overload fun(parameters: table): dkvrun.results
function remove_store(name, confirm, stop_first, atomic, managers, port, parallel, fail_fast, dry_run, timeout_sec, connect_timeout_sec, deadline) end

---Resolves at once an operation that was left in doubt when its runner or a manager went away; the managers do so by themselves later. An operation that is still in flight is waited for, never rolled back. With `lost` the store continues without a manager that is gone for good: all other managers must take part, and the lost manager is fenced if it comes back.
---@param name string the store's name: a letter, then up to 62 letters, digits, `_` or `-`
---@param lost? string the host, `host:port` or identity of a manager that will never come back
---@param managers? string|string[] managers to use instead of the session: `host` or `host:port`; one string may hold several, separated by commas
---@param port? integer the port of managers that are given without one: 7801, or that of `--manager-port`
---@param parallel? any contact all managers at once instead of one after the other; a number limits how many at once
---@param fail_fast? boolean stop at the first failure: requests that were not sent are SKIPPED, requests in flight are CANCELLED
---@param dry_run? boolean check with the managers, show what would be done as PLANNED rows, and change nothing; later calls of the run see the planned state. `--dry-run` does so for all actions
---@param timeout_sec? number seconds for the answer of each manager
---@param connect_timeout_sec? number seconds until there is a connection, within `timeout_sec`
---@param deadline? number seconds for the whole action; requests that are not done by then are cancelled or skipped
---@return dkvrun.results # results: a RepairStore row a manager
---@overload fun(parameters: table): dkvrun.results
function repair_store(name, lost, managers, port, parallel, fail_fast, dry_run, timeout_sec, connect_timeout_sec, deadline) end

---Stops one instance and starts it again. If the stop fails, it is not started.
---@param name string the store's name: a letter, then up to 62 letters, digits, `_` or `-`
---@param instance_name string the instance
---@param force? boolean kill at once instead of stopping gracefully
---@param managers? string|string[] managers to use instead of the session: `host` or `host:port`; one string may hold several, separated by commas
---@param port? integer the port of managers that are given without one: 7801, or that of `--manager-port`
---@param parallel? any contact all managers at once instead of one after the other; a number limits how many at once
---@param fail_fast? boolean stop at the first failure: requests that were not sent are SKIPPED, requests in flight are CANCELLED
---@param dry_run? boolean check with the managers, show what would be done as PLANNED rows, and change nothing; later calls of the run see the planned state. `--dry-run` does so for all actions
---@param timeout_sec? number seconds for the answer of each manager
---@param connect_timeout_sec? number seconds until there is a connection, within `timeout_sec`
---@param deadline? number seconds for the whole action; requests that are not done by then are cancelled or skipped
---@return dkvrun.results # results: a StopInstance row and a StartInstance row
---@overload fun(parameters: table): dkvrun.results
function restart_instance(name, instance_name, force, managers, port, parallel, fail_fast, dry_run, timeout_sec, connect_timeout_sec, deadline) end

---Calls a function until it neither raises nor returns a failed result. An error of misuse is not retried: it would occur again.
---@param f function what to try; it gets the number of the attempt
---@param times? integer the largest number of attempts
---@param delay_sec? number seconds before the second attempt
---@param backoff? number the factor by which the delay grows each time
---@return any # what the function returns; raises what the last attempt failed with
---@overload fun(parameters: table): any
function retry(f, times, delay_sec, backoff) end

---Prints values as `-e` shows them: tables in full, lists of rows as a table.
---@param values? any anything
---@return any # nothing
---@overload fun(parameters: table): any
function show(values) end

---Waits. Ctrl-C and `--timeout` end it.
---@param sec number seconds
---@return any # nothing
---@overload fun(parameters: table): any
function sleep(sec) end

---Begins a task: a function that runs beside the script until one of them waits for the other. It is cancelled and waited for when the function that began it ends: the script, another task, or what `step`, `with_managers`, `deadline`, `retry` or `wait_until` run. A task that failed and that nobody waited for fails the run.
---@param f function what to run
---@param arguments? any handed to the function as they are
---@return dkvrun.task # a task
---@overload fun(parameters: table): dkvrun.task
function spawn(f, arguments) end

---Starts one instance.
---@param name string the store's name: a letter, then up to 62 letters, digits, `_` or `-`
---@param instance_name string the instance
---@param managers? string|string[] managers to use instead of the session: `host` or `host:port`; one string may hold several, separated by commas
---@param port? integer the port of managers that are given without one: 7801, or that of `--manager-port`
---@param parallel? any contact all managers at once instead of one after the other; a number limits how many at once
---@param fail_fast? boolean stop at the first failure: requests that were not sent are SKIPPED, requests in flight are CANCELLED
---@param dry_run? boolean check with the managers, show what would be done as PLANNED rows, and change nothing; later calls of the run see the planned state. `--dry-run` does so for all actions
---@param timeout_sec? number seconds for the answer of each manager
---@param connect_timeout_sec? number seconds until there is a connection, within `timeout_sec`
---@param deadline? number seconds for the whole action; requests that are not done by then are cancelled or skipped
---@return dkvrun.results # results with one StartInstance row
---@overload fun(parameters: table): dkvrun.results
function start_instance(name, instance_name, managers, port, parallel, fail_fast, dry_run, timeout_sec, connect_timeout_sec, deadline) end

---Starts every instance of a store, each through its own manager. It returns when the processes run; `wait_ready` waits until the store takes writes.
---@param name string the store's name: a letter, then up to 62 letters, digits, `_` or `-`
---@param instance_name? string only this instance
---@param managers? string|string[] managers to use instead of the session: `host` or `host:port`; one string may hold several, separated by commas
---@param port? integer the port of managers that are given without one: 7801, or that of `--manager-port`
---@param parallel? any contact all managers at once instead of one after the other; a number limits how many at once
---@param fail_fast? boolean stop at the first failure: requests that were not sent are SKIPPED, requests in flight are CANCELLED
---@param dry_run? boolean check with the managers, show what would be done as PLANNED rows, and change nothing; later calls of the run see the planned state. `--dry-run` does so for all actions
---@param timeout_sec? number seconds for the answer of each manager
---@param connect_timeout_sec? number seconds until there is a connection, within `timeout_sec`
---@param deadline? number seconds for the whole action; requests that are not done by then are cancelled or skipped
---@return dkvrun.results # results: a StartInstance row an instance
---@overload fun(parameters: table): dkvrun.results
function start_store(name, instance_name, managers, port, parallel, fail_fast, dry_run, timeout_sec, connect_timeout_sec, deadline) end

---Runs a function as a named step: standard error says when it begins, how it ends and how long it took, and `-o json` lists it. Steps may hold steps.
---@param name string what the step does, for people
---@param f function what to run
---@return any # what the function returns
---@overload fun(parameters: table): any
function step(name, f) end

---Stops one instance; a leader transfers its leadership first.
---@param name string the store's name: a letter, then up to 62 letters, digits, `_` or `-`
---@param instance_name string the instance
---@param force? boolean kill at once instead of stopping gracefully
---@param managers? string|string[] managers to use instead of the session: `host` or `host:port`; one string may hold several, separated by commas
---@param port? integer the port of managers that are given without one: 7801, or that of `--manager-port`
---@param parallel? any contact all managers at once instead of one after the other; a number limits how many at once
---@param fail_fast? boolean stop at the first failure: requests that were not sent are SKIPPED, requests in flight are CANCELLED
---@param dry_run? boolean check with the managers, show what would be done as PLANNED rows, and change nothing; later calls of the run see the planned state. `--dry-run` does so for all actions
---@param timeout_sec? number seconds for the answer of each manager
---@param connect_timeout_sec? number seconds until there is a connection, within `timeout_sec`
---@param deadline? number seconds for the whole action; requests that are not done by then are cancelled or skipped
---@return dkvrun.results # results with one StopInstance row
---@overload fun(parameters: table): dkvrun.results
function stop_instance(name, instance_name, force, managers, port, parallel, fail_fast, dry_run, timeout_sec, connect_timeout_sec, deadline) end

---Stops every instance of a store; the data stays. A stop that takes longer than 10 s ends in a kill.
---@param name string the store's name: a letter, then up to 62 letters, digits, `_` or `-`
---@param instance_name? string only this instance
---@param force? boolean kill at once instead of stopping gracefully
---@param managers? string|string[] managers to use instead of the session: `host` or `host:port`; one string may hold several, separated by commas
---@param port? integer the port of managers that are given without one: 7801, or that of `--manager-port`
---@param parallel? any contact all managers at once instead of one after the other; a number limits how many at once
---@param fail_fast? boolean stop at the first failure: requests that were not sent are SKIPPED, requests in flight are CANCELLED
---@param dry_run? boolean check with the managers, show what would be done as PLANNED rows, and change nothing; later calls of the run see the planned state. `--dry-run` does so for all actions
---@param timeout_sec? number seconds for the answer of each manager
---@param connect_timeout_sec? number seconds until there is a connection, within `timeout_sec`
---@param deadline? number seconds for the whole action; requests that are not done by then are cancelled or skipped
---@return dkvrun.results # results: a StopInstance row an instance
---@overload fun(parameters: table): dkvrun.results
function stop_store(name, instance_name, force, managers, port, parallel, fail_fast, dry_run, timeout_sec, connect_timeout_sec, deadline) end

---Rates and totals of a store: requests, items, bytes, watches, leases, who leads.
---@param name string the store's name: a letter, then up to 62 letters, digits, `_` or `-`
---@param window_sec? integer seconds that rates are taken over
---@param managers? string|string[] managers to use instead of the session: `host` or `host:port`; one string may hold several, separated by commas
---@param port? integer the port of managers that are given without one: 7801, or that of `--manager-port`
---@param timeout_sec? number seconds for the answer of each manager
---@param connect_timeout_sec? number seconds until there is a connection, within `timeout_sec`
---@return dkvrun.metrics|dkvrun.metric[] # a list with a row a category, metric and instance: `{category, metric, instance, rate, total}`; `rows.store["Requests/Put"]` sums up the store (items and bytes: the largest of its data instances, each of which holds all)
---@overload fun(parameters: table): dkvrun.metrics|dkvrun.metric[]
function store_metrics(name, window_sec, managers, port, timeout_sec, connect_timeout_sec) end

---Returns one status for the whole cluster: every instance as its own manager reports it.
---@param name string the store's name: a letter, then up to 62 letters, digits, `_` or `-`
---@param managers? string|string[] managers to use instead of the session: `host` or `host:port`; one string may hold several, separated by commas
---@param port? integer the port of managers that are given without one: 7801, or that of `--manager-port`
---@param timeout_sec? number seconds for the answer of each manager
---@param connect_timeout_sec? number seconds until there is a connection, within `timeout_sec`
---@return dkvrun.status # one table; raises when no manager knows the store
---@overload fun(parameters: table): dkvrun.status
function store_status(name, managers, port, timeout_sec, connect_timeout_sec) end

---Generates the topology that `new_store` would, without any network: nodes = servers × instance_count, names counted through the cluster, server by server.
---@param managers? string|string[] the servers; the session's where none are given
---@param port? integer the port of managers that are given without one: 7801, or that of `--manager-port`
---@param instance_prefix? string names are `<prefix>-<index>`, counted from 1 through the whole cluster
---@param instance_count? integer instances a server
---@param clustron_port? integer first cluster port on each server; one more for each further instance there
---@param client_port? integer first client port on each server; one more for each further instance there
---@return dkvrun.node[] # a list of `{name, host, clustron_port, client_port, manager}`; `tostring` prints a line a node
---@overload fun(parameters: table): dkvrun.node[]
function topology(managers, port, instance_prefix, instance_count, clustron_port, client_port) end

---Compares two topologies by the names of their nodes.
---@param from table a topology
---@param to table another
---@return dkvrun.difference # `{same, added, removed, changed}`: lists of node names; `tostring` prints a line a difference
---@overload fun(parameters: table): dkvrun.difference
function topology.diff(from, to) end

---Draws a topology: as a table, as a Mermaid or Graphviz graph, or as JSON.
---@param nodes table the topology: a list of nodes
---@param format? "table"|"mermaid"|"dot"|"json" which picture
---@return any # a string
---@overload fun(parameters: table): any
function topology.render(nodes, format) end

---Checks a topology against everything that can be known without a network: names, hosts, ports, doubles.
---@param nodes table the topology: a list of nodes
---@return dkvrun.validation # `{ok, problem}`; problem is nil when ok
---@overload fun(parameters: table): dkvrun.validation
function topology.validate(nodes) end

---Returns when every instance of a store, or the one named, takes reads and writes; a store that is still being created is waited for. Raises with what isn't ready when the time is over, and at once when an instance is stopped and nobody asked it to start.
---@param name string the store's name: a letter, then up to 62 letters, digits, `_` or `-`
---@param instance_name? string only this instance
---@param managers? string|string[] managers to use instead of the session: `host` or `host:port`; one string may hold several, separated by commas
---@param port? integer the port of managers that are given without one: 7801, or that of `--manager-port`
---@param timeout_sec? number seconds to wait
---@return any # the seconds that it took
---@overload fun(parameters: table): any
function wait_ready(name, instance_name, managers, port, timeout_sec) end

---Calls a function repeatedly until it returns neither false nor nil. Raises with the last value when the timeout has passed; an error of the function is raised at once.
---@param f function what to ask; the time's end cuts it off
---@param timeout_sec? number seconds to wait
---@param interval_sec? number seconds between two calls
---@return any # what the function returned last
---@overload fun(parameters: table): any
function wait_until(f, timeout_sec, interval_sec) end

---Shows a store's figures and renews them until `count` is reached or Ctrl-C: a column an instance, or, where the terminal is too narrow, a line an instance.
---@param name string the store's name: a letter, then up to 62 letters, digits, `_` or `-`
---@param window_sec? integer seconds that rates are taken over
---@param refresh_sec? number seconds between two looks
---@param count? integer how many looks; without it, until Ctrl-C
---@param managers? string|string[] managers to use instead of the session: `host` or `host:port`; one string may hold several, separated by commas
---@param port? integer the port of managers that are given without one: 7801, or that of `--manager-port`
---@param timeout_sec? number seconds for the answer of each manager
---@param connect_timeout_sec? number seconds until there is a connection, within `timeout_sec`
---@return any # nothing
---@overload fun(parameters: table): any
function watch_store_metrics(name, window_sec, refresh_sec, count, managers, port, timeout_sec, connect_timeout_sec) end

---Runs a function with another session, then restores the previous session, also after an error.
---@param managers string|string[] as for `connect_managers`
---@param f function what to run
---@param port? integer the port of managers that are given without one: 7801, or that of `--manager-port`
---@param timeout_sec? number seconds for the answer of each manager
---@return any # what the function returns
---@overload fun(parameters: table): any
function with_managers(managers, f, port, timeout_sec) end

---Starts fake managers, for tests with more managers than a machine can run: they answer queries and take part in operations as real ones do, but run no instance and keep nothing on disk. Some can be made to fail. They end with the test or the block that started them.
---@param count integer how many
---@param delay_sec? number seconds that each waits before it answers
---@param faults? table how many of them fail in which way: `{refuse = 2, hang = 1, drip = 1, garbage = 1, reset = 1, slow = 1, stall = 1, stranger = 1}`; they are spread over the list. One that stalls answers questions, and says nothing to what would change something; a stranger is another program's server
---@return dkvrun.fakes # `{managers, faults}`: a list of `host:port`, and by manager what its fault is
---@overload fun(parameters: table): dkvrun.fakes
function fake_managers(count, delay_sec, faults) end

---Starts managers on this machine, each on a loopback address of its own, and makes them the session; with `instances` there is a store on them that runs. They end, with all their stores, when the test or the block ends that called it. A manager that dies by itself ends the test at once.
---@param servers? integer how many
---@param instances? any makes a store on it, started and ready: so many instances on each server, or a list of them in the form of `new_store`'s `nodes`, where `host` is the number of a server and the rest may be left out: `{{host = 1}, {host = 2}, {host = 2}}`
---@param store? string with `instances`: the store's name, and the prefix of theirs
---@param connect? boolean make them the session
---@param timeout_sec? number seconds for the answer of each manager
---@return dkvrun.cluster # the cluster
---@overload fun(parameters: table): dkvrun.cluster
function local_cluster(servers, instances, store, connect, timeout_sec) end

---Runs a runbook as the command line does, in a process of its own with the session's managers, and returns what came of it.
---@param script string its path, seen from the suite's folder
---@param args? string|string[] the script's own arguments
---@param flags? string|string[] flags of dkvrun before the script: `--strict`, `-o json`, …
---@return dkvrun.script_run # `{ok, status, stdout, stderr}`
---@overload fun(parameters: table): dkvrun.script_run
function run_script(script, args, flags) end

---Runs a function after each test of the block and of the blocks in it, even if the test failed.
---@param f function the function to run
---@return any # nothing
---@overload fun(parameters: table): any
function after_each(f) end

---Runs a function before each test of the block and of the blocks in it, the outermost block's first.
---@param f function the function to run
---@return any # nothing
---@overload fun(parameters: table): any
function before_each(f) end

---Declares a block of tests, with its own name and hooks. Aliases: `context`, `insulate` and `expose`.
---@param name string the name; words that begin with `#` are tags
---@param f function the function to run
---@return any # nothing
---@overload fun(parameters: table): any
function describe(name, f) end

---Runs a function when the test ends, in any case. For use in tests.
---@param f function the function to run
---@return any # nothing
---@overload fun(parameters: table): any
function finally(f) end

---Declares a test. Without a function, the test is pending. Aliases: `spec` and `test`.
---@param name string the name; words that begin with `#` are tags
---@param f? function the function to run
---@return any # nothing
---@overload fun(parameters: table): any
function it(name, f) end

---Declares a test that does not run yet. In a test, ends the test as pending.
---@param name? string the test's name; in a test, why it is pending
---@param f? function the function to run
---@return any # nothing
---@overload fun(parameters: table): any
function pending(name, f) end

---Runs the tests and blocks of a block in random order, even without `--shuffle`; with false, in the order of the source, even with `--shuffle`. The seed decides the random order.
---@param on? boolean 
---@return any # nothing
---@overload fun(parameters: table): any
function randomize(on) end

---Runs a function before the first test of the block. Aliases: `lazy_setup` and `strict_setup`.
---@param f function the function to run
---@return any # nothing
---@overload fun(parameters: table): any
function setup(f) end

---Runs a function after the last test of the block, in any case. Aliases: `lazy_teardown` and `strict_teardown`.
---@param f function the function to run
---@return any # nothing
---@overload fun(parameters: table): any
function teardown(f) end
