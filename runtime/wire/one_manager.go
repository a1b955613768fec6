package wire

// CreateStore is the body of POST /stores. Only name and nodes are required.
type CreateStore struct {
	Name  string `json:"name"`
	Nodes []Node `json:"nodes"`
	// Operation is a UUIDv7 made by the runner. Without one the manager derives one from the digest.
	Operation string    `json:"operation,omitempty"`
	Managers  []Manager `json:"managers,omitempty"`
	// Coordinator is the smallest identity of Managers.
	Coordinator string `json:"home,omitempty"`
}

// ChangeInstances is the body of POST /stores/{store}/instances: the full topology, widened.
// What stands below Nodes lets a manager that does not know the store learn it whole.
type ChangeInstances struct {
	// BaseRevision is the revision that the caller has seen. A manager that has another refuses with
	// stale_revision; one that does not know the store takes the topology as BaseRevision+1.
	BaseRevision uint64 `json:"baseRevision"`
	Nodes        []Node `json:"nodes"`
	// Founding says that no instance of the store has ever run, as far as the caller knows from all
	// managers: roles and founders are chosen anew. A manager that knows better refuses with
	// store_started.
	Founding bool `json:"founding,omitempty"`
	// Desired is what the new instances start as; the store's own state where it is empty.
	Desired     Desired   `json:"desired,omitempty"`
	Operation   string    `json:"operation,omitempty"`
	Epoch       uint64    `json:"epoch,omitempty"`
	Managers    []Manager `json:"managers,omitempty"`
	Coordinator string    `json:"home,omitempty"`
	Founders    []Founder `json:"founders,omitempty"`
}
