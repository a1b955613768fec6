package wire

// InstanceReady reports whether an instance with a status counts as ready, if it serves reads and writes. Only a
// running instance does: one that joins, stops or leaves may serve for the moment, but that can end at any time.
func InstanceReady(status Status, serves bool) bool { return serves && status == Running }

// StoreStatusOf returns the status of a store and whether it is ready, from the instances of its topology, or of one
// manager. docs/stores.md lists the combinations that there are.
func StoreStatusOf(instances []Instance) (status StoreStatus, ready bool) {
	var count statusCount
	serving := 0
	for _, in := range instances {
		count.add(in.Status)
		if InstanceReady(in.Status, in.Ready) {
			serving++
		}
	}
	status = count.status()
	return status, status == StoreRunning && serving == len(instances)
}

// statusCount counts the instances that have the statuses from which the status of a store follows.
type statusCount struct{ all, running, stopped, unknown int }

func (c *statusCount) add(status Status) {
	c.all++
	switch status {
	case Running:
		c.running++
	case Stopped:
		c.stopped++
	case Unknown:
		c.unknown++
	}
}

func (c *statusCount) status() StoreStatus {
	switch c.all {
	case 0:
		return StoreNoInstances
	case c.running:
		return StoreRunning
	case c.stopped:
		return StoreStopped
	case c.stopped + c.unknown:
		return StoreUnknown
	}
	return StorePartial
}

// NotServing begins the message with which the client port of a starting instance refuses a request that waited in
// vain. The request was not carried out.
const NotServing = "the instance is not ready: "

// Parameters in the query of a JSON request to a client port. They name the store that the request is for: an instance
// of another store refuses it with status 412 and OtherStore, and does not carry it out. Versions before them ignore
// them.
const (
	// CreationParam is the id of the operation that created the store.
	CreationParam = "creation"
	// ClusterParam is the id of the store's cluster, as Instance.Cluster has it.
	ClusterParam = "cluster"
)

// OtherStore begins the message with which a client port refuses a request for another store.
const OtherStore = "the client port is of another store: "
