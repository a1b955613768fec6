// Package model checks the protocol by which a change of a store's topology reaches every manager or none. It explores
// every state that a scenario can reach: messages are lost, late, repeated and reordered; runners die, stall and go on;
// a coordinator falls silent, comes back or restarts; disks lose writes; replacements race with each other and with the
// runner. Each state is checked against the invariants:
//
//	I1  no operation is committed at one manager and aborted at another
//	I4  a manager that voted yes never refuses the commit, unless the coordinator was declared lost
//	    or a person has decided the operation
//	I5  from every state, resolving prepared operations leaves all managers of a store alike
//	I6  no operation overwrites what its runner had not seen; of two runners on the same managers one wins
//	I7  a manager commits an operation with the content that its runner proposed
//	I8  a coordinator that was declared lost commits nothing
//
// In the model a manager has at most one prepared operation and runs what it has committed, so I2 and I3 hold by
// construction. A scenario covers I7 (one id, two digests). Managers that were declared lost are exempt from I1 and I5:
// what only they knew is lost.
//
// A coordinator whose disk lost writes heals (healing.go): it asks all managers that may know what it has forgotten.
// Only manager 0 does that in the scenarios, and its disk fails once. What a person decides then is exempt from I1
// towards the runner, and from I4.
//
// Content is one bit: a manager holds an operation as its runner proposed it, or with a field that was changed in
// transit. A refusal names the operation and the manager that it is about. In the protocol weakened by
// unnamedRefusalCounts it names neither, so a runner may take it for the answer to another request.
//
// The tests remove each rule once: the weakened protocol must break an invariant. That tests the model, and shows what
// each rule is for. Refusals have the codes of package wire.
//
// The model leaves out names, ports and topologies, changes at a single manager (atomic = false), and more than two
// operations at a time or more than four managers. It has no clock: a lease may expire at any moment, and a coordinator
// that a survivor may declare lost has been silent for longer than its lease.
package model
