package tests

import (
	"maps"
	"net/url"
	"strconv"

	"dkvrun/runtime/wire"
)

// exchange is a request that both managers get. says is a part of the expected answer: a code or a state.
type exchange struct {
	says, method, path string
	query              url.Values // <identity> is replaced by the manager's identity
	body               func(*target) any
}

func get(says, path string) exchange { return exchange{says: says, method: "GET", path: path} }

func post(says, path string) exchange { return exchange{says: says, method: "POST", path: path} }

func remove(says, path string) exchange { return exchange{says: says, method: "DELETE", path: path} }

// create returns a request that creates a store on one manager.
func create(says, name string, count int) exchange {
	x := post(says, wire.StoresPath())
	x.body = func(p *target) any { return wire.CreateStore{Name: name, Nodes: p.nodes("users", count, 17821)} }
	return x
}

// to returns a POST request that names the manager that it is for.
func to(says, path string) exchange {
	return exchange{says: says, method: "POST", path: path, query: url.Values{"to": {"<identity>"}}}
}

func prepare(says string, n int, edits ...edit) exchange {
	x := to(says, wire.OperationsPath())
	x.body = func(p *target) any { return p.change(n, edits...) }
	return x
}

func preflight(says string, n int, edits ...edit) exchange {
	return prepare(says, n, append([]edit{func(_ *target, c *wire.Operation) { c.DryRun = true }}, edits...)...)
}

func commit(says string, n, epoch int) exchange {
	x := to(says, wire.OperationPath(opID(n))+"/commit")
	x.query = maps.Clone(x.query)
	x.query.Set("epoch", strconv.Itoa(epoch))
	return x
}

func abort(says string, n int, epoch uint64) exchange {
	x := to(says, wire.OperationPath(opID(n))+"/abort")
	x.body = func(*target) any { return wire.AbortRequest{Store: "OrdersStore", Epoch: epoch} }
	return x
}

func renew(says string, n int) exchange { return to(says, wire.OperationPath(opID(n))+"/renew") }

// Functions that change an operation.

func store(name string) edit { return func(_ *target, c *wire.Operation) { c.Store = name } }

func epoch(e uint64) edit { return func(_ *target, c *wire.Operation) { c.Epoch = e } }

func founding(_ *target, c *wire.Operation) { c.Founding = true }

// widening makes the operation build on a revision of the store that operation 1 created, with a number of instances.
func widening(revision uint64, base, count int) edit {
	return func(p *target, c *wire.Operation) {
		c.Action, c.Creation, c.BaseRevision, c.BaseOperation = wire.AddInstanceAction, opID(1), revision, opID(base)
		c.Nodes = p.nodes("orders", count, 17811)
	}
}

func narrowing(_ *target, c *wire.Operation) {
	c.Action, c.Nodes = wire.RemoveInstanceAction, c.Nodes[:len(c.Nodes)-1]
}

func removing(_ *target, c *wire.Operation) { c.Action, c.Nodes = wire.RemoveStoreAction, nil }

// kept adds other managers as participants. The first of them is the coordinator.
func kept(by ...wire.Manager) edit {
	return func(p *target, c *wire.Operation) {
		c.Coordinator, c.Managers = by[0].Identity, append([]wire.Manager{p.self()}, by...)
	}
}

// elsewhere and further are unreachable managers with the smallest and the largest identity.
var (
	elsewhere = wire.Manager{Identity: "00000000-0000-7000-8000-000000000000", URL: "http://127.43.9.99:7801"}
	further   = wire.Manager{Identity: "ffffffff-0000-7000-8000-000000000000", URL: "http://127.43.9.98:7801"}
)

var (
	orders, farOrders = wire.StorePath("OrdersStore"), wire.StorePath("FarStore")
	first             = wire.InstancePath("OrdersStore", "orders-1")
	far               = []edit{store("FarStore"), kept(elsewhere, further),
		func(p *target, c *wire.Operation) { c.Nodes = p.nodes("far", 1, 17831) }}
)

func farther(more ...edit) []edit { return append(append([]edit(nil), far...), more...) }

var exchanges = []exchange{
	// A vote at a higher epoch, repeated.
	get("store_not_found", orders),
	get("<identity>", wire.StatePath("OrdersStore")),
	preflight("state:unknown", 1),
	prepare("state:pending", 1),
	prepare("state:pending", 1),
	prepare("epoch:3", 1, epoch(3)),
	prepare("epoch:3", 1, epoch(2)),
	prepare("operation_differs", 1, func(_ *target, c *wire.Operation) { c.Owner = "another" }),
	preflight("store_busy", 2),
	prepare("store_busy", 2, store("ORDERSSTORE")),
	prepare("port_taken", 2, store("OtherStore")),
	get("state:pending", wire.StatePath("OrdersStore")),
	get("state:pending", wire.OperationPath(opID(1))),
	get("store_not_found", orders),
	commit("stale_epoch", 1, 1),
	abort("stale_epoch", 1, 1),
	renew("state:pending", 1),

	// A committed operation stays committed.
	commit("state:committed", 1, 3),
	commit("state:committed", 1, 3),
	commit("state:committed", 1, 1),
	abort("state:committed", 1, 3),
	renew("state:committed", 1),
	prepare("state:committed", 1, epoch(3)),
	get("state:committed", wire.OperationPath(opID(1))),
	get("status:Stopped", orders),
	get("revision:1", wire.StatePath("OrdersStore")),

	// The base of an operation.
	preflight("store_exists", 2),
	preflight("store_exists", 2, store("ordersstore")),
	preflight("stale_revision", 2, widening(2, 1, 2)),
	preflight("stale_revision", 2, widening(1, 9, 2)),
	preflight("store_exists", 2, widening(1, 1, 2), func(_ *target, c *wire.Operation) { c.Creation = opID(9) }),
	preflight("wrong_home", 2, widening(1, 1, 2), kept(elsewhere)),
	preflight("stale_revision", 2, widening(1, 1, 2), store("NoStore")),
	preflight("store_not_found", 2, removing, store("NoStore")),
	preflight("bad_name", 2, store("No Store")),
	preflight("bad_topology", 2, func(_ *target, c *wire.Operation) { c.Nodes = nil }),
	preflight("bad_topology", 2, func(_ *target, c *wire.Operation) { c.Nodes = append(c.Nodes, c.Nodes...) }),
	preflight("bad_request", 2, func(_ *target, c *wire.Operation) { c.Coordinator = further.Identity }),
	preflight("wrong_manager", 2, func(_ *target, c *wire.Operation) {
		c.Coordinator, c.Managers = further.Identity, []wire.Manager{further}
	}),
	post("wrong_manager", wire.OperationsPath()),
	post("wrong_manager", wire.ResolvePath("OrdersStore")),

	// An aborted operation stays aborted.
	prepare("stale_epoch", 2, widening(1, 1, 2), epoch(3)),
	prepare("state:pending", 2, widening(1, 1, 2), epoch(4)),
	get("state:pending", orders),
	abort("state:aborted", 2, 4),
	abort("state:aborted", 2, 4),
	prepare("operation_aborted", 2, widening(1, 1, 2), epoch(4)),
	commit("operation_aborted", 2, 4),
	renew("operation_aborted", 2),
	abort("state:aborted", 3, 4), // an abort that overtakes the prepare
	prepare("operation_aborted", 3, widening(1, 1, 2), epoch(5)),
	commit("operation_not_found", 4, 1),
	renew("operation_not_found", 4),
	get("state:unknown", wire.OperationPath(opID(4))),

	// More and fewer instances.
	prepare("state:pending", 5, widening(1, 1, 3), founding, epoch(5)),
	commit("state:committed", 5, 5),
	get("revision:2", orders),
	prepare("state:pending", 6, widening(2, 5, 3), narrowing, founding, epoch(6)),
	post("store_busy", first+"/start"),
	commit("state:committed", 6, 6),
	get("revision:3", orders),

	// A running instance.
	post("instance_not_found", wire.InstancePath("OrdersStore", "orders-9")+"/start"),
	post("code:ok", first+"/start"),
	post("unchanged", first+"/start"),
	preflight("store_running", 7, widening(3, 6, 2), removing),
	preflight("store_started", 7, widening(3, 6, 2), narrowing, founding),
	preflight("state:unknown", 7, widening(3, 6, 3)),
	remove("store_running", orders),
	post("code:ok", first+"/stop"),
	post("unchanged", first+"/stop"),
	preflight("store_started", 7, widening(3, 6, 2), narrowing, founding),

	// Operations with another coordinator.
	prepare("wrong_home", 8, store("FarStore"), func(p *target, c *wire.Operation) { c.Managers = append(c.Managers, elsewhere) }),
	prepare("state:pending", 8, far...),
	renew("wrong_home", 8),
	to("home_silent", wire.ResolvePath("FarStore")),
	get("state:pending", wire.StatePath("FarStore")),
	commit("state:committed", 8, 1),
	get("status:Stopped", farOrders),
	to("home_silent", wire.ResolvePath("FarStore")),
	preflight("missing_manager", 9,
		farther(kept(elsewhere), widening(1, 8, 2), func(p *target, c *wire.Operation) { c.Creation = opID(8) })...),

	// Operations on one manager.
	create("code:ok", "UsersStore", 1),
	create("unchanged", "UsersStore", 1),
	create("store_exists", "UsersStore", 2),
	create("port_taken", "MoreUsers", 1),
	create("bad_topology", "MoreUsers", 0),
	get("status:Stopped", wire.StorePath("UsersStore")),
	remove("code:ok", wire.StorePath("UsersStore")),
	remove("store_not_found", wire.StorePath("UsersStore")),

	// Removal of the store.
	to("revision:3", wire.ResolvePath("OrdersStore")),
	prepare("state:pending", 10, widening(3, 6, 2), removing, epoch(7)),
	remove("store_busy", orders),
	commit("state:committed", 10, 7),
	get("removed:"+opID(10), wire.StatePath("OrdersStore")),
	post("store_not_found", first+"/start"),
	prepare("stale_epoch", 11, epoch(7)),
	get("code:not_found", wire.Prefix+"/nowhere"),
}

// suspectExchanges are requests to suspect managers, which may have forgotten a vote.
var suspectExchanges = []exchange{
	get("suspect:true", wire.StatePath("OrdersStore")),
	preflight("code:suspect", 1),
	prepare("code:suspect", 1),
	commit("operation_not_found", 1, 1),
	renew("operation_not_found", 1),
	abort("state:aborted", 1, 1),
	prepare("operation_aborted", 1),
}
