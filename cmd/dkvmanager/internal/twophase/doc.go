// Package twophase is a manager's half of the protocol that brings one configuration to all managers of a store or to
// none: two-phase commit, in which one participant, the store's coordinator, takes the decision. The other half, the
// driver, is package dkvrun/runtime/commit.
//
// A Participant is a state machine over the catalog, a clock and a way to query other managers. It serves no HTTP and
// runs no process. Its states of one operation, and what causes each transition:
//
//	state      recorded as             entered by                                  left by
//	unknown    nothing                 -                                           Prepare (prepared), Abort (aborted),
//	                                                                               a configuration taken from the
//	                                                                               coordinator (committed)
//	prepared   catalog.PreparedRecord  the driver's prepare                        Prepare (raises the epoch), commit,
//	                                                                               abort, recovery (see below)
//	committed  Store.LastOperation or  coordinator: the driver's commit, within    never: final (I1)
//	           Name.Removed, and a     the lease; the others: commit, recovery
//	           DecisionRecord          from the coordinator's state, replacement
//	aborted    DecisionRecord          coordinator: the driver's abort, the end    never: final (I1)
//	                                   of the lease, a restart; the others:
//	                                   abort, recovery, replacement
//
// A configuration that is taken from the coordinator leaves no decision record.
//
// Three things look like other transitions. A decision record is dropped after 64 later ones of the name: the operation
// is unknown again, and refused by its epoch. A damaged disk may return the previous generation of the catalog: the
// manager is suspect then (suspect.go). A manager that was declared lost drops its prepared record when the store is
// removed there: the others have decided it without this manager.
//
// A prepared participant other than the coordinator is in doubt until it learns the decision: from the driver, from the
// coordinator's state (Resolve, every 5 s), or, when the coordinator is gone for good, from a coordinator replacement
// (FenceCoordinator, then ReplaceCoordinator). Its vote never expires. A decision record is kept for the last 64
// operations of a name.
//
// Every transition is one catalog.Update. Updates run one after the other, and each is durable before it is visible, so
// two things hold everywhere in this package. A condition that is checked inside an update can't change before its
// write; where a condition is also checked on a snapshot, that only saves an update. And a crash leaves the state
// before the update or the one after it, never a part. Messages may be lost, late, repeated and reordered: a transition
// is guarded by the epoch, the decision records and the digest, so that such a message finds nothing to change.
//
// Files: prepare.go (votes and the checks before them), commit.go (decisions and leases), install.go (what a commit
// changes), recovery.go (participants that are in doubt or behind), replacement.go (a coordinator that is gone for
// good), suspect.go (a catalog that may lack a vote), healing.go (a coordinator that lost writes), participant.go (with
// states for other managers), validate.go.
//
// States of a store's name, beside its operations:
//
//	suspect        the catalog may lack a vote       neither votes nor decides until recoverSuspect,
//	                                                 heal or Heal
//	replacing      this manager has promised to      until ReplaceCoordinator it votes for nothing, and
//	               ignore the lost coordinator       no decision of that coordinator counts
//	fenced         managers that were declared lost  their decisions about the name don't count until
//	                                                 they are added again
//	declared lost  this manager was declared lost    its instances stop; the store is removed here by hand
//
// The invariants I1 to I8 are those of docs/guarantees.md, tests/model and the simulation (TestSim_RandomRuns).
// Comments name them at the lines that keep them.
package twophase
