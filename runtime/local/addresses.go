package local

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"

	"dkvrun/runtime/freeport"
	"dkvrun/runtime/wire"
)

// Blocks of addresses: 127.3.0.11, .12, … to 127.254.0.11, …, with the default port of managers. On a system that has
// only 127.0.0.1, ports are used instead of addresses.
const (
	firstBlock, lastBlock = 3, 254
	firstHost             = 11
	firstPort             = 17801
	portBlocks            = 100
)

// freeBlock finds and locks addresses that no other run and no other program uses.
func freeBlock(servers int) ([]string, *os.File, error) {
	var last error
	for _, block := range blocks(servers) {
		lock, err := takeBlock(block)
		if err == nil {
			return block, lock, nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) && !errors.Is(err, syscall.EADDRNOTAVAIL) {
			return nil, nil, fmt.Errorf("no address for a local cluster: %w", err)
		}
		last = err
	}
	return nil, nil, fmt.Errorf("no free loopback addresses for %d managers: end other runs with --local (%w)", servers, last)
}

func blocks(servers int) [][]string {
	var out [][]string
	for x := firstBlock; x <= lastBlock; x++ {
		block := make([]string, servers)
		for i := range block {
			block[i] = fmt.Sprintf("127.%d.0.%d:%d", x, firstHost+i, wire.DefaultManagerPort)
		}
		out = append(out, block)
	}
	for b := range portBlocks {
		block := make([]string, servers)
		for i := range block {
			block[i] = net.JoinHostPort("127.0.0.1", strconv.Itoa(firstPort+b*MaxServers+i))
		}
		out = append(out, block)
	}
	return out
}

// takeBlock locks a block and checks that all its managers can listen.
func takeBlock(endpoints []string) (*os.File, error) {
	lock, err := lockBlock(endpoints[0])
	if err != nil {
		return nil, err
	}
	for _, endpoint := range endpoints {
		if err := freeport.Check(endpoint); err != nil {
			lock.Close()
			return nil, err
		}
	}
	return lock, nil
}

// lockBlock locks a block by binding the UDP port of its first manager, which nothing else uses. So runs exclude each
// other exactly where their addresses collide. The system releases the lock with the last process that holds it, and no
// file is left.
func lockBlock(first string) (*os.File, error) {
	address, err := net.ResolveUDPAddr("udp", first)
	if err != nil {
		return nil, err
	}
	socket, err := net.ListenUDP("udp", address)
	if err != nil {
		return nil, err
	}
	defer socket.Close()
	return socket.File()
}
