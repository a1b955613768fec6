package freeport

import (
	"errors"
	"net"
	"os/exec"
	"sync"
	"syscall"
	"testing"
)

// TestCheck_Taken checks an address, the same port of all addresses, and IPv6, while something listens and afterwards.
func TestCheck_Taken(t *testing.T) {
	for listens, checked := range map[string]string{
		"127.52.0.1:7801": "127.52.0.1:7801",
		"127.52.0.1:7802": ":7802",
		":7803":           "127.52.0.1:7803",
		":7804":           ":7804",
		"[::1]:7805":      "[::1]:7805",
		":7806":           "[::1]:7806",
	} {
		listener, err := net.Listen("tcp", listens)
		if err != nil {
			t.Fatal(err)
		}
		if err := Check(checked); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("%s while something listens on %s: %v", checked, listens, err)
		}
		if err := listener.Close(); err != nil {
			t.Fatal(err)
		}
		if err := Check(checked); err != nil {
			t.Errorf("%s is free: %v", checked, err)
		}
	}
}

func TestCheck_NotOfThisMachine(t *testing.T) {
	if err := Check("192.0.2.1:7801"); !errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Errorf("an address of another machine: %v", err)
	}
}

// TestCheck_DisturbsNobody listens on an address again and again while other goroutines check it and start processes,
// which have copies of all open files between fork and exec.
func TestCheck_DisturbsNobody(t *testing.T) {
	const address = "127.52.0.1:7807"
	// Before its first process, package os starts another one for a moment, without ForkLock.
	if err := exec.Command("/bin/true").Run(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var busy sync.WaitGroup
	for range 2 {
		busy.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if err := Check(address); err != nil && !errors.Is(err, syscall.EADDRINUSE) {
					t.Errorf("%v", err)
				}
			}
		})
		busy.Go(func() {
			for range 50 {
				if err := exec.Command("/bin/true").Run(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 500 {
		// So no child has a copy of this listener, only of what Check opens.
		syscall.ForkLock.RLock()
		listener, err := net.Listen("tcp", address)
		if err == nil {
			err = listener.Close()
		}
		syscall.ForkLock.RUnlock()
		if err != nil {
			t.Fatal(err)
		}
	}
	close(done)
	busy.Wait()
}
