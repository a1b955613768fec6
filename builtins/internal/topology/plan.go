package topology

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"dkvrun/builtins/internal/params"
	"dkvrun/runtime"
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/wire"
)

// Plan holds the parameters from which new_store and topology generate nodes.
type Plan struct {
	Prefix                   string
	Count                    int
	ClustronPort, ClientPort int
}

var PlanParams = []runtime.Param{
	{Name: "instance_prefix", Type: runtime.String, Check: params.Check(wire.CheckName), Doc: "names are `<prefix>-<index>`; the index counts from 1 through the whole cluster"},
	{Name: "instance_count", Type: runtime.Integer, Min: runtime.Bound(1), Max: runtime.Bound(wire.MaxInstances), Default: 1, Doc: "the number of instances on each server"},
	{Name: "clustron_port", Type: runtime.Integer, Min: runtime.Bound(1), Max: runtime.Bound(65535),
		Default: wire.DefaultClustronPort, Doc: "cluster port, the port for the store's other instances, of the first instance on each server; each further instance there gets the next port"},
	{Name: "client_port", Type: runtime.Integer, Min: runtime.Bound(1), Max: runtime.Bound(65535),
		Default: wire.DefaultClientPort, Doc: "client port of the first instance on each server; each further instance there gets the next port"},
}

func planOf(c *runtime.Call) Plan {
	return Plan{
		Prefix: c.String("instance_prefix"), Count: c.Int("instance_count"),
		ClustronPort: c.Int("clustron_port"), ClientPort: c.Int("client_port"),
	}
}

// Nodes generates the topology, server by server in the given order. On each host, ports count from the first port of
// the plan. Managers on the same host share its ports, so the second one continues the count.
func (p Plan) Nodes(c *runtime.Call, servers []fanout.Endpoint) ([]wire.Node, error) {
	onHost := make(map[string]int, len(servers))
	for _, s := range servers {
		onHost[s.Host] += p.Count
	}
	for _, s := range servers {
		if err := p.checkPorts(c, s, onHost[s.Host]); err != nil {
			return nil, err
		}
	}
	used := make(map[string]int, len(servers))
	nodes := make([]wire.Node, 0, p.Count*len(servers))
	for _, s := range servers {
		for i := 0; i < p.Count; i++ {
			offset := used[s.Host]
			used[s.Host]++
			nodes = append(nodes, wire.Node{
				Name: p.Prefix + "-" + strconv.Itoa(len(nodes)+1), Host: s.Host,
				ClustronPort: p.ClustronPort + offset, ClientPort: p.ClientPort + offset, Manager: s.String(),
			})
		}
	}
	return nodes, nil
}

// checkPorts returns an error if the two ranges of n ports on a server overlap, contain the manager's port, or exceed
// 65535.
func (p Plan) checkPorts(c *runtime.Call, s fanout.Endpoint, n int) error {
	for _, r := range []struct {
		param string
		first int
	}{{"clustron_port", p.ClustronPort}, {"client_port", p.ClientPort}} {
		last := r.first + n - 1
		if last > 65535 {
			return c.Misuse(r.param, "%d instances on %s need ports %d to %d, but the last port is 65535", n, s.Host, r.first, last)
		}
		if r.first <= s.Port && s.Port <= last {
			return c.Misuse(r.param, "ports %d to %d on %s include the manager's port %d", r.first, last, s.Host, s.Port)
		}
	}
	if p.ClustronPort < p.ClientPort+n && p.ClientPort < p.ClustronPort+n {
		return c.Misuse("client_port", "%d instances on %s: the cluster ports from %d overlap the client ports from %d: set them at least %d apart",
			n, s.Host, p.ClustronPort, p.ClientPort, n)
	}
	return nil
}

// Generate returns the topology that a call describes, over the servers.
func Generate(c *runtime.Call, servers []fanout.Endpoint) ([]wire.Node, error) {
	nodes, err := planOf(c).Nodes(c, servers)
	if err != nil {
		return nil, err
	}
	return nodes, Check(c, nodes)
}

func Check(c *runtime.Call, nodes []wire.Node) error {
	if err := wire.CheckTopology(nodes); err != nil {
		return c.Errorf(wire.CodeBadTopology, "%s: the topology can't be: %s", c.Name, AsWritten(err))
	}
	return nil
}

// AsWritten returns an error about a topology with the indexes that scripts use, which count from 1.
func AsWritten(err error) string {
	text := regexp.MustCompile(`\bnodes\[\d+`).ReplaceAllStringFunc(err.Error(), func(at string) string {
		i, _ := strconv.Atoi(strings.TrimPrefix(at, "nodes[")) // always an index
		return fmt.Sprintf("nodes[%d", i+1)
	})
	return strings.NewReplacer(".clustronPort", ".clustron_port", ".clientPort", ".client_port").Replace(text)
}
