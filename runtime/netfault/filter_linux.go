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

// Where a filter finds what it looks at (linux/filter.h), and what it answers.
const (
	protocolOffset = 0xfffff000      // SKF_AD_OFF + SKF_AD_PROTOCOL
	sourceOffset   = 0xfff00000 + 12 // SKF_NET_OFF, and the source in an IPv4 header
	drop, pass     = 0, 0xffffffff
)

// filter is the program that drops what comes from severed addresses; nil where nobody is cut off. It
// passes all that isn't IPv4: a descriptor may be another socket by the time it is attached.
func filter(v View) []unix.SockFilter {
	if len(v.Cut) == 0 {
		return nil
	}
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_H | unix.BPF_ABS, K: protocolOffset},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.ETH_P_IP, Jt: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: pass},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: sourceOffset},
	}
	if slices.Contains(v.Cut, v.Own) {
		program = append(program, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: number(v.Own), Jt: 1},
			unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: drop})
	} else {
		for _, address := range v.Cut {
			program = append(program, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: number(address), Jf: 1},
				unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: drop})
		}
	}
	return append(program, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: pass})
}

// number is an IPv4 address as a filter loads it.
func number(address netip.Addr) uint32 {
	bytes := address.As4()
	return binary.BigEndian.Uint32(bytes[:])
}

// current is the filter of this process.
var current atomic.Pointer[[]unix.SockFilter]

// Control is for net.Dialer. A connection made with it hears no severed server; others do until the next
// sweep.
func Control(_, _ string, socket syscall.RawConn) error {
	given := current.Load()
	if given == nil || *given == nil { // a sweep to come finds the socket
		return nil
	}
	for {
		var failed error
		err := socket.Control(func(fd uintptr) { failed = set(int(fd), *given) })
		if err = errors.Join(err, failed); err != nil {
			return err
		}
		// The filter was given to a socket that a sweep may have been at before.
		now := current.Load()
		if now == given {
			return nil
		}
		given = now
	}
}

// sweep gives all TCP sockets of this process the filter, or takes it from them where there is none.
// Listeners come first: what they accept from then on has it too.
func sweep(program []unix.SockFilter) error {
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
		// It fails where the descriptor is closed by now, or no socket.
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
			return fmt.Errorf("packets can't be filtered at a socket: %w", err)
		}
	}
	return nil
}

func set(fd int, program []unix.SockFilter) error {
	var err error
	if program == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
		if errors.Is(err, unix.ENOENT) { // it had none
			return nil
		}
	} else {
		err = unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
			&unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
	}
	if errors.Is(err, unix.EBADF) || errors.Is(err, unix.ENOTSOCK) { // closed meanwhile
		return nil
	}
	return err
}
