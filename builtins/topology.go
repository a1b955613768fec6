package builtins

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"dkvrun/builtins/internal/params"
	"dkvrun/builtins/internal/text"
	"dkvrun/runtime"
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/wire"
)

// plan is what new_store and topology generate nodes from.
type plan struct {
	prefix                   string
	count                    int
	clustronPort, clientPort int
}

var planParams = []runtime.Param{
	{Name: "instance_prefix", Type: runtime.String, Check: params.Check(wire.CheckName), Doc: "names are `<prefix>-<index>`, counted from 1 through the whole cluster"},
	{Name: "instance_count", Type: runtime.Integer, Min: runtime.Bound(1), Max: runtime.Bound(wire.MaxInstances), Default: 1, Doc: "instances a server"},
	{Name: "clustron_port", Type: runtime.Integer, Min: runtime.Bound(1), Max: runtime.Bound(65535), Default: wire.DefaultClustronPort, Doc: "first cluster port on each server; one more for each further instance there"},
	{Name: "client_port", Type: runtime.Integer, Min: runtime.Bound(1), Max: runtime.Bound(65535), Default: wire.DefaultClientPort, Doc: "first client port on each server; one more for each further instance there"},
}

func planOf(c *runtime.Call) plan {
	return plan{
		prefix: c.String("instance_prefix"), count: c.Int("instance_count"),
		clustronPort: c.Int("clustron_port"), clientPort: c.Int("client_port"),
	}
}

// nodes generates the topology: server by server in the order given, ports from the base on each
// host. Two managers on one host share its ports: there the count goes on.
func (p plan) nodes(c *runtime.Call, servers []fanout.Endpoint) ([]wire.Node, error) {
	onHost := make(map[string]int, len(servers))
	for _, s := range servers {
		onHost[s.Host] += p.count
	}
	for _, s := range servers {
		if err := p.checkPorts(c, s, onHost[s.Host]); err != nil {
			return nil, err
		}
	}
	used := make(map[string]int, len(servers))
	nodes := make([]wire.Node, 0, p.count*len(servers))
	for _, s := range servers {
		for i := 0; i < p.count; i++ {
			offset := used[s.Host]
			used[s.Host]++
			nodes = append(nodes, wire.Node{
				Name: p.prefix + "-" + strconv.Itoa(len(nodes)+1), Host: s.Host,
				ClustronPort: p.clustronPort + offset, ClientPort: p.clientPort + offset, Manager: s.String(),
			})
		}
	}
	return nodes, nil
}

// checkPorts holds the two ranges of n ports on a server against each other, the manager's port and
// the last port there is.
func (p plan) checkPorts(c *runtime.Call, s fanout.Endpoint, n int) error {
	for _, r := range []struct {
		param string
		first int
	}{{"clustron_port", p.clustronPort}, {"client_port", p.clientPort}} {
		last := r.first + n - 1
		if last > 65535 {
			return c.Misuse(r.param, "%d instances on %s need ports %d to %d, but the last port is 65535", n, s.Host, r.first, last)
		}
		if r.first <= s.Port && s.Port <= last {
			return c.Misuse(r.param, "ports %d to %d on %s run into the manager's port %d", r.first, last, s.Host, s.Port)
		}
	}
	if p.clustronPort < p.clientPort+n && p.clientPort < p.clustronPort+n {
		return c.Misuse("client_port", "%d instances on %s: the cluster ports from %d run into the client ports from %d: set them at least %d apart",
			n, s.Host, p.clustronPort, p.clientPort, n)
	}
	return nil
}

// generate is the topology that a call's plan gives over the servers.
func generate(c *runtime.Call, servers []fanout.Endpoint) ([]wire.Node, error) {
	nodes, err := planOf(c).nodes(c, servers)
	if err != nil {
		return nil, err
	}
	return nodes, checkTopology(c, nodes)
}

func checkTopology(c *runtime.Call, nodes []wire.Node) error {
	if err := wire.CheckTopology(nodes); err != nil {
		return c.Errorf(wire.CodeBadTopology, "%s: the topology can't be: %s", c.Name, asWritten(err))
	}
	return nil
}

// asWritten tells of a topology in a script's words, which counts nodes from 1.
func asWritten(err error) string {
	text := regexp.MustCompile(`\bnodes\[\d+`).ReplaceAllStringFunc(err.Error(), func(at string) string {
		i, _ := strconv.Atoi(strings.TrimPrefix(at, "nodes[")) // it is an index of the nodes that there are
		return fmt.Sprintf("nodes[%d", i+1)
	})
	return strings.NewReplacer(".clustronPort", ".clustron_port", ".clientPort", ".client_port").Replace(text)
}

var topologyBuiltin = runtime.Builtin{
	Name: "topology", Group: "Queries",
	Doc: "Generates the topology that `new_store` would, without any network: nodes = servers × instance_count, names counted through the cluster, server by server.",
	Params: params.Join([]runtime.Param{
		{Name: "managers", Type: runtime.Strings, Check: params.CheckServers, Doc: "the servers; the session's where none are given"},
		params.Port,
	}, planParams),
	Returns:    "a list of `{name, host, clustron_port, client_port, manager}`; `tostring` prints a line a node",
	ReturnType: "list of node",
	Example:    `print(topology{managers = "10.0.0.11,10.0.0.12", instance_prefix = "orders", instance_count = 2})`,
	Impl: func(c *runtime.Call) (any, error) {
		s, err := of(c).CallSession(c)
		if err != nil {
			return nil, err
		}
		if !c.Has("instance_prefix") {
			return nil, c.Misuse("instance_prefix", "required, but not given")
		}
		nodes, err := generate(c, s.Endpoints())
		if err != nil {
			return nil, err
		}
		return nodeList(nodes), nil
	},
}

// nodeType declares the fields of a topology's nodes.
var nodeType = &runtime.RecordType{
	Name: "node", Doc: "One instance of a topology.",
	Fields: []runtime.Field{
		{Name: "name", Doc: "`<prefix>-<index>`"},
		{Name: "host", Doc: "the server"},
		{Name: "clustron_port", Doc: "port for the other instances"},
		{Name: "client_port", Doc: "port for applications"},
		{Name: "role", Doc: "`data` or `gateway`; nil until the store is made"},
		{Name: "manager", Doc: "host:port of the manager it is planned for"},
	},
}

func nodeRecord(n wire.Node) runtime.Record {
	return runtime.Record{Type: nodeType, Get: func(field string) any {
		switch field {
		case "name":
			return n.Name
		case "host":
			return n.Host
		case "clustron_port":
			return n.ClustronPort
		case "client_port":
			return n.ClientPort
		case "role":
			return text.OrNil(string(n.Role))
		case "manager":
			return text.OrNil(n.Manager)
		}
		return nil
	}}
}

// nodeList is a topology as scripts see it.
func nodeList(nodes []wire.Node) runtime.List {
	list := runtime.List{Items: make([]any, 0, len(nodes)), String: func(items []any) string {
		nodes, err := nodesFrom(items)
		if err != nil {
			return "not a topology: " + err.Error()
		}
		return lines(nodes)
	}}
	for _, n := range nodes {
		list.Items = append(list.Items, nodeRecord(n))
	}
	return list
}

// lines renders nodes as the original page does: orders-1   10.0.0.11:7811   client:7861.
func lines(nodes []wire.Node) string {
	nameWidth, atWidth := 0, 0
	at := make([]string, len(nodes))
	for i, n := range nodes {
		at[i] = fanout.Endpoint{Host: n.Host, Port: n.ClustronPort}.String()
		nameWidth, atWidth = max(nameWidth, len(n.Name)), max(atWidth, len(at[i]))
	}
	var b strings.Builder
	for i, n := range nodes {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%-*s   %-*s   client:%d", nameWidth, n.Name, atWidth, at[i], n.ClientPort)
	}
	return b.String()
}
