package local

import (
	"errors"
	"net"
	"slices"
	"syscall"
	"testing"
)

func TestLocal_Blocks(t *testing.T) {
	all := blocks(2)
	if first := all[0]; !slices.Equal(first, []string{"127.3.0.11:7801", "127.3.0.12:7801"}) {
		t.Errorf("the first block is %v", first)
	}
	// The blocks of 127.0.0.1 don't overlap even with the maximum number of servers.
	seen := map[string]bool{}
	for _, block := range blocks(MaxServers) {
		for _, endpoint := range block {
			if seen[endpoint] {
				t.Fatalf("%s is in two blocks", endpoint)
			}
			seen[endpoint] = true
		}
	}
	if !seen["127.0.0.1:17801"] || !seen["127.254.0.42:7801"] {
		t.Error("blocks are missing")
	}
}

func TestLocal_BlockIsTakenOnce(t *testing.T) {
	block := []string{"127.24.4.11:7801", "127.24.4.12:7801"}
	lock, err := takeBlock(block)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := takeBlock(block); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("taken twice: %v", err)
	}
	if !holds(t, block[0]) {
		t.Error("this process holds the lock")
	}
	lock.Close()
	if holds(t, block[0]) {
		t.Error("this process does not hold the lock any more")
	}
	if lock, err = takeBlock(block); err != nil {
		t.Errorf("not free after its end: %v", err)
	}
	lock.Close()
}

// A block is not taken while another program listens on one of its addresses, and no lock remains after the attempt.
func TestLocal_BlockWithForeignListener(t *testing.T) {
	block := []string{"127.24.4.13:7801", "127.24.4.14:7801"}
	other, err := net.Listen("tcp", block[1])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := takeBlock(block); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("got %v", err)
	}
	other.Close()
	lock, err := takeBlock(block)
	if err != nil {
		t.Fatal(err)
	}
	lock.Close()
}
