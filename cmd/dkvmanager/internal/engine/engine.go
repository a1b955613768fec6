// Package engine defines the interface between the manager and a storage engine: what an instance process
// runs, and how a manager reads and changes the members of a running store.
//
// The rest of the manager uses only the types of this package, so that another engine can be added beside
// internal/engine/etcd.
package engine

import (
	"context"
	"crypto/tls"
	"io"
	"time"

	"dkvrun/runtime/wire"
)

// Start is the way in which an instance starts.
type Start string

const (
	// Found bootstraps a new store together with the other founders, in any order.
	Found Start = "found"
	// Join starts a learner that has been added to a running store.
	Join Start = "join"
	// Resume starts from the data folder; Peers is ignored.
	Resume Start = "resume"
)

// Peer is a data instance as the other data instances reach it.
type Peer struct {
	Name string `json:"name"`
	// Address is host:port of the cluster port.
	Address string `json:"address"`
}

// Spec is the configuration of one instance process. The supervisor writes it to spec.json in the instance's
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
	// Peers lists, for Found, the founders, which never change; for Join, all members, this instance included.
	Peers []Peer `json:"peers"`
	// Endpoints lists host:port of the client ports of the data instances, where a gateway connects first.
	Endpoints []string `json:"endpoints"`
	// DataDir is the data folder's name inside the instance's folder.
	DataDir string `json:"dataDir"`
	// Restarts is the number of restarts after an unexpected end, this start included; the supervisor counts on from it.
	Restarts int `json:"restarts,omitempty"`
	// Keys means that the client port speaks TLS, with the keys in the instance's folder (package instancekeys), which
	// also say whether it takes plain connections as well.
	Keys bool `json:"keys,omitempty"`
	// ClusterName is set if both ports speak TLS. The cluster port takes only peers whose certificate has this DNS name.
	ClusterName string `json:"clusterName,omitempty"`
}

// Secured reports whether the instance has keys, so that its client port speaks TLS.
func (s Spec) Secured() bool { return s.Keys || s.SecuredCluster() }

// SecuredCluster reports whether the cluster port speaks TLS.
func (s Spec) SecuredCluster() bool { return s.ClusterName != "" }

// Secure says how connections to client ports speak TLS. Nil stands for plain connections.
type Secure struct {
	Config *tls.Config
	// Plain reports whether a port that doesn't speak TLS is used without: until all instances of a store are switched.
	Plain func() bool
}

// RemovedFromStore ends the reason of an instance's end if the other data instances have removed it from their store:
// the engine never takes its data again.
const RemovedFromStore = "has been removed from the store"

// Names of the files in an instance's folder.
const (
	SpecFile   = "spec.json"
	LockFile   = "lock" // locked (fcntl) by the running process, so that there is never a second one
	SocketFile = "sock"
	LogFile    = "log"
	OldLogFile = "log.1" // the log before, once that was large
	EndFile    = "end"   // why the process ended, in its own words
)

// State is the state that an instance reports over its socket.
type State struct {
	PID       int       `json:"pid"`
	Store     string    `json:"store"`
	Instance  string    `json:"instance"`
	Operation string    `json:"operation"`
	Role      wire.Role `json:"role"`
	StartedAt time.Time `json:"startedAt"`
	// Ready means that the instance takes reads and writes.
	Ready bool `json:"ready"`
	// Reason is a sentence that says why the instance is not ready.
	Reason string `json:"reason,omitempty"`
	Leader bool   `json:"leader"`
	// Learner means that the instance was added to the store and has no vote yet.
	Learner bool `json:"learner"`
	// Bootstrapped means that the instance has been part of the running store and has its data on disk. It is
	// never true for a gateway.
	Bootstrapped bool `json:"bootstrapped"`
	// Cluster is the id of the store's cluster, as wire.Instance has it.
	Cluster string `json:"cluster,omitempty"`
	// Build is what wire.Build returns in the process; empty of older programs.
	Build string `json:"build,omitempty"`
	// Keys is nil if the instance's ports don't speak TLS.
	Keys *Keys `json:"keys,omitempty"`
}

// Keys says what a running instance trusts and who uses its ports, as wire.Certificate does.
type Keys struct {
	Serial          string   `json:"serial"` // of the certificate that it shows
	Authorities     []string `json:"authorities"`
	PeerAuthorities []string `json:"peerAuthorities,omitempty"`
	OldClients      []string `json:"oldClients,omitempty"`
	// Exposed has the bearer tokens of the cluster that came to its client port without TLS.
	Exposed []string `json:"exposed,omitempty"`
}

// Member is a data instance in the member list of the running store.
type Member struct {
	ID uint64
	// Name is empty until the member has started once.
	Name string
	// Address is host:port of its cluster port.
	Address string
	Learner bool
	Leader  bool
}

// MemberReader reads the member list of one running store, which needs the store's quorum.
type MemberReader interface {
	Members(ctx context.Context) ([]Member, error)
	Close() error
}

// Membership reads and changes the member list of one running store. Every call needs the store's quorum. A
// call that the store refuses for the moment returns an error and can be repeated.
type Membership interface {
	MemberReader
	// Add adds an instance as a learner. Adding a member again changes nothing.
	Add(ctx context.Context, address string) error
	// Promote gives a learner that has caught up its vote. Promoting a voter changes nothing.
	Promote(ctx context.Context, id uint64) error
	// Remove removes a member; a leader transfers the leadership first. Removing a non-member changes nothing.
	Remove(ctx context.Context, id uint64) error
}

// Engine runs the instances of stores.
type Engine interface {
	// Name returns the value of a store's engine field.
	Name() string
	// Run serves spec from folder until ctx is done, then stops gracefully. It keeps report up to date and
	// writes its log to log. It returns an error when the instance can't start or can't go on.
	Run(ctx context.Context, folder string, spec Spec, report *Report, log io.Writer) error
	// Dial returns the member list of a running store, reached through any of its client endpoints (host:port), which
	// take no changes of members. Connections come from bind, the IP of this server; empty for all.
	Dial(bind string, endpoints []string, secure *Secure) (MemberReader, error)
	// DialLocal returns the membership of the store of the data instance in folder, which is on this server, reached
	// through a socket that only the folder's owner can open. It connects at the first call: an error of a call, and not
	// of DialLocal, says that the instance doesn't run.
	DialLocal(folder string) (Membership, error)
}
