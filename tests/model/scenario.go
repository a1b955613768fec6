package model

// kind of an operation.
type kind uint8

const (
	create kind = iota
	change
	remove
)

// operation is one change of the store's topology as one runner planned it.
type operation struct {
	kind    kind
	session []int // the managers in the order in which the runner knows them: the participants
	members set   // the managers that the store has afterwards; the session's if 0
	base    op    // what the runner saw as the store's last operation; 0 where it saw none
	// coordinator is the stored one that the runner saw; a create has the one that the rule gives.
	coordinator    int
	newCoordinator int  // coordinator+1 of the store afterwards, where the operation moves it
	revision       int  // the revision that it makes
	lost           set  // not the coordinator: declared lost, left out and fenced by this operation
	sameID         bool // carries operation 1's id with another digest
}

// scenario is one situation to explore.
type scenario struct {
	name       string
	operations []operation // numbers from 1; the first runs of them have a runner
	runners    int         // how many of them have one
	start      func(*state)
	reaches    outcomes

	lossy     set    // managers that may fall silent, wake and restart
	victim    set    // managers whose disk may lose a vote
	sessions  [2]set // what each repairer's session reaches of the survivors; none: no repair
	lost      int    // whom the repairers declare lost
	cleaned   set    // managers on which somebody may remove the old store alone
	falseWord bool   // lost may be alive, and nobody looks
	patient   bool   // runners give up only when refused, and nothing expires
	epochs    uint8  // the highest that a runner tries; 2 if 0, 3 where the store is there
	slow      bool   // the coordinator's answers to other managers can be late
}

// weakness takes one rule out of the protocol.
type weakness struct {
	naive                       bool // apply at each manager, no prepare
	expiryAnywhere              bool // any manager drops a vote after a while
	noEpoch                     bool // prepare whatever its epoch
	parallelCoordinator         bool // prepare the coordinator together with the others
	noCommitPoint               bool // commit everywhere at once
	noBase                      bool // no comparison with what the runner saw
	voteBeforeSync              bool // a crash loses the vote
	commitEarly                 bool // before the last vote
	oldVotesCount               bool // votes of an epoch that was aborted
	lateAnswerCounts            bool // the coordinator's word about an epoch that was aborted
	renewalRevives              bool // a renewal after the expiry takes the change up again
	commitAfterExpiry           bool // the coordinator looks at its timer, not at the clock
	restartKeeps                bool // a coordinator that restarts goes on with its pending change
	sessionOrder                bool // the coordinator is the first of the session
	revisionOnly                bool // the base is compared by its revision alone
	idOnly                      bool // the digest of a known operation is not compared
	absentAccepts               bool // a coordinator that has no such store takes a change of it
	anyParticipants             bool // a runner may leave out a manager of the store
	noFence                     bool // repair asks and decides without fencing
	someSurvivors               bool // repair decides when one survivor has answered
	recordedSurvivors           bool // repair asks whom the record names, not whom the pending change names
	fencedCoordinatorBelieved   bool // a manager that has fenced the coordinator still asks it
	fencedCoordinatorTakesPart  bool // a fenced coordinator may be the coordinator of new operations
	fencedAsks                  bool // the coordinator answers a manager that it has fenced
	removalUnfences             bool // with the store its list of lost managers goes
	nothingUnfences             bool // a repair that leaves no store forgets who was declared lost
	votesWhileFencing           bool // a manager votes between the fence and the decision
	wipedCoordinatorBelieved    bool // whoever answers at the coordinator's address is the coordinator
	rolledBackCoordinatorServes bool // a coordinator whose disk lost the last write goes on
	suspectVotes                bool // a manager whose disk lost the last write goes on
	suspectCoordinator          bool // repair may choose such a manager for the new coordinator
	suspectFences               bool // such a manager fences a coordinator that it may have voted for, and hears
	noCatchUp                   bool // a manager that missed a commit is left as it is
	forgottenStay               bool // a manager that lost its vote for a new store is not told of it
	fencedTells                 bool // a manager takes what it lost also from a coordinator that it has fenced
	silenceNotNeeded            bool // survivors fence a coordinator that they hear
}

// system is a scenario under a protocol.
type system struct {
	scenario
	weakness
}

func (y *system) of(o op) *operation { return &y.operations[o-1] }

func (y *system) lastEpoch() uint8 {
	switch {
	case y.epochs != 0:
		return y.epochs
	case y.start != nil:
		return 3
	}
	return 2
}

func (p *operation) participants() set { return of(p.session...) }

func (p *operation) result() set {
	if p.kind == remove {
		return 0
	}
	if p.members != 0 {
		return p.members
	}
	return p.participants()
}

// coordinatorOf is where the operation is decided.
func (y *system) coordinatorOf(o op) int {
	p := y.of(o)
	if p.kind != create {
		return p.coordinator
	}
	if y.sessionOrder {
		return p.session[0]
	}
	return p.participants().first()
}

// absent reports whether m has no such store: never, or not any more.
func (y *system) absent(m *manager) bool {
	return m.committed == 0 || y.of(m.committed).kind == remove
}

// based reports whether manager i stands where the operation's runner saw it.
func (y *system) based(m *manager, i int, o op) bool {
	p := y.of(o)
	if y.absent(m) {
		return p.kind == create || p.kind == change && i != p.coordinator // a newcomer: the home vouches for the base
	}
	return p.kind != create && m.committed == p.base
}
