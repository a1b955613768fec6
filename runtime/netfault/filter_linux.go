package netfault

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// The offsets from which a filter loads (linux/filter.h), and the values that it returns.
const (
	protocolOffset = 0xfffff000      // SKF_AD_OFF + SKF_AD_PROTOCOL
	sourceOffset   = 0xfff00000 + 12 // SKF_NET_OFF, and the source address in an IPv4 header
	drop, pass     = 0, 0xffffffff
)

// filter returns the BPF program that drops packets from blocked addresses, or nil if no server is isolated. It passes
// everything but IPv4, because a descriptor may have become another socket by the time the program is attached.
func filter(v View) []unix.SockFilter {
	if len(v.Isolated) == 0 {
		return nil
	}
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_H | unix.BPF_ABS, K: protocolOffset},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.ETH_P_IP, Jt: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: pass},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: sourceOffset},
	}
	if slices.Contains(v.Isolated, v.Own) {
		program = append(program,
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: number(v.Own), Jt: 1},
			unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: drop})
	} else {
		for _, address := range v.Isolated {
			program = append(program,
				unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: number(address), Jf: 1},
				unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: drop})
		}
	}
	return append(program, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: pass})
}

// number returns an IPv4 address in the form in which a filter loads it.
func number(address netip.Addr) uint32 {
	bytes := address.As4()
	return binary.BigEndian.Uint32(bytes[:])
}

// current is the filter of this process; nil, or a pointer to nil, if there is none.
var current atomic.Pointer[[]unix.SockFilter]

// Control is for net.Dialer: it attaches the filter before the socket connects. Sockets made without it get the filter
// only at the next rescan.
func Control(_, _ string, socket syscall.RawConn) error {
	given := current.Load()
	if given == nil || *given == nil { // a later call of filterSockets finds the socket
		return nil
	}
	for {
		var failed error
		err := socket.Control(func(fd uintptr) { failed = set(int(fd), *given) })
		if err = errors.Join(err, failed); err != nil {
			return err
		}
		// The filter may have changed, and filterSockets may have visited this socket before it got the old one.
		now := current.Load()
		if now == given {
			return nil
		}
		given = now
	}
}

// filterSockets attaches the program to all TCP sockets of this process, or detaches their filters if it is nil.
// Listeners come first: connections that they accept from then on inherit the filter.
func filterSockets(program []unix.SockFilter) error {
	current.Store(&program)
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	var listening, others []int
	for _, entry := range entries {
		fd, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		// This fails if the descriptor is closed by now or is not a socket.
		protocol, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PROTOCOL)
		if err != nil || protocol != unix.IPPROTO_TCP && protocol != unix.IPPROTO_MPTCP {
			continue
		}
		if accepts, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err == nil && accepts != 0 {
			listening = append(listening, fd)
		} else {
			others = append(others, fd)
		}
	}
	for _, fd := range append(listening, others...) {
		if err := set(fd, program); err != nil {
			return fmt.Errorf("attach a packet filter to a socket: %w", err)
		}
	}
	return nil
}

func set(fd int, program []unix.SockFilter) error {
	var err error
	if program == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
		if errors.Is(err, unix.ENOENT) { // it had no filter
			return nil
		}
	} else {
		err = unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
			&unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
	}
	if errors.Is(err, unix.EBADF) || errors.Is(err, unix.ENOTSOCK) { // closed since the directory was read
		return nil
	}
	return err
}
