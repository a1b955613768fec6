package supervisor

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// listening is the state of a listening socket in /proc/net/tcp.
const listening = "0A"

// PortHolder names the process that listens on a port of an IP (of any, where ip is empty), such as
// "redis-server (pid 4711)"; empty where the system does not tell.
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

// collectListeners adds the sockets that listen on a port, as links of /proc/PID/fd spell them. A row
// reads: number, local address, remote address, state, five more, inode.
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

// parseSocketAddress reads "0B00007F:1E83": words of four bytes in the machine's order, then the port.
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
