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
	"dkvrun/runtime/wire"
)

// maxShift bounds the search for free ports.
const maxShift = 1000

// portCheck finds out whether this server's instances can have their ports.
type portCheck struct {
	stores map[string]*catalog.Store // of the catalog
	bind   string                    // the IP that ports are bound to; empty for all
	owns   func(wire.Node) bool
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
	for _, other := range c.stores {
		for _, o := range append(other.Nodes[:len(other.Nodes):len(other.Nodes)], leaving(other)...) {
			same := other.Name == store && o.Name == n.Name
			here := strings.EqualFold(o.Host, n.Host) || c.owns(o)
			if !same && here && (o.ClustronPort == port || o.ClientPort == port) {
				return fmt.Sprintf("belongs to instance %s of store %s", o.Name, other.Name)
			}
		}
	}
	l, err := net.Listen("tcp", net.JoinHostPort(c.bind, strconv.Itoa(port)))
	if err == nil {
		l.Close()
		return ""
	}
	if !errors.Is(err, syscall.EADDRINUSE) {
		return "can't be used: " + cause(err).Error()
	}
	if holder := PortHolder(c.bind, port); holder != "" {
		return "is taken by " + holder
	}
	return "is taken"
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
// number; "" if there are none near.
func (c portCheck) freePorts(store string, nodes []wire.Node) string {
	for shift := 1; shift <= maxShift; shift++ {
		if c.freeAt(store, nodes, shift) {
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

func (c portCheck) freeAt(store string, nodes []wire.Node, shift int) bool {
	for _, n := range nodes {
		for _, port := range []int{n.ClustronPort + shift, n.ClientPort + shift} {
			if port > 65535 || c.problem(store, n, port) != "" {
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
