package wire

// MaxInstances is the maximum number of instances of a store on this engine.
const MaxInstances = 256

// DataTarget returns the number of instances out of n that hold data: all if n is 1 or 2, else the largest odd number
// that is at most n and at most 5. An even number of voters tolerates no more failures than the odd number below it.
func DataTarget(n int) int {
	if n <= 2 {
		return n
	}
	if n > 5 {
		n = 5
	}
	return n - 1 + n%2
}

// AssignRoles returns a copy of the nodes with every role set. Roles that are set stay. Then data roles are assigned
// until DataTarget is reached: on the host with the fewest data instances, there to an instance without a role before a
// gateway, else in topology order. A data instance never becomes a gateway.
func AssignRoles(nodes []Node) []Node {
	return AssignRolesAmong(nodes, func(Node) bool { return true })
}

// AssignRolesAmong is like AssignRoles, but assigns data roles only to nodes for which may returns true. If there are
// too few of them, fewer than DataTarget hold data.
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

// better reports whether a is preferred to b for a data role; b comes before a in the topology.
func better(a, b Node, perHost map[string]int) bool {
	if x, y := perHost[a.Host], perHost[b.Host]; x != y {
		return x < y
	}
	return a.Role == "" && b.Role == Gateway
}

// Founders returns the data instances of a topology as the founders of a store that never ran.
func Founders(nodes []Node) []Founder {
	var out []Founder
	for _, n := range nodes {
		if n.Role == Data {
			out = append(out, Founder{Name: n.Name, Host: n.Host, ClustronPort: n.ClustronPort})
		}
	}
	return out
}
