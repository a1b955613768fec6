// Package model checks the protocol by which a change of a store's topology reaches every manager or
// none. It explores every state that a scenario can get into (messages lost, late, doubled and
// reordered; runners that die, stall and wake; a coordinator that falls silent, wakes or restarts; disks that
// lose a vote; repairs that race with each other and with the runner) and holds each against the
// invariants:
//
//	I1  no operation is committed at one manager and aborted at another
//	I4  a manager that voted yes never refuses the commit, unless the coordinator was declared lost
//	I5  from every state, settling what is pending leaves all managers of a store alike
//	I6  no operation overwrites what its runner had not seen; of two runners on the same managers one wins
//	I8  a coordinator that was declared lost commits nothing
//
// A manager has one pending change and runs what it has committed, so I2 and I3 hold by construction;
// I7 (one id, two digests) is a scenario of its own. Managers that were declared lost are outside I1 and
// I5: what only they know is gone.
//
// Every rule is taken out once: the weakened protocol must break an invariant. That tests the model, and
// says what each rule is for.
//
// Left out: names, ports and topologies; clocks (a deadline passes whenever it likes, but a coordinator that has
// been silent to a survivor for longer than its deadline has passed it); changes made at one manager
// alone; more than two operations at once and four managers.
package model
