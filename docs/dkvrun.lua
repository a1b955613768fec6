---@meta
-- Rendered from the declarations by make gen, for the Lua language server: name this folder in workspace.library.

---A store as one manager sees it: counts and status are of its own instances.
---@class dkvrun.store_row
---@field manager any host:port
---@field store any the store's name
---@field status any `NoInstances`, `Running`, `Stopped`, `Partial` or `Unknown`
---@field instance_count any the manager's own instances
---@field running_instances any those of them that are running
---@field stopped_instances any those of them that are not running
---@field participating_nodes any all instances of the topology
---@field revision any the topology's revision, from 1; 0 if the manager can't read its catalog
---@field instances dkvrun.instance[] the topology, with the state of the manager's own instances
---@field health any `ready`; `degraded` if the manager may have forgotten votes about the store; `read-only` if it refuses every change
---@field doubt any why the health is not `ready`, and the next command; nil if it is

---One instance of a store.
---@class dkvrun.instance
---@field name any its name
---@field host any its server
---@field clustron_port any its cluster port, the port for the store's other instances
---@field client_port any its port for applications; nil for a member of the running store that no manager knows
---@field manager any host:port of its manager
---@field role any `data` or `gateway`
---@field status any `Stopped`, `Starting`, `Running`, `Stopping`, `CrashLooping`, `Joining`, `Leaving` or `Unknown`
---@field desired any the desired state, `Running` or `Stopped`; nil if it is not known
---@field ready any true when its status is `Running` and it takes reads and writes
---@field leader any true for the data instance that leads
---@field pid any its process id, nil if it isn't running
---@field restarts any the number of restarts after a crash
---@field started_at any the time of its start, in UTC as RFC 3339; nil if it isn't running
---@field last_error any the last error, or nil
---@field client_tls any whether its client port requires TLS (`require`) or takes plain connections as well (`prefer`); nil if it speaks no TLS or isn't running
---@field cluster_tls any true if its cluster port speaks TLS
---@field access_stale_since any the time since which it may lack revocations, in UTC as RFC 3339, if that is more than a minute ago: its manager hears no other manager, or can't write the instance's keys; else nil
---@field build any the version and commit of the program that its process runs, such as `0.1.0+2d64b17e41aa`; nil of an older program, or if it isn't running
---@field other_build any true if its process runs another program than its manager, usually that before an upgrade: `restart_instance` starts the installed one

---A store, from all managers together. If some did not answer, the script has to look at `ok`, `unreachable` or `consistent`, or to call `check`.
---@class dkvrun.status
---@field name any the store's name
---@field status any `NoInstances`, `Running`, `Stopped`, `Partial` or `Unknown`
---@field ready any true when the status is `Running` and every instance takes reads and writes; false if no manager that answered can read its catalog
---@field consistent any true if all managers of the store have the same topology, false if any differ or can't read their catalog, nil if one does not answer or was not asked
---@field not_asked string[] the managers of the store that are not in the session, as host:port
---@field revision any the topology's revision, from 1; 0 if no manager that answered can read its catalog
---@field cluster any the engine's id of the store's cluster, in hexadecimal, by which a store differs from another one that has its name or its ports; nil while no instance reports it, or if they differ
---@field topology dkvrun.node[] the topology
---@field instances dkvrun.instance[] a list of instances: name, host, status, ready, role, leader, …
---@field leaving dkvrun.instance[] instances that were removed from the topology and are not gone yet, and other members of the running store that the topology doesn't have; `last_error` says what they wait for
---@field pending dkvrun.pending the operation that is not decided yet, or nil
---@field differences dkvrun.deviation[] the managers whose topology differs; empty if all agree
---@field degraded dkvrun.condition[] the managers that neither vote nor decide about the store, and what to do; empty if there are none
---@field strays dkvrun.stray[] folders with the name of the store that their server's catalog doesn't know, and what runs in them; empty if there are none
---@field ok any true when every manager answered
---@field unreachable dkvrun.silent[] a list of the managers that did not: `{manager, code, message}`
local status = {}

---Raises if a manager did not answer; returns the status otherwise.
---@return dkvrun.status # the status
---@overload fun(parameters: table): dkvrun.status
function status:check() end

---One instance of a topology.
---@class dkvrun.node
---@field name any `<prefix>-<index>`
---@field host any the server
---@field clustron_port any cluster port, the port for the store's other instances
---@field client_port any port for applications
---@field role any `data` or `gateway`; nil until the store is created
---@field manager any host:port of the manager that will run it

---A list, with the managers that did not answer. If some did not, the script has to look at `ok` or `unreachable`, or to call `check`.
---@class dkvrun.rows
---@field ok any true when every manager answered
---@field unreachable dkvrun.silent[] a list of the managers that did not: `{manager, code, message}`
local rows = {}

---Raises if a manager did not answer; returns the rows otherwise.
---@return dkvrun.rows # the rows
---@overload fun(parameters: table): dkvrun.rows
function rows:check() end

---A manager that did not answer a query.
---@class dkvrun.silent
---@field manager any host:port
---@field code any refused, timeout, …
---@field message any a sentence for a person
---@field hint any what to do about it, or nil
---@field who any who the request was made as, over TLS: the URI of the credential's identity, or token; else nil

---The metrics of a store.
---@class dkvrun.metrics
---@field store any the metrics of the store as a whole, by `"Category/Metric"`; one that it lacks is an error
---@field ok any true when every manager answered
---@field unreachable dkvrun.silent[] a list of the managers that did not: `{manager, code, message}`
local metrics = {}

---Raises if a manager did not answer; returns the metrics otherwise.
---@return dkvrun.metrics # the metrics
---@overload fun(parameters: table): dkvrun.metrics
function metrics:check() end

---One metric of one instance, or of the store.
---@class dkvrun.metric
---@field category any `Requests`, `Storage`, `Watch`, `Lease` or `Cluster`
---@field metric any `Get`, `Put`, `Remove`, `ItemsCount`, `Bytes`, `Active`, `IsLeader`
---@field instance any the instance; nil for the store as a whole
---@field rate any per second, averaged over the window; nil if the metric has no rate
---@field total any the count since the instance started, or the current value

---The result of `topology.validate`.
---@class dkvrun.validation
---@field ok any true if the topology is valid
---@field problem any the first problem, or nil

---The result of `topology.diff`.
---@class dkvrun.difference
---@field same any true when nothing differs
---@field added string[] names that only the second has
---@field removed string[] names that only the first has
---@field changed string[] names that both have with another host, port or role
---@field lines string[] one line per difference: `orders-3: client_port 7861 → 7900`

---An operation on a store that managers have prepared and that is not decided yet.
---@class dkvrun.pending
---@field operation any its id
---@field action any CreateStore, AddInstance, …
---@field owner any the runner that started it: user@host, process
---@field since any when the first manager voted, in UTC as RFC 3339, by that manager's clock
---@field age_sec any seconds since then
---@field managers string[] the managers that have prepared it, as host:port

---A manager whose topology differs from the latest one, or that has none.
---@class dkvrun.deviation
---@field manager any host:port
---@field revision any the revision of its topology, nil if it does not know the store or can't read its catalog
---@field message any what differs, in a sentence

---A manager that can't be relied on for a store.
---@class dkvrun.condition
---@field manager any host:port
---@field health any `degraded`: it may have forgotten votes; `read-only`: it refuses every change
---@field message any why, in a sentence
---@field next any the next command or step, or nil

---The folder of an instance that its server's catalog doesn't know. It is kept, and what runs in it goes on.
---@class dkvrun.stray
---@field manager any host:port of the manager on its server
---@field instance any the instance's name
---@field folder any its path
---@field pid any the process that runs in it, or nil
---@field next any the command that ends the process and moves the folder away, to be run on the server

---The result of `ensure_store`.
---@class dkvrun.ensured
---@field name any the store's name
---@field result any `unchanged`, `changed` or `planned`
---@field changes string[] the changes, one sentence each; empty if unchanged

---The certificate that a manager or an instance shows. Without TLS it has `who`, `manager`, `store`, `instance` and `tls` alone.
---@class dkvrun.certificate
---@field who any host:port of the manager, or `STORE/INSTANCE`
---@field manager any host:port of the manager, or of the manager of the instance
---@field store any the store of the instance; nil for a manager
---@field instance any the instance; nil for a manager
---@field tls any what its ports take: `off` (plain connections alone), `prefer` (TLS as well) or `require` (TLS alone)
---@field identity any the URI in the certificate
---@field authority any the first eight digits of the hash of the key of the authority that vouches for it, of two the newer one; nil if none does that is trusted
---@field authorities string[] the authorities that are trusted, the newest one last
---@field peer_authorities string[] those that a running data instance trusts where it connects to other instances, which it reads when it starts; else nil
---@field old_clients string[] the URIs of clients with an open connection and a certificate that only an older authority vouches for, 32 at most; nil if there are none
---@field not_before any the time from which it is valid, in UTC as RFC 3339
---@field not_after any the time at which it ends, in UTC as RFC 3339
---@field serial any its serial number, in hexadecimal digits
---@field stale_since any the time at which the access log was heard of last, in UTC as RFC 3339, if that is more than a minute ago; else nil
---@field problem any why the certificate is not known or not accepted, or nil

---One entry of what the access log of a cluster says.
---@class dkvrun.access_row
---@field kind any `manager`, `user`, `app`, `bearer token`, `join token`, `revoked` or `fork`
---@field name any the name of a user, an application or a token's user; of a manager its identity; the first digits of a join token's hash; the serial number of a revoked certificate; `line N` of a fork
---@field uri any the URI of the identity, which `revoke_access` takes; nil for join tokens, revoked certificates and forks
---@field store any the store of an application, else nil
---@field role any `viewer`, `operator`, `admin`, `app`, `app-readonly` or `manager`; nil where there is none
---@field ends any the time at which it ends or ended, in UTC as RFC 3339; nil if it doesn't
---@field expired any true if that time is over by the clock of this machine
---@field since any of a manager, the time at which it became a member, in UTC as RFC 3339; else nil
---@field serial any the serial number of the certificate that has the role, in hexadecimal; of a manager that of its server's issuer; else nil
---@field token any the first digits of a token's hash, which `revoke_access` takes; nil for other rows
---@field url any where a manager was reached last; nil if that is not known
---@field authority any true for the manager whose server holds the authority's key, which makes the certificates of users
---@field left any how many more servers may use a join token, or how many lines a fork has; else nil

---Fake managers.
---@class dkvrun.fakes
---@field managers any a list of `host:port`
---@field faults any the fault of each manager that has one, by manager

---The result of a runbook that a test has run.
---@class dkvrun.script_run
---@field ok any true when its exit status is 0
---@field status any its exit status
---@field stdout any its standard output
---@field stderr any its standard error

---What `parallel` returns: `#outcomes`, `outcomes[i]`, `ipairs(outcomes)`; `assert(outcomes)` raises if any failed.
---@class dkvrun.outcomes
---@field ok any true when no function raised
---@field failed dkvrun.outcome[] the outcomes of the functions that raised
local outcomes = {}

---Raises if any function raised; returns the outcomes otherwise.
---@return dkvrun.outcomes # the outcomes
---@overload fun(parameters: table): dkvrun.outcomes
function outcomes:check() end

---The result of one of `parallel`'s functions.
---@class dkvrun.outcome
---@field ok any true unless it raised
---@field value any its first result
---@field error any the error that it raised, or nil
local outcome = {}

---What an action returns: `#results` rows, `results[i]`, `ipairs(results)`; `assert(results)` raises if any failed.
---@class dkvrun.results
---@field ok any true when every row succeeded
---@field failed dkvrun.row[] the rows that did not succeed
---@field succeeded dkvrun.row[] the rows that succeeded
---@field consistent any when instances are started, stopped or restarted: whether the store's managers agreed before, as in `store_status`; nil for other actions
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
---@field instance any the instance's name, nil if the step doesn't concern one
---@field action any CreateStore, StartInstance, …
---@field result any SUCCESS, FAILED, SKIPPED, CANCELLED, ROLLED BACK or PLANNED
---@field success any true when result is SUCCESS or PLANNED
---@field changed any false if there was nothing to change
---@field status_code any the HTTP status, 0 if there was no answer
---@field message any a sentence for a person
---@field code any a stable word: ok, unchanged, absent, port_taken, refused, timeout, …
---@field hint any what to do about it, or nil
---@field who any who a failed request was made as, over TLS: the URI of the credential's identity, or token; else nil
---@field in_doubt any true if the request was sent and not answered: it may have been carried out
---@field attempts any the number of times that it was sent
---@field duration_ms any its duration in milliseconds
local row = {}

---A store's data. Keys and values are strings, byte for byte; a missing key is nil, not an error. A request that the store does not take raises an error with the reason, which the managers' status of the store gives. Its `code` is `stopped`, `no_majority`, `full` or `denied` (authentication is enabled), `corrupt`, `too_large`, `compacted`, `busy`, `other_store` (the endpoints belong to another store now) or `store_not_found`, or that of a failed connection: `timeout`, `refused`, …. Its `in_doubt` is true if a write was sent and not answered, so that it may have been made, or if another store has answered that it made it.
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
---@return any # true if the key existed
---@overload fun(parameters: table): any
function store:remove(key) end

---Iterates over the keys in order, a page at a time; all pages are read at the same revision: `for key, value in store:scan{prefix = "order/"} do … end`.
---@param prefix? string only keys with this prefix
---@param limit? integer the largest number of keys; all by default
---@param keys_only? boolean without the values
---@return any # an iterator over keys and values, or with `keys_only` over keys
---@overload fun(parameters: table): any
function store:scan(prefix, limit, keys_only) end

---A function that runs concurrently with the script, started by `spawn`.
---@class dkvrun.task
---@field ended any true once it has ended
local task = {}

---Waits for the task's end and returns what its function returned, or raises what it failed with.
---@return any # what the function returned
---@overload fun(parameters: table): any
function task:wait() end

---A throw-away cluster of a test, from `local_cluster`. Its methods make servers fail and recover.
---@class dkvrun.cluster
---@field managers any a list of `host:port`
---@field hosts any a list of the servers' addresses
---@field secured any true if it is secured
---@field store any the name of the store that `local_cluster` created, or nil
local cluster = {}

---Makes a credential for a secured cluster, and returns its file, which ends with the cluster: of a user with a role, or of an application of a store. When it returns, the managers and instances know it, except those of servers that are killed, paused or cut off. `run_script{…, flags = {"--credential", FILE}}` runs a runbook with it.
---@param role? "viewer"|"operator"|"admin" of a user
---@param app? string the name of an application
---@param store? string with `app`: the store that it uses, which need not exist yet
---@param read_only? boolean with `app`: it may only read
---@param name? string with `role`: the user's name, by default a new one; a new credential ends the earlier one of the same name
---@param token? boolean with `role`: a bearer token, for `--token-file`
---@return any # the path of the file
---@overload fun(parameters: table): any
function cluster:credential(role, app, store, read_only, name, token) end

---Kills the manager and the instances of a server, as a power failure would: none of them shuts down cleanly. With `after` it returns at once, and kills the server when its manager has answered the next request of that kind, before the answer is delivered; the test fails if there is no such request.
---@param server integer its number, from 1
---@param only_manager? boolean leave its instances running
---@param after? "prepare"|"commit"|"abort"|"start"|"stop" the request to wait for: the prepare, commit or abort of an operation, or the start or stop of an instance
---@return any # nothing
---@overload fun(parameters: table): any
function cluster:kill(server, only_manager, after) end

---Restarts the manager of a server, or starts it if it doesn't run, and returns when it answers. The manager starts the instances that should run.
---@param server integer its number, from 1
---@return any # nothing
---@overload fun(parameters: table): any
function cluster:restart(server) end

---Suspends all processes of a server until `resume`: connections to it stay open but get no answer. Unlike a server that is `cut` off, it does nothing meanwhile.
---@param server integer its number, from 1
---@return any # nothing
---@overload fun(parameters: table): any
function cluster:pause(server) end

---Resumes a paused server.
---@param server integer its number, from 1
---@return any # nothing
---@overload fun(parameters: table): any
function cluster:resume(server) end

---Disconnects a server from the network until `heal`: it keeps running, but no packets pass between it and the other servers or the test, also if the other server is cut off as well. Requests to it time out. It stays cut off when it is killed and restarted. The call is refused while a server is paused, and it needs Linux. With `after` it returns at once, as `kill` does.
---@param server integer its number, from 1
---@param after? "prepare"|"commit"|"abort"|"start"|"stop" the request to wait for: the prepare, commit or abort of an operation, or the start or stop of an instance
---@return any # nothing
---@overload fun(parameters: table): any
function cluster:cut(server, after) end

---Reconnects a server that was cut off. Connections that stayed open retransmit only after a while, so tests should wait for the expected effect, for example with `assert.eventually`.
---@param server integer its number, from 1
---@return any # nothing
---@overload fun(parameters: table): any
function cluster:heal(server) end

---Adds instances to a store: one instance, the given nodes, or a number of instances on each of several hosts. A server without the store gets the whole topology. In a running store the call returns when the new instances take reads and writes, and gateways that become data instances do so again: a store that was `Running` is `Running` again.
---@param name string the store's name: a letter, then up to 62 letters, digits, `_` or `-`
---@param instance_name? string the new instance's name; by default the store's prefix with the next index
---@param host? string the server of the one new instance
---@param clustron_port? integer its cluster port; by default the next free one of the store on that host
---@param client_port? integer its client port; by default the next free one of the store on that host
---@param nodes? table several new nodes, each `{name, host, clustron_port, client_port}`
---@param hosts? string|string[] servers that get `instance_count` new instances each; their names and ports continue those of the store
---@param instance_count? integer with `hosts`: the number of new instances on each server; 1 by default
---@param atomic? boolean apply the change on all managers or on none; with `false` each manager applies it on its own, and a manager that fails keeps the old topology
---@param managers? string|string[] the managers to use instead of the session's: `host` or `host:port`; one string may hold several, separated by commas
---@param port? integer the port of managers that are given without one; the default is 7801 or the value of `--manager-port`
---@param parallel? any contact all managers at once instead of one after the other; a number limits how many at once
---@param fail_fast? boolean stop at the first failure: requests that were not sent are SKIPPED, requests in flight are CANCELLED
---@param dry_run? boolean check with the managers, show what would be done as PLANNED rows, and change nothing; later calls of the run see the planned state. `--dry-run` does this for all actions
---@param timeout_sec? number seconds for the answer of each manager
---@param connect_timeout_sec? number seconds for the connection to be made, as part of `timeout_sec`
---@param deadline? number seconds for the whole action; requests that are not finished by then are cancelled or skipped
---@return dkvrun.results # results: one AddInstance row per manager, then, in a running store, one JoinInstance row per new instance and per gateway that becomes a data instance
---@overload fun(parameters: table): dkvrun.results
function add_instance(name, instance_name, host, clustron_port, client_port, nodes, hosts, instance_count, atomic, managers, port, parallel, fail_fast, dry_run, timeout_sec, connect_timeout_sec, deadline) end

---Declares the script's own options and reads them from its command line. Each name has a type ("string", "integer", "number", "boolean", "list"), which makes it required, or a default, which gives it a type. The script then accepts `--name VALUE` and `--name=VALUE`, `--name` and `--no-name` for a boolean, commas or a repeated option for a list, and `--help`.
---@param options any a table of the options: their names, in snake_case, and their types or defaults
---@param about? string what the script does, for `--help`: shown as it is, before the options
---@return any # a table with the options' values by name and the other arguments of the command line as list items
---@overload fun(parameters: table): any
function args(options, about) end

---Registers a function to be called when the run ends, also after an error, `exit`, `--timeout` or Ctrl-C. After `--timeout`, `--max-memory` or Ctrl-C all functions together have 4 seconds. The functions run in reverse order, each with the session that was current when it was registered.
---@param f function the function to call
---@return any # nothing
---@overload fun(parameters: table): any
function at_exit(f) end

---Connects to all managers at once and makes them the session, in this order. Without managers it uses those of `-m`, DKVRUN_MANAGERS or `--local`. If a manager does not answer, it raises an error after it has shown a row for each manager, and the session does not change. The message of a row says if its manager is read-only or degraded, which means that it may have forgotten votes; a notice says why, and what to do.
---@param managers? string|string[] `host`, `host:port`, an IPv4 or IPv6 address, or `http(s)://host:port`; one string may hold several, separated by commas
---@param port? integer the port of managers that are given without one; the default is 7801 or the value of `--manager-port`
---@param force? boolean replace another session
---@param allow_down? boolean connect even if some managers don't answer: queries and instance actions work, topology changes still need all; same as `--allow-down`
---@param timeout_sec? number seconds for the answer of each manager
---@return dkvrun.results # results: one Connect row per manager
---@overload fun(parameters: table): dkvrun.results
function connect_managers(managers, port, force, allow_down, timeout_sec) end

---Returns an object that reads and writes a store through the client ports of its instances, over HTTP and JSON. Each call goes to the first endpoint that can be reached and belongs to the store: another store that uses its ports later, also one of the same name, is neither read nor changed. Secured stores take the credential of the run: that of a user, by its role, or that of an application of this store. An application needs no role at the managers: they tell it the client ports of its own store, and nothing else.
---@param name string the store's name: a letter, then up to 62 letters, digits, `_` or `-`
---@param endpoints? string|string[] `host:port` of client ports, in the order to try; by default those of the topology. A client port that a manager of the session lists under another store is refused
---@param managers? string|string[] the managers to use instead of the session's: `host` or `host:port`; one string may hold several, separated by commas
---@param port? integer the port of managers that are given without one; the default is 7801 or the value of `--manager-port`
---@param timeout_sec? number seconds for the answer of each manager
---@param connect_timeout_sec? number seconds for the connection to be made, as part of `timeout_sec`
---@return dkvrun.store # a store
---@overload fun(parameters: table): dkvrun.store
function connect_store(name, endpoints, managers, port, timeout_sec, connect_timeout_sec) end

---Runs a function with a time limit: when the time is over, the function is cancelled and `deadline` raises an error with the code `timeout`.
---@param sec number seconds
---@param f function the function to run
---@return any # what the function returns
---@overload fun(parameters: table): any
function deadline(sec, f) end

---Ends the session. The managers are not contacted.
---@return any # nothing
---@overload fun(parameters: table): any
function disconnect_managers() end

---Makes the cluster match the description of a store: it creates the store, adds instances, or changes nothing, and reports which. It is safe to run repeatedly, for example every hour. It never removes or moves an instance: if that would be needed, or if anything fails, it raises an error.
---@param name string the store's name: a letter, then up to 62 letters, digits, `_` or `-`
---@param instance_prefix? string names are `<prefix>-<index>`; the index counts from 1 through the whole cluster
---@param instance_count? integer the number of instances on each server
---@param clustron_port? integer cluster port, the port for the store's other instances, of the first instance on each server; each further instance there gets the next port
---@param client_port? integer client port of the first instance on each server; each further instance there gets the next port
---@param nodes? table the whole topology in place of the generated one, in the form that `topology` returns; roles as for `new_store`
---@param managers? string|string[] the managers to use instead of the session's: `host` or `host:port`; one string may hold several, separated by commas
---@param port? integer the port of managers that are given without one; the default is 7801 or the value of `--manager-port`
---@param parallel? any contact all managers at once instead of one after the other; a number limits how many at once
---@param fail_fast? boolean stop at the first failure: requests that were not sent are SKIPPED, requests in flight are CANCELLED
---@param dry_run? boolean check with the managers, show what would be done as PLANNED rows, and change nothing; later calls of the run see the planned state. `--dry-run` does this for all actions
---@param timeout_sec? number seconds for the answer of each manager
---@param connect_timeout_sec? number seconds for the connection to be made, as part of `timeout_sec`
---@param deadline? number seconds for the whole action; requests that are not finished by then are cancelled or skipped
---@return dkvrun.ensured # `{name, result, changes}`: result is `unchanged`, `changed` or, in a dry run, `planned`; changes is a list of sentences
---@overload fun(parameters: table): dkvrun.ensured
function ensure_store(name, instance_prefix, instance_count, clustron_port, client_port, nodes, managers, port, parallel, fail_fast, dry_run, timeout_sec, connect_timeout_sec, deadline) end

---Ends the run with a status, also from a task, after the functions of `at_exit`. `pcall` does not stop it.
---@param status? integer the exit status
---@param message? string printed on standard error
---@return any # never
---@overload fun(parameters: table): any
function exit(status, message) end

---Queries every manager about one store, or about all stores.
---@param name? string the store's name: a letter, then up to 62 letters, digits, `_` or `-`
---@param managers? string|string[] the managers to use instead of the session's: `host` or `host:port`; one string may hold several, separated by commas
---@param port? integer the port of managers that are given without one; the default is 7801 or the value of `--manager-port`
---@param timeout_sec? number seconds for the answer of each manager
---@param connect_timeout_sec? number seconds for the connection to be made, as part of `timeout_sec`
---@return dkvrun.rows|dkvrun.store_row[] # a list with one row per manager and store, and the fields `ok` and `unreachable`
---@overload fun(parameters: table): dkvrun.rows|dkvrun.store_row[]
function get_store(name, managers, port, timeout_sec, connect_timeout_sec) end

---Makes a credential and writes it to a file that only its owner may read: for a user or a job, with a role at the managers (`name`, `role`), or for an application of one store (`app`, `store`). It ends the earlier credential of the same name. The key is made on this machine and stays in the file; the change is signed with the key of the admin whose certificate this run uses. One manager writes it to disk, and the others take it within seconds; the rows say which have it. If the run is interrupted, the same call completes it or begins anew.
---@param name? string the user or job, such as `ci`
---@param role? "viewer"|"operator"|"admin" what it may do: a viewer reads, an operator also starts, stops, restarts and repairs, an admin changes topologies and access as well
---@param app? string the application, such as `web`, instead of `name` and `role`
---@param store? string the store that the application uses
---@param read_only? boolean the application may only read
---@param token? boolean make a bearer token for the user instead of a certificate; unlike a certificate it ends no earlier one
---@param ttl? any how long it is valid: seconds, or a text with a unit as in `"720h"`; from one minute to ten years
---@param out string the file, which must not exist
---@param force? boolean also end the certificate of the last admin, or the one that this run uses; without it such a change is refused with the code `last_admin`
---@param dry_run? boolean check with the managers, show what would be done as PLANNED rows, and change nothing; later calls of the run see the planned state. `--dry-run` does this for all actions
---@param managers? string|string[] the managers to use instead of the session's: `host` or `host:port`; one string may hold several, separated by commas
---@param port? integer the port of managers that are given without one; the default is 7801 or the value of `--manager-port`
---@param timeout_sec? number seconds for the answer of each manager
---@return dkvrun.results # results: one GrantAccess row per manager
---@overload fun(parameters: table): dkvrun.results
function grant_access(name, role, app, store, read_only, token, ttl, out, force, dry_run, managers, port, timeout_sec) end

---Reads the last lines of an instance's log, through its manager.
---@param name string the store's name: a letter, then up to 62 letters, digits, `_` or `-`
---@param instance_name string the instance
---@param tail? integer how many lines
---@param managers? string|string[] the managers to use instead of the session's: `host` or `host:port`; one string may hold several, separated by commas
---@param port? integer the port of managers that are given without one; the default is 7801 or the value of `--manager-port`
---@param timeout_sec? number seconds for the answer of each manager
---@param connect_timeout_sec? number seconds for the connection to be made, as part of `timeout_sec`
---@return any # a string; empty when the instance never ran
---@overload fun(parameters: table): any
function instance_log(name, instance_name, tail, managers, port, timeout_sec, connect_timeout_sec) end

json = {}

---Reads JSON. null becomes nil, so a field with null is absent. Text that is not UTF-8, half of a surrogate pair and a name that an object has twice are refused. Numbers are doubles, as all numbers of Lua: whole numbers are exact up to 2^53, and larger ones and long fractions are rounded.
---@param text string one JSON value
---@return any # the value
---@overload fun(parameters: table): any
function json.decode(text) end

---Writes a value as JSON. An empty table is `[]`; keys are sorted. Text that is not UTF-8 is refused, as is everything else that JSON does not have; the error says where it is.
---@param value? any nil, boolean, number, string, table, or anything that a builtin returned
---@return any # a string
---@overload fun(parameters: table): any
function json.encode(value) end

---Lists who may do what in the cluster of the session's managers, as the access log says: managers, users and applications with their roles, bearer tokens and open join tokens without their secrets, revoked certificates, and branches of the log that differ. It takes the longest log of those that the managers have; a notice names managers with another one. Managers that are not secured have none.
---@param managers? string|string[] the managers to use instead of the session's: `host` or `host:port`; one string may hold several, separated by commas
---@param port? integer the port of managers that are given without one; the default is 7801 or the value of `--manager-port`
---@param timeout_sec? number seconds for the answer of each manager
---@param connect_timeout_sec? number seconds for the connection to be made, as part of `timeout_sec`
---@return dkvrun.rows|dkvrun.access_row[] # a list with one row for each of them, and the fields `ok` and `unreachable`
---@overload fun(parameters: table): dkvrun.rows|dkvrun.access_row[]
function list_access(managers, port, timeout_sec, connect_timeout_sec) end

---Queries every manager about its certificate and those of its instances: which authority vouches for each, when it ends, and what it trusts. A manager that is not secured has none, and its `tls` is `off`.
---@param managers? string|string[] the managers to use instead of the session's: `host` or `host:port`; one string may hold several, separated by commas
---@param port? integer the port of managers that are given without one; the default is 7801 or the value of `--manager-port`
---@param timeout_sec? number seconds for the answer of each manager
---@param connect_timeout_sec? number seconds for the connection to be made, as part of `timeout_sec`
---@return dkvrun.rows|dkvrun.certificate[] # a list with one row for each manager and each of its instances, and the fields `ok` and `unreachable`
---@overload fun(parameters: table): dkvrun.rows|dkvrun.certificate[]
function list_certificates(managers, port, timeout_sec, connect_timeout_sec) end

---Lists the managers of the session, in its order; before the session is connected, those of `-m`, DKVRUN_MANAGERS or `--local`.
---@return any # a list of `host:port`, empty where there is no session
---@overload fun(parameters: table): any
function managers() end

---Generates the topology of a new store and creates it on all managers or on none. Nothing runs yet: `start_store` starts it. If the same store exists already, the call succeeds with the code `unchanged`.
---@param name string the store's name: a letter, then up to 62 letters, digits, `_` or `-`
---@param instance_prefix? string names are `<prefix>-<index>`; the index counts from 1 through the whole cluster
---@param instance_count? integer the number of instances on each server
---@param clustron_port? integer cluster port, the port for the store's other instances, of the first instance on each server; each further instance there gets the next port
---@param client_port? integer client port of the first instance on each server; each further instance there gets the next port
---@param nodes? table the whole topology in place of the generated one, in the form that `topology` returns. A given `role` is kept, but gateways become data instances until enough instances hold data: all of up to three instances, three of four, five of five or more
---@param atomic? boolean apply the change on all managers or on none; with `false` each manager applies it on its own, and a manager that fails keeps the old topology
---@param managers? string|string[] the managers to use instead of the session's: `host` or `host:port`; one string may hold several, separated by commas
---@param port? integer the port of managers that are given without one; the default is 7801 or the value of `--manager-port`
---@param parallel? any contact all managers at once instead of one after the other; a number limits how many at once
---@param fail_fast? boolean stop at the first failure: requests that were not sent are SKIPPED, requests in flight are CANCELLED
---@param dry_run? boolean check with the managers, show what would be done as PLANNED rows, and change nothing; later calls of the run see the planned state. `--dry-run` does this for all actions
---@param timeout_sec? number seconds for the answer of each manager
---@param connect_timeout_sec? number seconds for the connection to be made, as part of `timeout_sec`
---@param deadline? number seconds for the whole action; requests that are not finished by then are cancelled or skipped
---@return dkvrun.results # results: one CreateStore row per manager
---@overload fun(parameters: table): dkvrun.results
function new_store(name, instance_prefix, instance_count, clustron_port, client_port, nodes, atomic, managers, port, parallel, fail_fast, dry_run, timeout_sec, connect_timeout_sec, deadline) end

---Runs functions at the same time, each as a task, and waits for all of them. A function that raises doesn't stop the others; the script has to check its failure, like that of an action. Each task starts with the caller's session and can replace it for itself.
---@param functions any a list of functions
---@param limit? integer the largest number at a time; without it, all at once
---@return dkvrun.outcomes # outcomes: `ok`, `value` and `error` of each function, in their order
---@overload fun(parameters: table): dkvrun.outcomes
function parallel(functions, limit) end

---Removes one instance from a store and deletes its data. The call is refused if the store would lose its quorum, or can't remove the instance because the store isn't running. A data instance is first replaced by a ready gateway, if there is one. The call returns when the instance is no member of the running store any more and its data is deleted. If that takes longer than `timeout_sec`, its row has the code `still_member` and says what is waited for; the instance is no longer in the topology, and the same call waits again. If its manager is not there, the others take it out of the running store, and its data stays on its server.
---@param name string the store's name: a letter, then up to 62 letters, digits, `_` or `-`
---@param instance_name string the instance
---@param lose_data? boolean remove it at once, even if the store stops or loses data
---@param atomic? boolean apply the change on all managers or on none; with `false` each manager applies it on its own, and a manager that fails keeps the old topology
---@param managers? string|string[] the managers to use instead of the session's: `host` or `host:port`; one string may hold several, separated by commas
---@param port? integer the port of managers that are given without one; the default is 7801 or the value of `--manager-port`
---@param parallel? any contact all managers at once instead of one after the other; a number limits how many at once
---@param fail_fast? boolean stop at the first failure: requests that were not sent are SKIPPED, requests in flight are CANCELLED
---@param dry_run? boolean check with the managers, show what would be done as PLANNED rows, and change nothing; later calls of the run see the planned state. `--dry-run` does this for all actions
---@param timeout_sec? number seconds for the answer of each manager
---@param connect_timeout_sec? number seconds for the connection to be made, as part of `timeout_sec`
---@param deadline? number seconds for the whole action; requests that are not finished by then are cancelled or skipped
---@return dkvrun.results # results: one RemoveInstance row per manager, then a LeaveInstance row if the instance was there
---@overload fun(parameters: table): dkvrun.results
function remove_instance(name, instance_name, lose_data, atomic, managers, port, parallel, fail_fast, dry_run, timeout_sec, connect_timeout_sec, deadline) end

---Removes a store and deletes its data on every manager. Without `confirm` the run asks the user on the terminal; without a terminal the call is refused. `--yes` confirms in advance.
---@param name string the store's name: a letter, then up to 62 letters, digits, `_` or `-`
---@param confirm? string the store's name again, as a confirmation
---@param stop_first? boolean stop running instances first; without it a running store is refused
---@param atomic? boolean apply the change on all managers or on none; with `false` each manager applies it on its own, and a manager that fails keeps the old topology
---@param managers? string|string[] the managers to use instead of the session's: `host` or `host:port`; one string may hold several, separated by commas
---@param port? integer the port of managers that are given without one; the default is 7801 or the value of `--manager-port`
---@param parallel? any contact all managers at once instead of one after the other; a number limits how many at once
---@param fail_fast? boolean stop at the first failure: requests that were not sent are SKIPPED, requests in flight are CANCELLED
---@param dry_run? boolean check with the managers, show what would be done as PLANNED rows, and change nothing; later calls of the run see the planned state. `--dry-run` does this for all actions
---@param timeout_sec? number seconds for the answer of each manager
---@param connect_timeout_sec? number seconds for the connection to be made, as part of `timeout_sec`
---@param deadline? number seconds for the whole action; requests that are not finished by then are cancelled or skipped
---@return dkvrun.results # results: with `stop_first`, one StopInstance row per instance; then one RemoveStore row per manager
---@overload fun(parameters: table): dkvrun.results
function remove_store(name, confirm, stop_first, atomic, managers, port, parallel, fail_fast, dry_run, timeout_sec, connect_timeout_sec, deadline) end

---Resolves now an operation that was left in doubt when its runner or a manager failed; without this call the managers resolve it by themselves later. An operation that is still in flight is waited for, never rolled back. With `lost` the store continues without a manager that is gone for good: all other managers must take part. The lost manager need not answer; one that answers is not lost, unless it can't read its catalog. Another manager that does not answer is a failed row, unless silent managers are accepted (`--allow-down`). If the lost manager comes back, its decisions no longer count, and it stops its instances of the store. With `decide` a person ends the one operation that nobody can decide: its coordinator had to fall back to an older catalog and may have committed or aborted it, and all other participants have voted for it. A plain call says so.
---@param name string the store's name: a letter, then up to 62 letters, digits, `_` or `-`
---@param lost? string the host, `host:port` or identity of a manager that will never come back
---@param decide? "make"|"drop" `make` commits the operation that nobody can decide, `drop` aborts it; not with `lost`
---@param managers? string|string[] the managers to use instead of the session's: `host` or `host:port`; one string may hold several, separated by commas
---@param port? integer the port of managers that are given without one; the default is 7801 or the value of `--manager-port`
---@param parallel? any contact all managers at once instead of one after the other; a number limits how many at once
---@param fail_fast? boolean stop at the first failure: requests that were not sent are SKIPPED, requests in flight are CANCELLED
---@param dry_run? boolean check with the managers, show what would be done as PLANNED rows, and change nothing; later calls of the run see the planned state. `--dry-run` does this for all actions
---@param timeout_sec? number seconds for the answer of each manager
---@param connect_timeout_sec? number seconds for the connection to be made, as part of `timeout_sec`
---@param deadline? number seconds for the whole action; requests that are not finished by then are cancelled or skipped
---@return dkvrun.results # results: one RepairStore row per manager
---@overload fun(parameters: table): dkvrun.results
function repair_store(name, lost, decide, managers, port, parallel, fail_fast, dry_run, timeout_sec, connect_timeout_sec, deadline) end

---Stops one instance and starts it again. If the stop fails, it is not started.
---@param name string the store's name: a letter, then up to 62 letters, digits, `_` or `-`
---@param instance_name string the instance
---@param force? boolean kill at once instead of stopping gracefully
---@param managers? string|string[] the managers to use instead of the session's: `host` or `host:port`; one string may hold several, separated by commas
---@param port? integer the port of managers that are given without one; the default is 7801 or the value of `--manager-port`
---@param parallel? any contact all managers at once instead of one after the other; a number limits how many at once
---@param fail_fast? boolean stop at the first failure: requests that were not sent are SKIPPED, requests in flight are CANCELLED
---@param dry_run? boolean check with the managers, show what would be done as PLANNED rows, and change nothing; later calls of the run see the planned state. `--dry-run` does this for all actions
---@param timeout_sec? number seconds for the answer of each manager
---@param connect_timeout_sec? number seconds for the connection to be made, as part of `timeout_sec`
---@param deadline? number seconds for the whole action; requests that are not finished by then are cancelled or skipped
---@return dkvrun.results # results: a StopInstance row and a StartInstance row
---@overload fun(parameters: table): dkvrun.results
function restart_instance(name, instance_name, force, managers, port, parallel, fail_fast, dry_run, timeout_sec, connect_timeout_sec, deadline) end

---Restarts the instances of a running store one after the other, while the store takes reads and writes: first the data instances, the leader last of them, then the gateways. The manager of each instance restarts it only while all other instances are ready and the data instances have a majority without it, so never more than one is down, however many such calls are made at once. The call waits until the instance is ready again before it restarts the next one, and stops at the first that fails. With `rolling = false` it restarts all instances without these conditions, and returns when the new processes have been started.
---@param name string the store's name: a letter, then up to 62 letters, digits, `_` or `-`
---@param rolling? boolean one after the other; with `false` all, and writes stand still meanwhile
---@param skip_down? boolean leave instances that are not ready as they are, and restart the others; by default the call is refused if any is not ready
---@param managers? string|string[] the managers to use instead of the session's: `host` or `host:port`; one string may hold several, separated by commas
---@param port? integer the port of managers that are given without one; the default is 7801 or the value of `--manager-port`
---@param parallel? any contact all managers at once instead of one after the other; a number limits how many at once
---@param fail_fast? boolean stop at the first failure: requests that were not sent are SKIPPED, requests in flight are CANCELLED
---@param dry_run? boolean check with the managers, show what would be done as PLANNED rows, and change nothing; later calls of the run see the planned state. `--dry-run` does this for all actions
---@param timeout_sec? number seconds for each instance, until it is ready again; with `rolling = false` for the answer of each manager
---@param connect_timeout_sec? number seconds for the connection to be made, as part of `timeout_sec`
---@param deadline? number seconds for the whole action; requests that are not finished by then are cancelled or skipped
---@return dkvrun.results # results: one RestartInstance row per instance, in the order of their restarts
---@overload fun(parameters: table): dkvrun.results
function restart_store(name, rolling, skip_down, managers, port, parallel, fail_fast, dry_run, timeout_sec, connect_timeout_sec, deadline) end

---Calls a function until it neither raises nor returns a failed result. An error of misuse is not retried: it would occur again.
---@param f function what to try; it gets the number of the attempt
---@param times? integer the largest number of attempts
---@param delay_sec? number seconds before the second attempt
---@param backoff? number the factor by which the delay grows each time
---@return any # what the function returns; raises what the last attempt failed with
---@overload fun(parameters: table): any
function retry(f, times, delay_sec, backoff) end

---Ends what somebody was granted: a user's certificate and bearer tokens, an application, a manager's membership, one certificate, or one token. It takes the certificate of an admin, whose key signs the change on this machine. One manager writes it to disk, and the others take it within seconds; the rows say which have it. Each manager and instance that knows it refuses the next request, and ends open connections.
---@param name string the name of a user; the URI of anybody, such as `dkv://app.prod/OrdersStore/web`; the serial number of a certificate, in hexadecimal; or the digits by which `list_access` shows a token
---@param force? boolean also end the certificate of the last admin, or the one that this run uses; without it such a change is refused with the code `last_admin`
---@param dry_run? boolean check with the managers, show what would be done as PLANNED rows, and change nothing; later calls of the run see the planned state. `--dry-run` does this for all actions
---@param managers? string|string[] the managers to use instead of the session's: `host` or `host:port`; one string may hold several, separated by commas
---@param port? integer the port of managers that are given without one; the default is 7801 or the value of `--manager-port`
---@param timeout_sec? number seconds for the answer of each manager
---@return dkvrun.results # results: one RevokeAccess row per manager
---@overload fun(parameters: table): dkvrun.results
function revoke_access(name, force, dry_run, managers, port, timeout_sec) end

---Switches the cluster ports of a store, which was created by managers that were not secured, from plain connections to TLS, at all managers or at none. An instance whose port is plain can't talk to one whose port speaks TLS, so all data instances are restarted at once: writes and reads stand still for some seconds, and none that was answered is lost. The managers restart them by themselves, also if the run ends meanwhile; an instance whose manager is down follows when that is back. The call returns when all instances that are to run are ready again. All managers of the store have to be secured, and its data instances must have been part of the running store, or none ever started: else the call changes nothing. The switch can't be undone. A store of secured managers has TLS from the beginning.
---@param name string the store's name: a letter, then up to 62 letters, digits, `_` or `-`
---@param managers? string|string[] the managers to use instead of the session's: `host` or `host:port`; one string may hold several, separated by commas
---@param port? integer the port of managers that are given without one; the default is 7801 or the value of `--manager-port`
---@param parallel? any contact all managers at once instead of one after the other; a number limits how many at once
---@param fail_fast? boolean stop at the first failure: requests that were not sent are SKIPPED, requests in flight are CANCELLED
---@param dry_run? boolean check with the managers, show what would be done as PLANNED rows, and change nothing; later calls of the run see the planned state. `--dry-run` does this for all actions
---@param timeout_sec? number seconds for the answer of each manager
---@param connect_timeout_sec? number seconds for the connection to be made, as part of `timeout_sec`
---@param deadline? number seconds for the whole action; requests that are not finished by then are cancelled or skipped
---@return dkvrun.results # results: one SecureStore row per manager
---@overload fun(parameters: table): dkvrun.results
function secure_store(name, managers, port, parallel, fail_fast, dry_run, timeout_sec, connect_timeout_sec, deadline) end

---Prints values as `-e` shows them: tables in full, lists of rows as a table.
---@param values? any anything
---@return any # nothing
---@overload fun(parameters: table): any
function show(values) end

---Waits for a number of seconds. Ctrl-C and `--timeout` interrupt it.
---@param sec number seconds
---@return any # nothing
---@overload fun(parameters: table): any
function sleep(sec) end

---Starts a task: a function that runs concurrently with the script. It is cancelled and waited for when the function that started it ends: the script, another task, or a function that `step`, `with_managers`, `deadline`, `retry` or `wait_until` runs. If a task fails and the script did not wait for it, the run fails.
---@param f function the function to run
---@param arguments? any passed to the function unchanged
---@return dkvrun.task # a task
---@overload fun(parameters: table): dkvrun.task
function spawn(f, arguments) end

---Starts one instance.
---@param name string the store's name: a letter, then up to 62 letters, digits, `_` or `-`
---@param instance_name string the instance
---@param managers? string|string[] the managers to use instead of the session's: `host` or `host:port`; one string may hold several, separated by commas
---@param port? integer the port of managers that are given without one; the default is 7801 or the value of `--manager-port`
---@param parallel? any contact all managers at once instead of one after the other; a number limits how many at once
---@param fail_fast? boolean stop at the first failure: requests that were not sent are SKIPPED, requests in flight are CANCELLED
---@param dry_run? boolean check with the managers, show what would be done as PLANNED rows, and change nothing; later calls of the run see the planned state. `--dry-run` does this for all actions
---@param timeout_sec? number seconds for the answer of each manager
---@param connect_timeout_sec? number seconds for the connection to be made, as part of `timeout_sec`
---@param deadline? number seconds for the whole action; requests that are not finished by then are cancelled or skipped
---@return dkvrun.results # results with one StartInstance row
---@overload fun(parameters: table): dkvrun.results
function start_instance(name, instance_name, managers, port, parallel, fail_fast, dry_run, timeout_sec, connect_timeout_sec, deadline) end

---Starts every instance of a store, each through its own manager. It returns when the processes run; `wait_ready` waits until the store takes writes.
---@param name string the store's name: a letter, then up to 62 letters, digits, `_` or `-`
---@param instance_name? string only this instance
---@param managers? string|string[] the managers to use instead of the session's: `host` or `host:port`; one string may hold several, separated by commas
---@param port? integer the port of managers that are given without one; the default is 7801 or the value of `--manager-port`
---@param parallel? any contact all managers at once instead of one after the other; a number limits how many at once
---@param fail_fast? boolean stop at the first failure: requests that were not sent are SKIPPED, requests in flight are CANCELLED
---@param dry_run? boolean check with the managers, show what would be done as PLANNED rows, and change nothing; later calls of the run see the planned state. `--dry-run` does this for all actions
---@param timeout_sec? number seconds for the answer of each manager
---@param connect_timeout_sec? number seconds for the connection to be made, as part of `timeout_sec`
---@param deadline? number seconds for the whole action; requests that are not finished by then are cancelled or skipped
---@return dkvrun.results # results: one StartInstance row per instance
---@overload fun(parameters: table): dkvrun.results
function start_store(name, instance_name, managers, port, parallel, fail_fast, dry_run, timeout_sec, connect_timeout_sec, deadline) end

---Runs a function as a named step: standard error shows when it begins, how it ends (done, failed, interrupted, timed out) and how long it took, and `-o json` lists it. Steps can be nested.
---@param name string the step's name, as it is shown
---@param f function the function to run
---@return any # what the function returns
---@overload fun(parameters: table): any
function step(name, f) end

---Stops one instance; a leader transfers its leadership first.
---@param name string the store's name: a letter, then up to 62 letters, digits, `_` or `-`
---@param instance_name string the instance
---@param force? boolean kill at once instead of stopping gracefully
---@param managers? string|string[] the managers to use instead of the session's: `host` or `host:port`; one string may hold several, separated by commas
---@param port? integer the port of managers that are given without one; the default is 7801 or the value of `--manager-port`
---@param parallel? any contact all managers at once instead of one after the other; a number limits how many at once
---@param fail_fast? boolean stop at the first failure: requests that were not sent are SKIPPED, requests in flight are CANCELLED
---@param dry_run? boolean check with the managers, show what would be done as PLANNED rows, and change nothing; later calls of the run see the planned state. `--dry-run` does this for all actions
---@param timeout_sec? number seconds for the answer of each manager
---@param connect_timeout_sec? number seconds for the connection to be made, as part of `timeout_sec`
---@param deadline? number seconds for the whole action; requests that are not finished by then are cancelled or skipped
---@return dkvrun.results # results with one StopInstance row
---@overload fun(parameters: table): dkvrun.results
function stop_instance(name, instance_name, force, managers, port, parallel, fail_fast, dry_run, timeout_sec, connect_timeout_sec, deadline) end

---Stops every instance of a store; the data stays. A stop that takes longer than 10 s ends in a kill.
---@param name string the store's name: a letter, then up to 62 letters, digits, `_` or `-`
---@param instance_name? string only this instance
---@param force? boolean kill at once instead of stopping gracefully
---@param managers? string|string[] the managers to use instead of the session's: `host` or `host:port`; one string may hold several, separated by commas
---@param port? integer the port of managers that are given without one; the default is 7801 or the value of `--manager-port`
---@param parallel? any contact all managers at once instead of one after the other; a number limits how many at once
---@param fail_fast? boolean stop at the first failure: requests that were not sent are SKIPPED, requests in flight are CANCELLED
---@param dry_run? boolean check with the managers, show what would be done as PLANNED rows, and change nothing; later calls of the run see the planned state. `--dry-run` does this for all actions
---@param timeout_sec? number seconds for the answer of each manager
---@param connect_timeout_sec? number seconds for the connection to be made, as part of `timeout_sec`
---@param deadline? number seconds for the whole action; requests that are not finished by then are cancelled or skipped
---@return dkvrun.results # results: one StopInstance row per instance
---@overload fun(parameters: table): dkvrun.results
function stop_store(name, instance_name, force, managers, port, parallel, fail_fast, dry_run, timeout_sec, connect_timeout_sec, deadline) end

---Returns the metrics of a store, with rates and totals: requests, items, bytes, watches, leases, and which instance leads.
---@param name string the store's name: a letter, then up to 62 letters, digits, `_` or `-`
---@param window_sec? integer the period, in seconds, over which rates are averaged
---@param managers? string|string[] the managers to use instead of the session's: `host` or `host:port`; one string may hold several, separated by commas
---@param port? integer the port of managers that are given without one; the default is 7801 or the value of `--manager-port`
---@param timeout_sec? number seconds for the answer of each manager
---@param connect_timeout_sec? number seconds for the connection to be made, as part of `timeout_sec`
---@return dkvrun.metrics|dkvrun.metric[] # a list with one row per category, metric and instance: `{category, metric, instance, rate, total}`; `rows.store["Requests/Put"]` is the sum over the store (for items and bytes the largest value of a data instance, because each of them holds all data)
---@overload fun(parameters: table): dkvrun.metrics|dkvrun.metric[]
function store_metrics(name, window_sec, managers, port, timeout_sec, connect_timeout_sec) end

---Returns the state of a store in the whole cluster, with every instance as its own manager reports it.
---@param name string the store's name: a letter, then up to 62 letters, digits, `_` or `-`
---@param managers? string|string[] the managers to use instead of the session's: `host` or `host:port`; one string may hold several, separated by commas
---@param port? integer the port of managers that are given without one; the default is 7801 or the value of `--manager-port`
---@param timeout_sec? number seconds for the answer of each manager
---@param connect_timeout_sec? number seconds for the connection to be made, as part of `timeout_sec`
---@return dkvrun.status # one table; raises when no manager knows the store
---@overload fun(parameters: table): dkvrun.status
function store_status(name, managers, port, timeout_sec, connect_timeout_sec) end

---Generates the topology that `new_store` would create, without using the network: `instance_count` nodes on each server, with names that count through the cluster, server by server. It takes all parameters of `new_store`, so that both can be given the same table; the name, and what says how managers are contacted, change nothing here.
---@param name? string the store's name: a letter, then up to 62 letters, digits, `_` or `-`
---@param instance_prefix? string names are `<prefix>-<index>`; the index counts from 1 through the whole cluster
---@param instance_count? integer the number of instances on each server
---@param clustron_port? integer cluster port, the port for the store's other instances, of the first instance on each server; each further instance there gets the next port
---@param client_port? integer client port of the first instance on each server; each further instance there gets the next port
---@param nodes? table the whole topology in place of the generated one, in the form that `topology` returns. A given `role` is kept, but gateways become data instances until enough instances hold data: all of up to three instances, three of four, five of five or more
---@param atomic? boolean apply the change on all managers or on none; with `false` each manager applies it on its own, and a manager that fails keeps the old topology
---@param managers? string|string[] the managers to use instead of the session's: `host` or `host:port`; one string may hold several, separated by commas
---@param port? integer the port of managers that are given without one; the default is 7801 or the value of `--manager-port`
---@param parallel? any contact all managers at once instead of one after the other; a number limits how many at once
---@param fail_fast? boolean stop at the first failure: requests that were not sent are SKIPPED, requests in flight are CANCELLED
---@param dry_run? boolean check with the managers, show what would be done as PLANNED rows, and change nothing; later calls of the run see the planned state. `--dry-run` does this for all actions
---@param timeout_sec? number seconds for the answer of each manager
---@param connect_timeout_sec? number seconds for the connection to be made, as part of `timeout_sec`
---@param deadline? number seconds for the whole action; requests that are not finished by then are cancelled or skipped
---@return dkvrun.node[] # a list of `{name, host, clustron_port, client_port, manager}`; `tostring` prints one line per node
---@overload fun(parameters: table): dkvrun.node[]
function topology(name, instance_prefix, instance_count, clustron_port, client_port, nodes, atomic, managers, port, parallel, fail_fast, dry_run, timeout_sec, connect_timeout_sec, deadline) end

---Compares two topologies by the names of their nodes; a name that a topology has twice is refused. What one of them leaves open, such as the roles in what `topology` returns, is no difference.
---@param from table a topology, or the table of named parameters that `new_store` or `topology` would take for it
---@param to table another, in either form
---@return dkvrun.difference # `{same, added, removed, changed, lines}`: lists of node names; `tostring` prints one line per difference
---@overload fun(parameters: table): dkvrun.difference
function topology.diff(from, to) end

---Draws a topology: as a table, as a Mermaid or Graphviz graph, or as JSON.
---@param nodes table the topology: a list of nodes
---@param format? "table"|"mermaid"|"dot"|"json" the output format
---@return any # a string
---@overload fun(parameters: table): any
function topology.render(nodes, format) end

---Checks a topology for everything that can be checked without a network: names, hosts, ports and duplicates.
---@param nodes table the topology: a list of nodes
---@return dkvrun.validation # `{ok, problem}`; problem is nil if the topology is valid
---@overload fun(parameters: table): dkvrun.validation
function topology.validate(nodes) end

---Returns when every instance of a store, or the one named, takes reads and writes. It also waits for a store that is still being created. After `timeout_sec` it raises an error that lists the instances that aren't ready. If an instance is stopped and was not told to start, it raises an error at once.
---@param name string the store's name: a letter, then up to 62 letters, digits, `_` or `-`
---@param instance_name? string only this instance
---@param managers? string|string[] the managers to use instead of the session's: `host` or `host:port`; one string may hold several, separated by commas
---@param port? integer the port of managers that are given without one; the default is 7801 or the value of `--manager-port`
---@param timeout_sec? number seconds to wait
---@return any # the seconds that it waited
---@overload fun(parameters: table): any
function wait_ready(name, instance_name, managers, port, timeout_sec) end

---Calls a function repeatedly until it returns neither false nor nil. Raises with the last value when the timeout has passed; an error of the function is raised at once.
---@param f function the condition to wait for; it is cancelled when the timeout passes
---@param timeout_sec? number seconds to wait
---@param interval_sec? number seconds between two calls
---@return any # what the function returned last
---@overload fun(parameters: table): any
function wait_until(f, timeout_sec, interval_sec) end

---Shows the metrics of a store and refreshes them until `count` is reached or you press Ctrl-C: one column per instance or, if the terminal is too narrow, one line per instance.
---@param name string the store's name: a letter, then up to 62 letters, digits, `_` or `-`
---@param window_sec? integer the period, in seconds, over which rates are averaged
---@param refresh_sec? number seconds between two refreshes
---@param count? integer the number of refreshes; by default until Ctrl-C
---@param managers? string|string[] the managers to use instead of the session's: `host` or `host:port`; one string may hold several, separated by commas
---@param port? integer the port of managers that are given without one; the default is 7801 or the value of `--manager-port`
---@param timeout_sec? number seconds for the answer of each manager
---@param connect_timeout_sec? number seconds for the connection to be made, as part of `timeout_sec`
---@return any # nothing
---@overload fun(parameters: table): any
function watch_store_metrics(name, window_sec, refresh_sec, count, managers, port, timeout_sec, connect_timeout_sec) end

---Runs a function with another session, then restores the previous session, also after an error.
---@param managers string|string[] as for `connect_managers`
---@param f function the function to run
---@param port? integer the port of managers that are given without one; the default is 7801 or the value of `--manager-port`
---@param timeout_sec? number seconds for the answer of each manager
---@return any # what the function returns
---@overload fun(parameters: table): any
function with_managers(managers, f, port, timeout_sec) end

---Starts fake managers, for tests with more managers than a machine can run: they answer queries and take part in operations as real ones do, but run no instance and keep nothing on disk. Some can be made to fail. They end with the test or the block that started them.
---@param count integer how many
---@param delay_sec? number the delay of each answer in seconds
---@param faults? table the number of managers with each fault: `{refuse = 2, hang = 1, drip = 1, garbage = 1, reset = 1, slow = 1, stall = 1, stranger = 1}`; they are spread over the list. `refuse`: does not listen; `hang`: never answers; `drip`: answers a byte every 50 ms and never completes the response; `garbage`: answers something that is not HTTP; `reset`: resets the connection after the request; `slow`: answers after 1 s; `stall`: answers queries, and never requests that change something; `suspect`: answers like a manager that fell back to an older catalog; `stranger`: answers like the server of another program
---@return dkvrun.fakes # `{managers, faults}`: a list of `host:port`, and the faults by manager
---@overload fun(parameters: table): dkvrun.fakes
function fake_managers(count, delay_sec, faults) end

---Starts managers on this machine, each on a different loopback address, and makes them the session. With `instances` it also creates and starts a store on them. The managers and their stores end with the test or block that called it. If a manager exits unexpectedly, the test fails at once.
---@param servers? integer how many
---@param instances? any creates a store, starts it and waits until it is ready: the number of instances on each server, or a list of instances in the form of `new_store`'s `nodes`, where `host` is the number of a server and the other fields are optional: `{{host = 1}, {host = 2}, {host = 2}}`
---@param store? string with `instances`: the store's name, and the prefix of its instances' names
---@param secured? boolean managers and stores speak TLS, and the test is their admin; by default only with `dkvrun test --secured`
---@param connect? boolean make them the session
---@param timeout_sec? number seconds for the answer of each manager
---@return dkvrun.cluster # the cluster
---@overload fun(parameters: table): dkvrun.cluster
function local_cluster(servers, instances, store, secured, connect, timeout_sec) end

---Runs a runbook as the command line does, in a separate process with the session's managers, and returns its exit status and output.
---@param script string its path, relative to the suite's folder
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
