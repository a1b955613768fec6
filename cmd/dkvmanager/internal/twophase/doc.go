// Package twophase is a manager's half of the protocol that brings one configuration to all managers of a store or to
// none: two-phase commit, in which one participant, the store's coordinator, takes the decision. The other half, the
// driver, is package dkvrun/runtime/commit.
//
// A Participant is a state machine over the catalog, a clock and a way to query other managers. It serves no HTTP and
// runs no process. Its states of one operation, and who may move it:
//
//	state      recorded as             entered by                                  left by
//	unknown    nothing                 -                                           Prepare (prepared), Abort (aborted)
//	prepared   catalog.PreparedRecord  the driver's prepare                        see below; never by a timeout of its own
//	committed  Store.LastOperation,    coordinator: the driver's commit, within    never: final (I1)
//	           DecisionRecord          the lease; the others: commit, or recovery
//	                                   from the coordinator's state
//	aborted    DecisionRecord          coordinator: the driver's abort, the end    never: final (I1)
//	                                   of the lease, a restart; the others:
//	                                   abort, or recovery from the coordinator
//
// A prepared participant other than the coordinator is in doubt until it learns the decision: from the driver, from the
// coordinator's state (Resolve, every 5 s), or, when the coordinator is gone for good, from a coordinator replacement
// (FenceCoordinator, then ReplaceCoordinator). A decision record is kept for the last 64 operations of a name.
//
// States of a store's name, beside its operations:
//
//	suspect        the catalog may lack a vote       neither votes nor decides until recoverSuspect
//	replacing      this manager has fenced the       no vote and no decision of that coordinator
//	               lost coordinator                  counts until ReplaceCoordinator
//	fenced         managers that were declared lost  they decide nothing about the name until added again
//	declared lost  this manager was declared lost    its instances stop; the store is removed here by hand
//
// The invariants I1 to I8 are those of docs/guarantees.md, tests/model and the simulation (TestSim_RandomRuns). Comments name them
// at the lines that keep them.
package twophase
