// Package engine is the store itself: what runs inside one instance, and how the others reach it.
//
// The rest of the manager knows an engine only by the types of this file, so that a second engine
// can stand beside the first (internal/engine/etcd).
package engine

import (
	"context"
	"io"
	"time"

	"dkvrun/runtime/wire"
)

// Start says how an instance comes up.
type Start string

const (
	// Found: the founders of a new store bootstrap together, in any order.
	Found Start = "found"
	// Join: the store runs and has taken this instance in as a learner.
	Join Start = "join"
	// Resume: the data folder says everything; Peers is not looked at.
	Resume Start = "resume"
)

// Peer is a data instance as the others reach it.
type Peer struct {
	Name string `json:"name"`
	// Address is host:port of the cluster port.
	Address string `json:"address"`
}

// Spec is what one instance process runs. The supervisor writes it to spec.json in the instance's
// folder before each start.
type Spec struct {
	Store     string    `json:"store"`
	Instance  string    `json:"instance"`
	Operation string    `json:"operation"`
	Role      wire.Role `json:"role"`
	// Bind is the IP that both ports are bound to; empty for all.
	Bind         string `json:"bind"`
	Host         string `json:"host"`
	ClustronPort int    `json:"clustronPort"`
	ClientPort   int    `json:"clientPort"`
	Start        Start  `json:"start"`
	// Peers: for Found the frozen founders, for Join the members and this instance.
	Peers []Peer `json:"peers"`
	// Endpoints are host:port of the client ports of the data instances: a gateway's first contacts.
	Endpoints []string `json:"endpoints"`
	// DataDir is the data folder's name inside the instance's folder.
	DataDir string `json:"dataDir"`
}

// Names of the files in an instance's folder.
const (
	SpecFile   = "spec.json"
	LockFile   = "lock" // held (fcntl) by the running process, so that there is never a second one
	SocketFile = "sock"
	LogFile    = "log"
)

// State is what an instance says of itself over its socket.
type State struct {
	PID       int       `json:"pid"`
	Store     string    `json:"store"`
	Instance  string    `json:"instance"`
	Operation string    `json:"operation"`
	Role      wire.Role `json:"role"`
	StartedAt time.Time `json:"startedAt"`
	// Ready: takes reads and writes now.
	Ready bool `json:"ready"`
	// Reason says in a sentence why it is not ready.
	Reason string `json:"reason,omitempty"`
	Leader bool   `json:"leader"`
	// Learner: taken in, not promoted yet.
	Learner bool `json:"learner"`
	// Bootstrapped: has been part of the running store and has it on disk. Never true of a gateway.
	Bootstrapped bool `json:"bootstrapped"`
}

// Member is a data instance as the running store knows it.
type Member struct {
	ID uint64
	// Name is empty until the member has started once.
	Name string
	// Address is host:port of its cluster port.
	Address string
	Learner bool
	Leader  bool
}

// Membership reads and changes the members of one running store. Every call needs its quorum; a call
// that the store refuses for the moment returns an error and can be made again.
type Membership interface {
	Members(ctx context.Context) ([]Member, error)
	// Add takes an instance in as a learner.
	Add(ctx context.Context, address string) error
	// Promote makes a learner that has caught up a voter.
	Promote(ctx context.Context, id uint64) error
	// Remove takes a member out; a leader hands over first.
	Remove(ctx context.Context, id uint64) error
	Close() error
}

// Engine runs stores.
type Engine interface {
	// Name is the value of a store's engine field.
	Name() string
	// Run is the whole life of an instance process: it serves spec from folder until ctx is done, then
	// stops gracefully. It keeps report up to date and writes log lines for people. It returns an error
	// when the instance can't be, or can't go on.
	Run(ctx context.Context, folder string, spec Spec, report *Report, log io.Writer) error
	// Dial reaches a running store through any of its client endpoints (host:port), from a server that is
	// bound to an IP; empty for all.
	Dial(bind string, endpoints []string) (Membership, error)
}
