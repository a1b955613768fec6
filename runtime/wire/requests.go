package wire

// CreateStore is the body of POST /stores. Only name and nodes are required.
type CreateStore struct {
	Name  string `json:"name" max:"253"`
	Nodes []Node `json:"nodes" max:"1024"`
	// Operation is a UUIDv7 made by the runner. If it is empty, the manager derives an id from the digest.
	Operation string    `json:"operation,omitempty" max:"64"`
	Managers  []Manager `json:"managers,omitempty" max:"16384"`
	// Coordinator is the smallest identity of Managers.
	Coordinator string `json:"home,omitempty" max:"64"`
	// ClusterTLS: see Configuration.
	ClusterTLS bool `json:"clusterTls,omitempty"`
}

// ChangeInstances is the body of POST /stores/{store}/instances: the full topology with the new instances. The fields
// below Nodes allow a manager that does not know the store to create it.
type ChangeInstances struct {
	// BaseRevision is the revision that the caller has seen. A manager with another revision refuses with
	// stale_revision; a manager that does not know the store stores the topology as BaseRevision+1.
	BaseRevision uint64 `json:"baseRevision"`
	Nodes        []Node `json:"nodes" max:"1024"`
	// Founding means that no instance of the store ever ran, as far as all managers reported to the caller: roles
	// and founders are chosen anew. A manager that has started one refuses with store_started.
	Founding bool `json:"founding,omitempty"`
	// Desired is the desired state of new instances; if it is empty, that of the store's existing instances.
	Desired     Desired   `json:"desired,omitempty" max:"16"`
	Operation   string    `json:"operation,omitempty" max:"64"`
	Epoch       uint64    `json:"epoch,omitempty"`
	Managers    []Manager `json:"managers,omitempty" max:"16384"`
	Coordinator string    `json:"home,omitempty" max:"64"`
	Founders    []Founder `json:"founders,omitempty" max:"256"`
	// ClusterTLS: see Configuration.
	ClusterTLS bool `json:"clusterTls,omitempty"`
}
