package wire

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Role is the role of an instance in its store.
type Role string

const (
	// Data instances hold the store's data and vote on every write.
	Data Role = "data"
	// Gateway instances serve the store on their client port and hold no data.
	Gateway Role = "gateway"
)

// Node is one instance of a store in its topology.
type Node struct {
	Name         string `json:"name" max:"253"`
	Host         string `json:"host" max:"253"`
	ClustronPort int    `json:"clustronPort"`
	ClientPort   int    `json:"clientPort"`
	// Role is empty if the caller leaves the choice to AssignRoles.
	Role Role `json:"role,omitempty" max:"16"`
	// Manager is the endpoint (host:port) of the manager that the node was planned for.
	Manager string `json:"manager,omitempty" max:"269"`
}

// Founder is an instance of the store's first start. The list does not change once the store has run: a founder that
// starts late must name all founders, including removed ones.
type Founder struct {
	Name         string `json:"name" max:"253"`
	Host         string `json:"host" max:"253"`
	ClustronPort int    `json:"clustronPort"`
}

// Manager is one of the managers that keep a store's configuration.
type Manager struct {
	// Identity is created at the manager's first start and kept on its disk.
	Identity string `json:"identity" max:"64"`
	// URL is the URL at which the runner reached it, for example http://10.0.0.11:7801.
	URL string `json:"url" max:"269"`
}

// Status is the status of an instance.
type Status string

const (
	Stopped      Status = "Stopped"
	Starting     Status = "Starting"
	Running      Status = "Running"
	Stopping     Status = "Stopping"
	CrashLooping Status = "CrashLooping"
	// Joining: a new data instance that is to run and is not a voting member of the store yet.
	Joining Status = "Joining"
	// Leaving: removed from the topology, and not yet from the running store.
	Leaving Status = "Leaving"
	// Unknown: another server's instance, whose status this manager does not know.
	Unknown Status = "Unknown"
)

// statuses lists all values of Status.
var statuses = []Status{Stopped, Starting, Running, Stopping, CrashLooping, Joining, Leaving, Unknown}

// StoreStatus summarizes the statuses of a set of instances.
type StoreStatus string

const (
	StoreNoInstances StoreStatus = "NoInstances"
	StoreRunning     StoreStatus = "Running"
	StoreStopped     StoreStatus = "Stopped"
	StorePartial     StoreStatus = "Partial"
	StoreUnknown     StoreStatus = "Unknown"
)

// Statuses lists all values of Status.
var Statuses = []Status{Stopped, Starting, Running, Stopping, CrashLooping, Joining, Leaving, Unknown}

// StoreStatuses lists all values of StoreStatus.
var StoreStatuses = []StoreStatus{StoreNoInstances, StoreRunning, StoreStopped, StorePartial, StoreUnknown}

// Desired is the desired state of an instance, as an operator last set it.
type Desired string

const (
	DesiredRunning Desired = "Running"
	DesiredStopped Desired = "Stopped"
)

// Instance is one instance as a manager reports it. Own is true for the manager's own instances; of others it knows the
// topology only.
type Instance struct {
	Node
	Own       bool       `json:"own"`
	Status    Status     `json:"status"`
	Desired   Desired    `json:"desired,omitempty"`
	Ready     bool       `json:"ready"`
	Leader    bool       `json:"leader"`
	PID       int        `json:"pid,omitempty"`
	StartedAt *time.Time `json:"startedAt,omitempty"`
	// Restarts is the number of times the supervisor restarted it after it ended unexpectedly.
	Restarts  int    `json:"restarts"`
	LastError string `json:"lastError,omitempty"`
	// Started is set once the desired state was Running, and stays set: from then on the founders of its store can't
	// be chosen anew.
	Started bool `json:"started,omitempty"`
	// Bootstrapped is set once the instance was a member of the running store, and stays set.
	Bootstrapped bool `json:"bootstrapped"`
	// Cluster is the engine's id of the store's cluster, 1 to 16 hexadecimal digits. All instances of a store report the
	// same; a store that was removed and created again has another. Empty while the instance does not know it.
	Cluster string `json:"cluster,omitempty"`
	// ClientTLS says whether the client port of the running process takes plain connections beside TLS; empty if it takes
	// plain ones alone. ClusterTLS is set if its cluster port speaks TLS.
	ClientTLS  TLSMode `json:"clientTls,omitempty"`
	ClusterTLS bool    `json:"clusterTls,omitempty"`
	// AccessStaleSince is when the instance last had what other managers know about access, if that is more than a minute
	// ago: its manager hears no other member, or can't write the instance's keys. It is of running secured instances.
	AccessStaleSince *time.Time `json:"accessStaleSince,omitempty"`
	// Build is what Build returns in the program that the process runs; empty of an older program, or if it does not run
	// or answer. OtherBuild is set if it answers and its manager runs another program.
	Build      string `json:"build,omitempty"`
	OtherBuild bool   `json:"otherBuild,omitempty"`
}

// Stray is the folder of an instance that its server's catalog doesn't know. It is kept, and a process in it goes on
// running, since the catalog may be the one that is wrong.
type Stray struct {
	Instance string `json:"instance"`
	// Folder is its path on the server.
	Folder string `json:"folder"`
	// PID is the process that runs in the folder, or 0.
	PID int `json:"pid,omitempty"`
	// Next is the command that ends the process and moves the folder away, to be run on the server.
	Next string `json:"next"`
}

// Bounds of the strays of a store in an answer: their number, and the length of a folder's path in bytes.
const (
	MaxStrays  = 64
	maxFolder  = 4096
	maxCommand = 2*maxFolder + 1024 // a quoted path, and names
)

// check refuses a stray that exceeds the bounds.
func (x *Stray) check() error {
	switch {
	case CheckName(x.Instance) != nil:
		return fmt.Errorf("%.80q is not the name of an instance", x.Instance)
	case len(x.Folder) > maxFolder || len(x.Next) > maxCommand:
		return errors.New("has a path that is too long")
	case x.PID < 0:
		return fmt.Errorf("%d is not a process", x.PID)
	}
	return nil
}

// Store is one store as a manager reports it. Status summarizes the manager's own instances only.
type Store struct {
	Name   string      `json:"name"`
	Status StoreStatus `json:"status"`
	// Engine is the name of the engine that the instances run.
	Engine string `json:"engine"`
	// Creation is the id of the operation that created the store.
	Creation string `json:"operation"`
	// LastOperation is the id of the operation that made this revision; empty if none did.
	LastOperation string `json:"change,omitempty"`
	// Revision counts the store's topologies from 1; see CatalogLost.
	Revision uint64 `json:"revision"`
	Epoch    uint64 `json:"epoch"`
	// Digest is Digest(Name, Nodes).
	Digest      string     `json:"digest"`
	Coordinator string     `json:"home,omitempty"`
	Managers    []Manager  `json:"managers"`
	Founders    []Founder  `json:"founders"`
	Instances   []Instance `json:"instances"`
	// ClusterTLS: see Configuration.
	ClusterTLS bool `json:"clusterTls,omitempty"`
	// Leaving lists own instances that are no longer in the topology and still run or hold data.
	Leaving []Instance `json:"leaving,omitempty"`
	// Members is nil from a manager that has no data instance of the store, and from older ones.
	Members *MemberCheck `json:"members,omitempty"`
	// Prepared is an operation that the manager has voted for and that is not decided.
	Prepared *OperationStatus `json:"pending,omitempty"`
	// Condition says why the manager neither votes nor decides about this store; nil if it does.
	Condition *Condition `json:"condition,omitempty"`
	// Strays lists folders of this server that have the name of the store and are of no instance that the catalog knows.
	Strays []Stray `json:"strays,omitempty"`
}

// CatalogLost reports whether the manager that describes the store can't read its catalog. It then lists the instances
// whose folders it finds, with the revision 0, which no topology has.
func (s *Store) CatalogLost() bool { return s.Revision == 0 }

// Check refuses a description that no valid store has. Readers derive paths, addresses and results from it, and a store
// without instances, for example, would count as ready.
func (s *Store) Check() error {
	if err := CheckName(s.Name); err != nil {
		return fmt.Errorf("name: %w", err)
	}
	if err := CheckTopology(s.Nodes()); err != nil {
		return err
	}
	switch {
	case !slices.Contains(StoreStatuses, s.Status):
		return fmt.Errorf("status: %.60q is not a status of a store", s.Status)
	case !s.statusOfOwn():
		return fmt.Errorf("status: %s contradicts those of the manager's own instances", s.Status)
	case s.Digest == "" && !s.CatalogLost():
		return errors.New("digest: is missing")
	}
	for _, list := range [][]Instance{s.Instances, s.Leaving} {
		for i := range list {
			switch in := &list[i]; {
			case !slices.Contains(statuses, in.Status):
				return fmt.Errorf("%s: %.60q is not a status of an instance", in.Name, in.Status)
			case in.Desired != "" && in.Desired != DesiredRunning && in.Desired != DesiredStopped:
				return fmt.Errorf("%s: %.60q is not a desired state", in.Name, in.Desired)
			case in.ClientTLS != "" && !slices.Contains(SecuredModes, in.ClientTLS):
				return fmt.Errorf("%s: %.60q is not a mode of TLS", in.Name, in.ClientTLS)
			case len(in.Build) > maxBuild:
				return fmt.Errorf("%s: build: has %d bytes", in.Name, len(in.Build))
			case !isClusterID(in.Cluster):
				return fmt.Errorf("%s: %.60q is not the id of a cluster", in.Name, in.Cluster)
			}
		}
	}
	if s.Prepared != nil {
		if err := s.Prepared.Check(); err != nil {
			return fmt.Errorf("pending: %w", err)
		}
	}
	if err := s.Condition.check(); err != nil {
		return err
	}
	if len(s.Strays) > MaxStrays {
		return fmt.Errorf("strays: has %d folders", len(s.Strays))
	}
	for i := range s.Strays {
		if err := s.Strays[i].check(); err != nil {
			return fmt.Errorf("strays[%d]: %w", i, err)
		}
	}
	if s.Members != nil {
		if err := s.Members.Check(); err != nil {
			return fmt.Errorf("members: %w", err)
		}
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

// statusOfOwn reports whether the status is that of the manager's own instances.
func (s *Store) statusOfOwn() bool {
	var count statusCount
	for i := range s.Instances {
		if in := &s.Instances[i]; in.Own {
			count.add(in.Status)
		}
	}
	return s.Status == count.status()
}

// isClusterID reports whether a text is empty or 1 to 16 hexadecimal digits in lower case.
func isClusterID(text string) bool {
	return len(text) <= 16 && strings.Trim(text, "0123456789abcdef") == ""
}

// Nodes returns the topology of the store.
func (s Store) Nodes() []Node {
	nodes := make([]Node, len(s.Instances))
	for i, in := range s.Instances {
		nodes[i] = in.Node
	}
	return nodes
}

// Configuration returns the part of the store that is the same at all its managers.
func (s *Store) Configuration() *Configuration {
	return &Configuration{
		Creation: s.Creation, LastOperation: s.LastOperation, Revision: s.Revision, Epoch: s.Epoch, Digest: s.Digest,
		Coordinator: s.Coordinator, Managers: s.Managers, Founders: s.Founders, Nodes: s.Nodes(), ClusterTLS: s.ClusterTLS,
	}
}

// Info identifies a manager.
type Info struct {
	Identity string `json:"identity"`
	// Host is the name that the manager advertises.
	Host    string `json:"host"`
	Listen  string `json:"listen"`
	Version string `json:"version"`
	// Build is what Build returns in the manager's program; empty at older managers.
	Build string `json:"build,omitempty"`
	// Condition is nil at older managers, which don't say it.
	Condition *Condition `json:"condition,omitempty"`
	// Boot differs after every start of the manager.
	Boot string `json:"boot"`
	// CatalogDigest is a digest of all stores that the manager keeps.
	CatalogDigest string   `json:"catalogDigest"`
	Capabilities  []string `json:"capabilities"`
	// Security is nil if the manager is not secured.
	Security *Security `json:"security,omitempty"`
}

// Security describes a secured manager.
type Security struct {
	Cluster string `json:"cluster"`
	// TLS says whether the manager's ports take plain connections as well. It is empty at managers that are older, which
	// take none.
	TLS TLSMode `json:"tls,omitempty"`
	// CertificateEnds, IssuerEnds and AuthorityEnds are when the certificates of the manager, its server's issuer and
	// the cluster's authority end.
	CertificateEnds time.Time `json:"certificateEnds"`
	IssuerEnds      time.Time `json:"issuerEnds"`
	AuthorityEnds   time.Time `json:"authorityEnds"`
	// Warnings are sentences about what ends soon, and about what keeps the manager out of the cluster.
	Warnings []string `json:"warnings,omitempty"`
	// AccessStaleSince is when another member last told its access log, if that is more than a minute ago.
	AccessStaleSince *time.Time `json:"accessStaleSince,omitempty"`
}

// Metric is one metric of one instance.
type Metric struct {
	Store    string `json:"store"`
	Instance string `json:"instance"`
	// Category and Name form names such as Requests/Get, Storage/ItemsCount, Cluster/IsLeader.
	Category string `json:"category"`
	Name     string `json:"metric"`
	// Rate is the rate per second over the window; nil if the metric has no rate.
	Rate  *float64 `json:"rate"`
	Total float64  `json:"total"`
}

// Metrics is the body of the answer of MetricsPath.
type Metrics struct {
	WindowSec float64  `json:"windowSec"`
	Metrics   []Metric `json:"metrics"`
}
