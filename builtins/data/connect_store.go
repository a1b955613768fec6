// Package data declares the builtins that read and write the data of a store.
package data

import (
	"fmt"

	"dkvrun/builtins/internal/cluster"
	"dkvrun/builtins/internal/params"
	"dkvrun/builtins/internal/run"
	"dkvrun/builtins/internal/text"
	"dkvrun/runtime"
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/wire"
)

var ConnectStore = runtime.Builtin{
	Name: "connect_store", Group: "Store data", Positional: 1,
	Doc: "Returns an object that reads and writes a store through the client ports of its instances, over HTTP and JSON. " +
		"Each call goes to the first endpoint that can be reached and belongs to the store: another store that uses its ports " +
		"later, also one of the same name, is neither read nor changed. Secured stores take the credential of the run: that of a user, by its role, or that of an " +
		"application of this store. An application needs no role at the managers: they tell it the client ports of its own store, and nothing else.",
	Params: params.Join([]runtime.Param{
		params.Name,
		{Name: "endpoints", Type: runtime.Strings, Check: params.CheckServers, Doc: "`host:port` of client ports, in the order to try; by default those of the topology. A client port that a manager of the session lists under another store is refused"},
	}, params.Query()),
	Returns:    "a store",
	ReturnType: "store",
	Example: `new_store{"OrdersStore", instance_prefix = "orders"}:check()
start_store("OrdersStore"):check()
wait_ready("OrdersStore")
local store = connect_store("OrdersStore")
store:put("order/1", "paid")
print(store:get("order/1"))`,
	Impl: connectStore,
}

// store is the object through which scripts read and write the data of a store.
type store struct {
	name      string
	client    *fanout.Client
	endpoints []fanout.Endpoint
	timeout   float64
	id        *identity
	session   *cluster.Session // the managers that can tell why a request fails; nil for none
}

func connectStore(c *runtime.Call) (any, error) {
	r := run.Of(c)
	s := &store{name: c.String("name"), client: r.Client, timeout: c.Float("timeout_sec")}
	s.session, _ = r.CallSession(c)
	application := s.asApplication(r)
	if application {
		defer func() { s.session = nil }() // managers tell an application nothing about the status of its store
	}
	if c.Has("endpoints") {
		endpoints, err := fanout.ParseEndpoints(c.Strings("endpoints"), wire.DefaultClientPort)
		if err != nil {
			return nil, c.Misuse("endpoints", "%v", err)
		}
		for i := range endpoints {
			endpoints[i] = s.clientPort(endpoints[i])
		}
		s.endpoints = endpoints
		if application {
			s.id = newIdentity("", "")
			return s, nil
		}
		listed := s.listed(c)
		if at, other := ofOther(listed, s.name, s.endpoints); other != "" {
			return nil, c.Misuse("endpoints", "%s is a client port of store %s, not of %s", at, other, s.name)
		}
		s.id = listedIdentity(listed, s.name)
		return s, nil
	}
	// A planned store has no client ports yet that managers could tell.
	if application || s.mayBeApplication(r) && !r.DryRun {
		return s, s.askEndpoints(c, r)
	}
	v, err := r.View(c, s.name)
	if err != nil {
		return nil, err
	}
	if v.Latest == nil {
		return nil, r.NotFound(c, v)
	}
	s.id = identityOf(v)
	for _, n := range v.Nodes() {
		s.endpoints = append(s.endpoints, s.clientPort(fanout.Endpoint{Host: n.Host, Port: n.ClientPort}))
	}
	return s, nil
}

// manager returns a manager of the session with the scheme with which it is reached. Without a session it is one that
// stands for any.
func (s *store) manager() fanout.Endpoint {
	manager := fanout.Endpoint{}
	if s.session != nil {
		if members := s.session.Members(); len(members) > 0 {
			manager = members[0].Endpoint
		}
	}
	return s.client.Resolve(manager)
}

// clientPort returns the endpoint of a client port. It speaks TLS if the managers do, unless its scheme is given, and
// then an instance of the store has to answer.
func (s *store) clientPort(e fanout.Endpoint) fanout.Endpoint {
	if e.Scheme == "" {
		e.Scheme = s.manager().Scheme
	}
	if e.Scheme == "https" {
		e.Store = s.name
	}
	return e
}

// maxListed is the largest number of client ports that the text of a store object lists one by one.
const maxListed = 5

// ObjectType makes a store visible to scripts.
func (s *store) ObjectType() *runtime.ObjectType { return StoreObject }

var StoreObject = &runtime.ObjectType{
	Name: "store",
	Doc: "A store's data. Keys and values are strings, byte for byte; a missing key is nil, not an error. A request that the store does not take raises an error with the reason, which the managers' status of the store gives. " +
		"Its `code` is `stopped`, `no_majority`, `full` or `denied` (authentication is enabled), `corrupt`, `too_large`, `compacted`, `busy`, `other_store` (the endpoints belong to another store now) or `store_not_found`, or that of a failed connection: `timeout`, `refused`, …. " +
		"Its `in_doubt` is true if a write was sent and not answered, so that it may have been made, or if another store has answered that it made it.",
	Fields: []runtime.Field{
		{Name: "name", Doc: "the store's name", Get: func(o runtime.Object) any { return o.(*store).name }},
		{Name: "endpoints", Doc: "the client ports that it tries, in order", Get: func(o runtime.Object) any {
			list := runtime.List{}
			for _, e := range o.(*store).endpoints {
				list.Items = append(list.Items, e.String())
			}
			return list
		}},
	},
	Methods: []runtime.Builtin{storePut, storeGet, storeRemove, storeScan},
	String: func(o runtime.Object) string {
		s := o.(*store)
		if n := len(s.endpoints); n > maxListed {
			return fmt.Sprintf("store %s at %d client ports, %s to %s", s.name, n, s.endpoints[0], s.endpoints[n-1])
		}
		return fmt.Sprintf("store %s at %s", s.name, cluster.Listed(s.endpoints))
	},
}

var keyParam = runtime.Param{Name: "key", Type: runtime.String, Required: true, Doc: "the key, not empty", Check: params.Check(checkKey)}

func checkKey(key string) error {
	if key == "" {
		return fmt.Errorf("is empty: a key has at least one byte")
	}
	return nil
}

// maxValue is the maximum size of a value in bytes. The engine accepts requests of up to 1.5 MiB, including the key
// and the encoding.
const maxValue = 1 << 20

func checkValue(value string) error {
	if len(value) > maxValue {
		return fmt.Errorf("has %s bytes: a value has at most 1 MiB", text.Grouped(float64(len(value))))
	}
	return nil
}

var storePut = runtime.Builtin{
	Name: "put", Positional: 2,
	Doc: "Writes a value.",
	Params: []runtime.Param{keyParam, {Name: "value", Type: runtime.String, Required: true, Check: params.Check(checkValue),
		Doc: "the value, at most 1 MiB"}},
	Returns: "the store's revision after the write",
	Example: `store:put("order/1", "paid")`,
	Impl: func(c *runtime.Call) (any, error) {
		s := c.Self.(*store)
		var out putAnswer
		err := s.call(c, "/v3/kv/put", kv{Key: []byte(c.String("key")), Value: []byte(c.String("value"))}, &out)
		if err != nil {
			return nil, err
		}
		return int64(out.Header.Revision), nil
	},
}

var storeGet = runtime.Builtin{
	Name: "get", Positional: 1,
	Doc:     "Reads a value. The read is linearizable: it sees every write that was answered before.",
	Params:  []runtime.Param{keyParam},
	Returns: "the value, nil when there is no such key",
	Example: `print(store:get("order/1"))`,
	Impl: func(c *runtime.Call) (any, error) {
		var out rangeAnswer
		err := c.Self.(*store).call(c, rangePath, rangeRequest{Key: []byte(c.String("key"))}, &out)
		if err != nil || len(out.KVs) == 0 {
			return nil, err
		}
		return string(out.KVs[0].Value), nil
	},
}

var storeRemove = runtime.Builtin{
	Name: "remove", Positional: 1,
	Doc:     "Deletes a key.",
	Params:  []runtime.Param{keyParam},
	Returns: "true if the key existed",
	Example: `store:remove("order/1")`,
	Impl: func(c *runtime.Call) (any, error) {
		var out deleteAnswer
		err := c.Self.(*store).call(c, "/v3/kv/deleterange", rangeRequest{Key: []byte(c.String("key"))}, &out)
		return out.Deleted > 0, err
	},
}
