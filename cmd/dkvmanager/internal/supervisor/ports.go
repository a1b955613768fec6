package supervisor

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/runtime/freeport"
	"dkvrun/runtime/wire"
)

const (
	// maxShift bounds the search for free ports, and maxTries the number of ports that it tries.
	maxShift = 1000
	maxTries = 2000
)

// portCheck finds out whether this server's instances can have their ports.
type portCheck struct {
	bind string // the IP that ports are bound to; empty for all
	owns func(wire.Node) bool
	// taken holds the instances of all servers in the catalog, by port.
	taken map[int][]portOwner
}

// portOwner is an instance of a store of the catalog.
type portOwner struct {
	store string
	node  wire.Node
}

// newPortCheck returns a check against the stores of the catalog.
func newPortCheck(stores map[string]*catalog.Store, bind string, owns func(wire.Node) bool) portCheck {
	type place struct{ host, manager string }
	known := map[place]bool{} // owns may read the addresses of the machine each time
	ownsOnce := func(n wire.Node) bool {
		at := place{n.Host, n.Manager}
		is, has := known[at]
		if !has {
			is = owns(n)
			known[at] = is
		}
		return is
	}
	c := portCheck{bind: bind, owns: ownsOnce, taken: map[int][]portOwner{}}
	for _, s := range stores {
		for _, n := range append(s.Nodes[:len(s.Nodes):len(s.Nodes)], leaving(s)...) {
			for _, port := range []int{n.ClustronPort, n.ClientPort} {
				c.taken[port] = append(c.taken[port], portOwner{s.Name, n})
			}
		}
	}
	return c
}

// refusal returns the refusal port_taken if a port of one of this server's nodes of a store belongs to another instance
// or is in use on this machine, else nil.
func (c portCheck) refusal(store string, nodes []wire.Node) *wire.Result {
	var own []wire.Node
	for _, n := range nodes {
		if c.owns(n) {
			own = append(own, n)
		}
	}
	for _, n := range own {
		for _, port := range []int{n.ClustronPort, n.ClientPort} {
			problem := c.problem(store, n, port)
			if problem == "" {
				continue
			}
			address := net.JoinHostPort(n.Host, strconv.Itoa(port))
			return wire.RefusePortTaken.With(address, problem, c.freePorts(store, own))
		}
	}
	return nil
}

// problem returns why a port can't be used, or "" if it is free.
func (c portCheck) problem(store string, n wire.Node, port int) string {
	if o := c.owner(store, n, port); o != nil {
		return fmt.Sprintf("belongs to instance %s of store %s", o.node.Name, o.store)
	}
	err := c.listen(port)
	switch {
	case err == nil:
		return ""
	case !errors.Is(err, syscall.EADDRINUSE):
		return "can't be used: " + cause(err).Error()
	}
	if holder := PortHolder(c.bind, port); holder != "" {
		return "is taken by " + holder
	}
	return "is taken"
}

// owner returns another instance of this server that has a port, or nil.
func (c portCheck) owner(store string, n wire.Node, port int) *portOwner {
	for _, o := range c.taken[port] {
		same := o.store == store && o.node.Name == n.Name
		if !same && (strings.EqualFold(o.node.Host, n.Host) || c.owns(o.node)) {
			return &o
		}
	}
	return nil
}

// listen returns nil if a port can be used on this machine, else the error.
func (c portCheck) listen(port int) error {
	return freeport.Check(net.JoinHostPort(c.bind, strconv.Itoa(port)))
}

// cause returns the system's error number in an error of package net, or the error itself.
func cause(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}

// freePorts returns a hint with the nearest ports at which all ports of the nodes are free, all shifted by the same
// number; "" if it finds none in maxTries.
func (c portCheck) freePorts(store string, nodes []wire.Node) string {
	tries := 0
	for shift := 1; shift <= maxShift && tries < maxTries; shift++ {
		if c.freeAt(store, nodes, shift, &tries) {
			first := nodes[0]
			for _, n := range nodes {
				first.ClustronPort = min(first.ClustronPort, n.ClustronPort)
				first.ClientPort = min(first.ClientPort, n.ClientPort)
			}
			return fmt.Sprintf("the next free pair on %s is clustron port %d, client port %d",
				first.Host, first.ClustronPort+shift, first.ClientPort+shift)
		}
	}
	return ""
}

// freeAt reports whether all ports of the nodes are free when they are shifted. It adds the ports that it has tried.
func (c portCheck) freeAt(store string, nodes []wire.Node, shift int, tries *int) bool {
	for _, n := range nodes {
		for _, port := range []int{n.ClustronPort + shift, n.ClientPort + shift} {
			*tries++
			if port > 65535 || c.owner(store, n, port) != nil || c.listen(port) != nil {
				return false
			}
		}
	}
	return true
}

// listening is the state of a listening socket in /proc/net/tcp.
const listening = "0A"

// PortHolder returns the process that listens on a port of an IP (of any IP if ip is empty), such as "redis-server (pid
// 4711)", or "" if the system does not tell.
func PortHolder(ip string, port int) string {
	inodes := map[string]bool{}
	for _, table := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		collectListeners(table, ip, port, inodes)
	}
	if len(inodes) == 0 {
		return ""
	}
	sockets, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return ""
	}
	for _, socket := range sockets {
		target, err := os.Readlink(socket)
		if err != nil || !inodes[target] {
			continue
		}
		pid := strings.Split(socket, "/")[2]
		name, err := os.ReadFile(filepath.Join("/proc", pid, "comm"))
		if err != nil {
			continue
		}
		return fmt.Sprintf("%s (pid %s)", strings.TrimSpace(string(name)), pid)
	}
	return ""
}

// collectListeners adds the sockets that listen on a port, in the spelling of the links in /proc/PID/fd. A row has:
// number, local address, remote address, state, five more columns, inode.
func collectListeners(table, ip string, port int, inodes map[string]bool) {
	f, err := os.Open(table)
	if err != nil {
		return
	}
	defer f.Close()
	rows := bufio.NewScanner(f)
	for rows.Scan() {
		row := strings.Fields(rows.Text())
		if len(row) < 10 || row[3] != listening {
			continue
		}
		at, ok := parseSocketAddress(row[1])
		if ok && int(at.Port()) == port && (ip == "" || at.Addr().IsUnspecified() || at.Addr().String() == ip) {
			inodes["socket:["+row[9]+"]"] = true
		}
	}
}

// parseSocketAddress parses an address such as "0B00007F:1E83": words of four bytes in the machine's byte order, then
// the port.
func parseSocketAddress(text string) (netip.AddrPort, bool) {
	host, port, _ := strings.Cut(text, ":")
	raw, err := hex.DecodeString(host)
	if err != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(raw); i += 4 {
		binary.NativeEndian.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	addr, ok := netip.AddrFromSlice(raw)
	number, err := strconv.ParseUint(port, 16, 16)
	return netip.AddrPortFrom(addr.Unmap(), uint16(number)), ok && err == nil
}
