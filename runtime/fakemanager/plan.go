// Package fakemanager is thousands of fake managers on loopback addresses, to measure and to try the runner
// against: each speaks enough of the admin API to be queried, and to vote, commit, abort and settle like a real
// one, and some do what managers should not. They run no instance and keep nothing on disk; repairs without a home
// (fence, decide) and changes of instances with atomic = false are not theirs.
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

// MaxCount is how many managers there are addresses for.
const MaxCount = 250 * 250

// Fault is what a manager does instead of answering; empty for one that answers.
type Fault string

const (
	Refuse  Fault = "refuse"  // nothing listens
	Hang    Fault = "hang"    // takes the request and says nothing
	Drip    Fault = "drip"    // answers a byte at a time, without an end in sight
	Garbage Fault = "garbage" // answers something that is not HTTP
	Reset   Fault = "reset"   // breaks the connection off when it has the request
	Slow    Fault = "slow"    // answers after SlowDelay
	Stall   Fault = "stall"   // answers questions, and says nothing to what would change something
	// Suspect answers like a manager that fell back to an older catalog: it neither votes nor decides.
	Suspect Fault = "suspect"
	// Stranger is another program's server: it speaks HTTP, but not the admin API.
	Stranger Fault = "stranger"
)

// Faults lists them all.
var Faults = []Fault{Refuse, Hang, Drip, Garbage, Reset, Slow, Stall, Suspect, Stranger}

// SlowDelay is how long a slow manager takes.
const SlowDelay = time.Second

// Plan says what the managers of a fleet are like. Its Addresses are fixed by the plan alone.
type Plan struct {
	// Count of managers, 1 to MaxCount.
	Count int
	// Port of all; 0 for the managers' usual one. Fleets at the same time need ports of their own.
	Port int
	// Delay is what each waits before it answers.
	Delay time.Duration
	// Faults are the managers' that don't answer as they should; they are spread over the fleet.
	Faults []Fault
}

// Address of a manager, from 0: 127.27.0.1:7801, 127.27.0.2:7801, …
func (p Plan) Address(i int) string {
	port := p.Port
	if port == 0 {
		port = wire.DefaultManagerPort
	}
	return net.JoinHostPort(fmt.Sprintf("127.27.%d.%d", i/250, i%250+1), strconv.Itoa(port))
}

// Addresses of all managers, in their order.
func (p Plan) Addresses() []string {
	out := make([]string, p.Count)
	for i := range out {
		out[i] = p.Address(i)
	}
	return out
}

// Fault of a manager.
func (p Plan) Fault(i int) Fault {
	k := i * len(p.Faults) / p.Count
	if len(p.Faults) > 0 && (i == 0 || (i-1)*len(p.Faults)/p.Count != k) {
		return p.Faults[k]
	}
	return ""
}

// Mix makes the list of faults of a plan: so many of each, in turn.
func Mix(each int, faults ...Fault) []Fault {
	var out []Fault
	for range each {
		out = append(out, faults...)
	}
	return out
}

// words and parseFaults carry a list of faults over a command line.
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
