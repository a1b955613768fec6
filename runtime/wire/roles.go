package wire

// MaxInstances is the most instances that a store can have on this engine.
const MaxInstances = 256

// DataTarget is how many of n instances hold data: all of one or two, else the largest odd number
// that is at most n and at most 5. An even number of votes survives no more failures than one less.
func DataTarget(n int) int {
	if n <= 2 {
		return n
	}
	if n > 5 {
		n = 5
	}
	return n - 1 + n%2
}

// AssignRoles returns the nodes with every role set. Roles that are set stay; data roles are then
// added until DataTarget is met: on the host with the fewest data instances, there to an instance
// without a role before a gateway, else in topology order. Data is never turned into gateway.
func AssignRoles(nodes []Node) []Node {
	return AssignRolesAmong(nodes, func(Node) bool { return true })
}

// AssignRolesAmong is AssignRoles where only some may become data: fewer hold data than DataTarget says
// when there are not enough of them.
func AssignRolesAmong(nodes []Node, may func(Node) bool) []Node {
	out := append([]Node(nil), nodes...)
	perHost := map[string]int{}
	have := 0
	for _, n := range out {
		if n.Role == Data {
			perHost[n.Host]++
			have++
		}
	}
	for have < DataTarget(len(out)) {
		best := -1
		for i, n := range out {
			if n.Role != Data && may(n) && (best < 0 || better(n, out[best], perHost)) {
				best = i
			}
		}
		if best < 0 {
			break
		}
		out[best].Role = Data
		perHost[out[best].Host]++
		have++
	}
	for i := range out {
		if out[i].Role == "" {
			out[i].Role = Gateway
		}
	}
	return out
}

// better reports whether a is rather to hold data than b, which comes before it in the topology.
func better(a, b Node, perHost map[string]int) bool {
	if x, y := perHost[a.Host], perHost[b.Host]; x != y {
		return x < y
	}
	return a.Role == "" && b.Role == Gateway
}

// Founders are the data instances of a store that has never run.
func Founders(nodes []Node) []Founder {
	var out []Founder
	for _, n := range nodes {
		if n.Role == Data {
			out = append(out, Founder{Name: n.Name, Host: n.Host, ClustronPort: n.ClustronPort})
		}
	}
	return out
}
