// Package model checks the protocol by which a change of a store's topology reaches every manager or
// none. It explores every state that a scenario can get into (messages lost, late, doubled and
// reordered; runners that die or stall; a home that falls silent, wakes or restarts; repairs that race)
// and holds each against the invariants.
//
// A weakened protocol must break an invariant: the test of the model itself.
package model
