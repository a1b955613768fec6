// Package fakemanager runs thousands of fake managers on loopback addresses, to measure and test the runner. Each
// implements enough of the admin API to be queried, and to vote, commit, abort and resolve like a real manager; some
// are faulty on purpose. They run no instance and keep nothing on disk. They refuse coordinator replacement (fence,
// decide) and changes of instances with atomic = false: tests of these take real managers.
package fakemanager

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"dkvrun/runtime/wire"
)

// maxCount is the number of managers for which there are addresses.
const maxCount = 250 * 250

// Fault is the misbehaviour of a manager; empty for none.
type Fault string

const (
	Refuse  Fault = "refuse"  // nothing listens
	Hang    Fault = "hang"    // reads the request and never answers
	Drip    Fault = "drip"    // answers a byte at a time and never ends
	Garbage Fault = "garbage" // answers something that is not HTTP
	Reset   Fault = "reset"   // resets the connection after the request
	Slow    Fault = "slow"    // answers after slowDelay
	Stall   Fault = "stall"   // answers reads, and hangs on requests that change something
	// Suspect answers like a manager that fell back to an older catalog: it neither votes nor decides.
	Suspect Fault = "suspect"
	// Stranger answers like a server of another program: HTTP, but not the admin API.
	Stranger Fault = "stranger"
)

// Faults lists all faults.
var Faults = []Fault{Refuse, Hang, Drip, Garbage, Reset, Slow, Stall, Suspect, Stranger}

// slowDelay is the delay of each answer of a slow manager.
const slowDelay = time.Second

// Plan describes a fleet of fake managers. Their addresses depend on the plan only.
type Plan struct {
	// Count of managers, 1 to maxCount.
	Count int
	// Port of all managers; 0 for the default port. Fleets that run at the same time need different ports.
	Port int
	// Delay is the wait of each manager before it answers.
	Delay time.Duration
	// Faults are the faults of single managers, spread over the fleet.
	Faults []Fault
	// Credential is a file into which the credential of an admin is written; then the managers speak TLS, with
	// certificates of a new authority. It is empty for plain managers. Only one process can run such managers.
	Credential string
}

// Address returns the address of manager i, from 0: 127.27.0.1:7801, 127.27.0.2:7801, …
func (p Plan) Address(i int) string {
	port := p.Port
	if port == 0 {
		port = wire.DefaultManagerPort
	}
	return net.JoinHostPort(fmt.Sprintf("127.27.%d.%d", i/250, i%250+1), strconv.Itoa(port))
}

// Identity returns the identity of manager i: "fake-" and its address. In certificates it has '-' for '.' and ':'.
func (p Plan) Identity(i int) string {
	name := "fake-" + p.Address(i)
	if p.Credential != "" {
		name = strings.NewReplacer(".", "-", ":", "-").Replace(name)
	}
	return name
}

// Addresses returns the addresses of all managers in order.
func (p Plan) Addresses() []string {
	out := make([]string, p.Count)
	for i := range out {
		out[i] = p.Address(i)
	}
	return out
}

// Fault returns the fault of manager i.
func (p Plan) Fault(i int) Fault {
	k := i * len(p.Faults) / p.Count
	if len(p.Faults) > 0 && (i == 0 || (i-1)*len(p.Faults)/p.Count != k) {
		return p.Faults[k]
	}
	return ""
}

// Mix returns a list that has each fault the given number of times, interleaved.
func Mix(each int, faults ...Fault) []Fault {
	var out []Fault
	for range each {
		out = append(out, faults...)
	}
	return out
}

// words and parseFaults encode and decode a list of faults for a command line.
func words(faults []Fault) string {
	list := make([]string, len(faults))
	for i, f := range faults {
		list[i] = string(f)
	}
	return strings.Join(list, ",")
}

func parseFaults(text string) ([]Fault, error) {
	var out []Fault
	for word := range strings.SplitSeq(text, ",") {
		switch f := Fault(word); {
		case f == "":
		case slices.Contains(Faults, f):
			out = append(out, f)
		default:
			return nil, fmt.Errorf("there is no fault %q", word)
		}
	}
	return out, nil
}
