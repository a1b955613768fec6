// Package commit is the driver, the runner's half of the protocol that brings one configuration to all managers of a
// store or to none. It sends preflight, prepare, commit, abort and renew, and decides nothing: the store's coordinator
// does (dkvrun/cmd/dkvmanager/internal/twophase). Package commit is pure logic over a transport and a clock; it knows
// no scripts and no HTTP client.
//
// Phases of a Driver, and what ends them:
//
//	phase      sends                              ends when                            then
//	preflight  dry-run prepare to all             none objects                         prepare, or DryRun
//	                                              one objects, or does not answer      Refused
//	prepare    prepare to the coordinator, then   all voted yes at one epoch (I1)      commit
//	           to the others                      one refused, or did not answer       abort
//	                                              one has seen a higher epoch          prepare again above it, twice
//	                                                                                   at most, then abort
//	                                              the run is cancelled                 abort
//	commit     commit to the coordinator, until   it says committed                    commit to the others: Committed
//	           it answers or time is up           it says aborted                      abort to the others: Aborted
//	                                              it has no record of the operation    Unknown
//	                                              it refuses for another reason        abort
//	                                              it does not answer                   Unknown
//	abort      abort to the coordinator, until    it says aborted                      abort to the others: Aborted
//	           it answers or time is up           it had committed                     commit to the others: Committed
//	                                              it refuses or does not answer, but   Aborted
//	                                              had refused its vote before
//	                                              it refuses or does not answer        Unknown
//
// From prepare on the driver renews the lease every 5 s. If the outcome is Unknown, the driver sends commit or abort
// only to the coordinator (I1). The managers resolve the operation when the coordinator answers.
//
// No step of the driver is durable, and none has to be. A driver that dies
//
//   - before the coordinator has voted leaves nothing;
//   - after that leaves prepared records. Nobody renews the lease, so the coordinator aborts 30 s after the last
//     renewal, and the participants learn that from it;
//   - while it asks for the decision leaves that to the coordinator, which has committed, or aborts as above;
//   - while it tells the others leaves them in doubt until they ask the coordinator, every 5 s.
//
// Others act at the same time. Another driver may prepare an operation of the same store; the coordinator votes for one
// of the two (I6). A participant may have learned the decision from the coordinator before the driver's message
// arrives. The coordinator may be replaced meanwhile, and the survivors then refuse both commit and abort (I8). Copies
// of the driver's own messages may arrive late, and change nothing: their epoch is over, or their operation is decided
// (I1).
//
// Recovery resolves what another driver left behind, and replaces a coordinator that is gone for good:
//
//	query      state of all          -
//	resolve    resolve to all        the coordinator ends expired leases, the others follow its decision
//	fence      fence to survivors    every survivor must promise before anything is decided (I8)
//	replace    decide to survivors   forward what a survivor has committed, abort the rest, name a coordinator (I5)
//
// The invariants I1 to I8 are those of docs/guarantees.md.
package commit
