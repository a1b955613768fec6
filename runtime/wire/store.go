package wire

import (
	"fmt"
	"time"
)

// Role is what an instance does for its store.
type Role string

const (
	// Data instances hold the store's data and vote on every write.
	Data Role = "data"
	// Gateway instances serve the store on their client port and hold no data.
	Gateway Role = "gateway"
)

// Node is one instance of a store as the topology plans it.
type Node struct {
	Name         string `json:"name"`
	Host         string `json:"host"`
	ClustronPort int    `json:"clustronPort"`
	ClientPort   int    `json:"clientPort"`
	// Role is empty where the caller leaves the choice to AssignRoles.
	Role Role `json:"role,omitempty"`
	// Manager is the endpoint (host:port) of the manager that the node was planned for.
	Manager string `json:"manager,omitempty"`
}

// Founder is an instance of the first start. The list is frozen once the store has run: a founder
// that starts late must still name all of them, also those that have been removed since.
type Founder struct {
	Name         string `json:"name"`
	Host         string `json:"host"`
	ClustronPort int    `json:"clustronPort"`
}

// Manager is one of the managers that keep a store's configuration.
type Manager struct {
	// Identity is made once and kept on the manager's disk.
	Identity string `json:"identity"`
	// URL is where the runner reached it, for example http://10.0.0.11:7801.
	URL string `json:"url"`
}

// Status of an instance.
type Status string

const (
	Stopped      Status = "Stopped"
	Starting     Status = "Starting"
	Running      Status = "Running"
	Stopping     Status = "Stopping"
	CrashLooping Status = "CrashLooping"
	// Joining: a new data instance that the store has not taken in yet.
	Joining Status = "Joining"
	// Leaving: removed from the topology, still to be taken out of the running store.
	Leaving Status = "Leaving"
	// Unknown: another server's instance, which this manager has not asked.
	Unknown Status = "Unknown"
)

// StoreStatus sums up the instances that somebody knows of.
type StoreStatus string

const (
	StoreNoInstances StoreStatus = "NoInstances"
	StoreRunning     StoreStatus = "Running"
	StoreStopped     StoreStatus = "Stopped"
	StorePartial     StoreStatus = "Partial"
	StoreUnknown     StoreStatus = "Unknown"
)

// StoreStatuses are all of them.
var StoreStatuses = []StoreStatus{StoreNoInstances, StoreRunning, StoreStopped, StorePartial, StoreUnknown}

// Desired is what an operator last asked an instance to be.
type Desired string

const (
	DesiredRunning Desired = "Running"
	DesiredStopped Desired = "Stopped"
)

// Instance is one instance as a manager sees it. Own tells its own from other servers', of which it
// knows the plan only.
type Instance struct {
	Node
	Own       bool       `json:"own"`
	Status    Status     `json:"status"`
	Desired   Desired    `json:"desired,omitempty"`
	Ready     bool       `json:"ready"`
	Leader    bool       `json:"leader"`
	PID       int        `json:"pid,omitempty"`
	StartedAt *time.Time `json:"startedAt,omitempty"`
	// Restarts counts how often the supervisor started it again after it died.
	Restarts  int    `json:"restarts"`
	LastError string `json:"lastError,omitempty"`
	// Started is set once the instance has been asked to run, and stays: from then on its store is not
	// founded anew.
	Started bool `json:"started,omitempty"`
	// Bootstrapped is set once the instance has been part of the running store.
	Bootstrapped bool `json:"bootstrapped"`
}

// Store is one store as a manager sees it. Status sums up its own instances only.
type Store struct {
	Name   string      `json:"name"`
	Status StoreStatus `json:"status"`
	// Engine names what runs inside the instances.
	Engine string `json:"engine"`
	// Creation is the id of the operation that created the store.
	Creation string `json:"operation"`
	// LastOperation is the id of the operation that made this revision; empty where none did.
	LastOperation string `json:"change,omitempty"`
	// Revision counts the store's topologies from 1.
	Revision uint64 `json:"revision"`
	Epoch    uint64 `json:"epoch"`
	// Digest is Digest(Name, Nodes).
	Digest      string     `json:"digest"`
	Coordinator string     `json:"home,omitempty"`
	Managers    []Manager  `json:"managers"`
	Founders    []Founder  `json:"founders"`
	Instances   []Instance `json:"instances"`
	// Leaving are own instances that the topology has dropped and that still run or hold data.
	Leaving []Instance `json:"leaving,omitempty"`
	// Prepared is a change that the manager has voted for and that is not decided.
	Prepared *OperationStatus `json:"pending,omitempty"`
}

// Check refuses a description that no store has. Who reads one from a manager builds paths, addresses and
// conclusions on it: of no instances all are ready.
func (s *Store) Check() error {
	if err := CheckName(s.Name); err != nil {
		return fmt.Errorf("name: %w", err)
	}
	if err := CheckTopology(s.Nodes()); err != nil {
		return err
	}
	if len(s.Leaving) > MaxInstances {
		return fmt.Errorf("leaving: has %d instances", len(s.Leaving))
	}
	for i, in := range s.Leaving {
		if err := CheckTopology([]Node{in.Node}); err != nil {
			return fmt.Errorf("leaving[%d]: %w", i, err)
		}
	}
	return nil
}

// Nodes is the topology of the store.
func (s Store) Nodes() []Node {
	nodes := make([]Node, len(s.Instances))
	for i, in := range s.Instances {
		nodes[i] = in.Node
	}
	return nodes
}

// Info says who a manager is.
type Info struct {
	Identity string `json:"identity"`
	// Host is the name that the manager advertises.
	Host    string `json:"host"`
	Listen  string `json:"listen"`
	Version string `json:"version"`
	// Boot changes with every start of the manager.
	Boot string `json:"boot"`
	// CatalogDigest covers every store that the manager keeps.
	CatalogDigest string   `json:"catalogDigest"`
	Capabilities  []string `json:"capabilities"`
}

// Metric is one figure of one instance.
type Metric struct {
	Store    string `json:"store"`
	Instance string `json:"instance"`
	// Category and Name as in Requests/Get, Storage/ItemsCount, Cluster/IsLeader.
	Category string `json:"category"`
	Name     string `json:"metric"`
	// Rate is per second over the window; nil where a rate has no meaning.
	Rate  *float64 `json:"rate"`
	Total float64  `json:"total"`
}

// Metrics is the answer of the metrics route.
type Metrics struct {
	WindowSec float64  `json:"windowSec"`
	Metrics   []Metric `json:"metrics"`
}
