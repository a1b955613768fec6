// Package commit is the driver, the runner's half of the protocol that brings one configuration to all managers of a
// store or to none. It sends preflight, prepare, commit, abort and renew, and decides nothing: the store's coordinator
// does (dkvrun/cmd/dkvmanager/internal/twophase). Package commit is pure logic over a transport and a clock; it knows
// no scripts and no HTTP client.
//
// Phases of a Driver, and what ends them:
//
//	phase      sends                              ends when                            then
//	preflight  dry-run prepare to all             all have answered                    prepare, or Refused
//	prepare    prepare to the coordinator, then   all voted yes at one epoch (I1)      commit
//	           to the others                      one refused, or did not answer       abort
//	                                              one has seen a higher epoch          prepare again, above it
//	commit     commit to the coordinator, until   it says committed                    commit to the others: Committed
//	           it answers or time is up           it says aborted                      abort to the others: Aborted
//	                                              it can't, and has not committed      abort
//	                                              it does not answer                   Unknown
//	abort      abort to the coordinator, until    it says aborted                      abort to the others: Aborted
//	           it answers or time is up           it had committed                     commit to the others: Committed
//	                                              it does not answer                   Unknown
//
// From prepare on the driver renews the lease every 5 s. Where the outcome is Unknown nobody is told anything but the
// coordinator (I1): the managers resolve the operation when it answers.
//
// Recovery resolves what another driver left behind, and replaces a coordinator that is gone for good:
//
//	query      state of all          -
//	resolve    resolve to all        the coordinator ends expired leases, the others follow its decision
//	fence      fence to survivors    every survivor must agree before anything is decided (I8)
//	replace    decide to survivors   forward what a survivor has committed, abort the rest, name a coordinator (I5)
//
// The invariants I1 to I8 are those of docs/guarantees.md.
package commit
