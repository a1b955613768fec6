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

	lossy           set    // managers that may fall silent, wake and restart
	losesWrites     set    // managers whose disk may lose a vote
	sessions        [2]set // what each replacement's session reaches of the survivors; none: no repair
	lost            int    // whom the replacements declare lost
	removedAlone    set    // managers on which somebody may remove the old store alone
	falselyDeclared bool   // lost may be alive, and nobody looks
	patient         bool   // runners give up only when refused, and nothing expires
	epochs          uint8  // the highest that a runner tries; 2 if 0, 3 where the store is there
	slow            bool   // the coordinator's answers to other managers can be late
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
	fencedManagerAnswered       bool // the coordinator answers a manager that it has fenced
	removalUnfences             bool // with the store its list of lost managers goes
	nothingUnfences             bool // a repair that leaves no store forgets who was declared lost
	votesWhileFencing           bool // a manager votes between the fence and the decision
	wipedCoordinatorBelieved    bool // whoever answers at the coordinator's address is the coordinator
	rolledBackCoordinatorServes bool // a coordinator whose disk lost the last write goes on
	suspectVotes                bool // a manager whose disk lost the last write goes on
	suspectCoordinator          bool // repair may choose such a manager for the new coordinator
	suspectFences               bool // such a manager fences a coordinator that it may have voted for, and hears
	noCatchUp                   bool // a manager that missed a commit is left as it is
	lostVotesStay               bool // a manager that lost its vote for a new store is not told of it
	fencedCoordinatorFollowed   bool // a manager takes what it lost also from a coordinator that it has fenced
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
		return p.kind == create || p.kind == change && i != p.coordinator // a newcomer: the coordinator vouches for the base
	}
	return p.kind != create && m.committed == p.base
}

// stored puts a store on its managers as operation o left it at epoch 1.
func stored(s *state, o op, coordinator int, members set) {
	for i := range s.managers {
		if members.has(i) {
			s.managers[i] = manager{committed: o, epoch: 1, coordinator: int8(coordinator), members: members,
				everCommitted: 1 << o}
		}
	}
}

// three puts operation 3's store on managers 0 to 2, with coordinator 0.
func three(s *state) { stored(s, 3, 0, of(0, 1, 2)) }

// createOp is a create that is long done.
func createOp(members ...int) operation {
	return operation{kind: create, session: members, revision: 1}
}

// changeOp is a change of what operation base left, with coordinator 0.
func changeOp(base op, members ...int) operation {
	return operation{kind: change, session: members, base: base, revision: 2}
}

// scenarios are what is explored, with what must be reached in each.
func scenarios() []scenario {
	return append(races(), losses()...)
}

// races are about runners that meet, and what was there before them.
func races() []scenario {
	both := outcomes{committed: 6, aborted: 6}
	return []scenario{
		{
			name:       "a new name, the same managers in another order",
			operations: []operation{{session: []int{0, 1, 2}}, {session: []int{2, 1, 0}}},
			runners:    2, reaches: both,
		},
		{
			name:       "a new name, nothing fails",
			operations: []operation{{session: []int{0, 1, 2}}, {session: []int{2, 1, 0}}},
			runners:    2, reaches: both,
			patient: true,
		},
		{
			name:       "a new name, other managers and another coordinator",
			operations: []operation{{session: []int{0, 1}}, {session: []int{1, 2}}},
			runners:    2, reaches: both,
		},
		{
			name:       "one id, two digests",
			operations: []operation{{session: []int{0, 1}}, {session: []int{0, 1}, sameID: true}},
			runners:    2, reaches: both,
		},
		{
			name:       "answers of the coordinator come late",
			operations: []operation{{session: []int{0, 1, 2}}},
			runners:    1, reaches: outcomes{committed: 2, aborted: 2},
			slow: true, epochs: 3,
		},
		{
			name: "a newcomer, and another change at the same time",
			operations: []operation{
				{kind: change, session: []int{0, 1, 2}, base: 3, coordinator: 1},
				{kind: change, session: []int{0, 1}, base: 3, coordinator: 1},
				createOp(0, 1),
			},
			runners: 2, reaches: both,
			start: func(s *state) { stored(s, 3, 1, of(0, 1)) },
		},
		{
			name: "the coordinator moves, the next change builds on that",
			operations: []operation{
				{kind: change, session: []int{0, 1, 2}, base: 3, coordinator: 0, newCoordinator: 2 + 1},
				{kind: change, session: []int{0, 1, 2}, base: 1, coordinator: 2},
				createOp(0, 1, 2),
			},
			runners: 2, reaches: both,
			start: three,
		},
		{
			name: "a runner leaves out a manager of the store",
			operations: []operation{
				{kind: change, session: []int{0, 1}, members: of(0, 1, 2), base: 3},
				changeOp(3, 0, 1, 2), createOp(0, 1, 2),
			},
			runners: 2, reaches: outcomes{committed: 4, aborted: 6},
			start: three,
		},
		{
			name: "removed and created again, elsewhere too",
			operations: []operation{
				{kind: remove, session: []int{0, 1}, base: 3, coordinator: 1},
				{session: []int{0, 1, 2}},
				createOp(0, 1),
			},
			runners: 2, reaches: both,
			start: func(s *state) { stored(s, 3, 1, of(0, 1)) },
		},
		{
			name:       "removed while another runner changes it",
			operations: []operation{changeOp(3, 0, 1), {kind: remove, session: []int{0, 1}, base: 3}, createOp(0, 1)},
			runners:    2, reaches: both,
			start: func(s *state) { stored(s, 3, 0, of(0, 1)) },
		},
		{
			name:       "removed, and a disk loses its last write",
			operations: []operation{changeOp(3, 0, 1), {kind: remove, session: []int{0, 1}, base: 3}, createOp(0, 1)},
			runners:    2, reaches: both,
			start:       func(s *state) { stored(s, 3, 0, of(0, 1)) },
			losesWrites: of(1),
		},
		{
			name:       "a runner sleeps through a removal and a new life",
			operations: []operation{changeOp(4, 0, 1), changeOp(3, 0, 1), createOp(0, 1), createOp(0, 1)},
			runners:    2, reaches: outcomes{committed: 4, aborted: 6},
			start: func(s *state) { stored(s, 3, 0, of(0, 1)) },
		},
		{
			name:       "two stores of one name, made apart",
			operations: []operation{changeOp(3, 0, 1, 2), {}, createOp(0, 1), createOp(2)},
			runners:    1, reaches: outcomes{aborted: 2},
			start: func(s *state) {
				stored(s, 4, 2, of(2))
				stored(s, 3, 0, of(0, 1))
			},
		},
		{
			name:       "a disk loses its vote for a new store, and the next change",
			operations: []operation{{session: []int{0, 1, 2}}, changeOp(1, 0, 1, 2)},
			runners:    2, reaches: both,
			losesWrites: of(1),
		},
		{
			name:       "a disk loses its vote, and the next change",
			operations: []operation{changeOp(3, 0, 1, 2), changeOp(1, 0, 1, 2), createOp(0, 1, 2)},
			runners:    2, reaches: both,
			start:       three,
			losesWrites: of(1),
		},
	}
}

// losses are about coordinators that fall silent, wake, restart or stay away, and their repair.
func losses() []scenario {
	alone := []operation{changeOp(3, 0, 1, 2), {}, createOp(0, 1, 2)}
	all := outcomes{committed: 2, aborted: 2, replaced: true, discarded: true, forwarded: true}
	return []scenario{
		{
			name:       "a lost coordinator, two repairs at once",
			operations: alone,
			runners:    1, reaches: all,
			start: three,
			lossy: of(0), sessions: [2]set{of(1), of(1, 2)},
		},
		{
			name:       "a lost coordinator, and a survivor that comes and goes",
			operations: alone,
			runners:    1, reaches: all,
			start: three,
			lossy: of(0, 2), sessions: [2]set{of(1)},
		},
		{
			name:       "a coordinator that is declared lost and is not",
			operations: alone,
			runners:    1, reaches: all,
			start: three,
			lossy: of(0), sessions: [2]set{of(1), of(1, 2)}, falselyDeclared: true,
		},
		{
			name: "a lost coordinator, the next change with the new one",
			operations: []operation{
				changeOp(3, 0, 1, 2),
				{kind: change, session: []int{1, 2}, base: 3, coordinator: 1},
				createOp(0, 1, 2),
			},
			runners: 2, reaches: outcomes{committed: 6, aborted: 6, replaced: true, discarded: true, forwarded: true},
			start: three,
			lossy: of(0), sessions: [2]set{of(1, 2)},
		},
		{
			name:       "a lost coordinator, and two changes that it decided",
			operations: []operation{changeOp(3, 0, 1, 2), changeOp(1, 0, 1, 2), createOp(0, 1, 2)},
			runners:    2, reaches: outcomes{committed: 6, aborted: 6, replaced: true, discarded: true, forwarded: true},
			start: three,
			lossy: of(0), sessions: [2]set{of(1, 2)},
		},
		{
			name:       "a lost coordinator, and a survivor that has lost its vote",
			operations: alone,
			runners:    1, reaches: all,
			start: three,
			lossy: of(0), losesWrites: of(1), sessions: [2]set{of(1, 2)},
		},
		{
			name: "a lost coordinator, then the store is removed",
			operations: []operation{
				changeOp(3, 0, 1, 2),
				{kind: remove, session: []int{1, 2}, base: 3, coordinator: 1},
				createOp(0, 1, 2),
			},
			runners: 2, reaches: outcomes{committed: 6, aborted: 6, replaced: true, discarded: true, forwarded: true},
			start: three,
			lossy: of(0), sessions: [2]set{of(1, 2)},
		},
		{
			name:       "a lost coordinator, and a newcomer that no record names",
			operations: []operation{changeOp(3, 0, 1, 2, 3), {}, createOp(0, 1, 2)},
			runners:    1, reaches: all,
			start: three,
			lossy: of(0), sessions: [2]set{of(1, 2)},
		},
		{
			name:       "a coordinator is lost while its store is created",
			operations: []operation{{session: []int{0, 1, 2}}},
			runners:    1, reaches: all,
			lossy: of(0), sessions: [2]set{of(1, 2), of(1, 2)},
		},
		{
			name:       "a coordinator is lost while its store is created, and a survivor that has lost its vote",
			operations: []operation{{session: []int{0, 1, 2}}},
			runners:    1, reaches: all,
			lossy: of(0), losesWrites: of(1), sessions: [2]set{of(1, 2)},
		},
		{
			name: "a coordinator is declared lost while it drops another manager",
			operations: []operation{
				{kind: change, session: []int{0, 1}, base: 3, lost: of(2)},
				{}, createOp(0, 1, 2),
			},
			runners: 1, reaches: all,
			start: three,
			lossy: of(0), sessions: [2]set{of(1, 2)},
		},
		{
			name: "a lost coordinator is taken back",
			operations: []operation{
				changeOp(3, 0, 1, 2),
				{kind: change, session: []int{0, 1, 2}, base: 3, coordinator: 1},
				createOp(0, 1, 2),
			},
			runners: 2, reaches: outcomes{committed: 4, aborted: 6},
			start: takenBack,
			lossy: of(0), removedAlone: of(0),
		},
		{
			name: "a lost manager that is not the coordinator",
			operations: []operation{
				changeOp(3, 0, 1, 2),
				{kind: change, session: []int{0, 1}, base: 1, lost: of(2)},
				createOp(0, 1, 2),
			},
			runners: 2, reaches: outcomes{committed: 6, aborted: 6},
			start: three,
			lossy: of(2),
		},
	}
}

// takenBack is what a repair without manager 0 has left, which has not heard of it.
func takenBack(s *state) {
	three(s)
	stored(s, 3, 1, of(1, 2))
	for _, i := range []int{1, 2} {
		s.managers[i].fenced, s.managers[i].declared = of(0), of(0)
	}
}
