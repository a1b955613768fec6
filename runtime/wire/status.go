package wire

// InstanceReady reports whether an instance with a status counts as ready, if it serves reads and writes. Only a
// running instance does: one that joins, stops or leaves may serve for the moment, but that can end at any time.
func InstanceReady(status Status, serves bool) bool { return serves && status == Running }

// StoreStatusOf returns the status of a store and whether it is ready, from the instances of its topology, or of one
// manager. docs/stores.md lists the combinations that there are.
func StoreStatusOf(instances []Instance) (status StoreStatus, ready bool) {
	count := map[Status]int{}
	serving := 0
	for _, in := range instances {
		count[in.Status]++
		if InstanceReady(in.Status, in.Ready) {
			serving++
		}
	}
	all := len(instances)
	switch {
	case all == 0:
		return StoreNoInstances, false
	case count[Running] == all:
		return StoreRunning, serving == all
	case count[Stopped] == all:
		return StoreStopped, false
	case count[Stopped]+count[Unknown] == all:
		return StoreUnknown, false
	default:
		return StorePartial, false
	}
}

// NotServing begins the message with which the client port of a starting instance refuses a request that waited in
// vain. The request was not carried out.
const NotServing = "the instance is not ready: "
