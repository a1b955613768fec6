package model

import "slices"

// kind is the kind of an operation.
type kind uint8

const (
	create kind = iota
	change
	remove
)

// operation is a change of the store's topology, as its runner planned it.
type operation struct {
	kind    kind
	session []int // the participants, in the order of the runner's session
	members set   // the managers that keep the store afterwards; 0 means the session's
	base    op    // the store's last operation when the runner read it; 0 if there was no store
	// coordinator is the store's coordinator when the runner read it. A create has the smallest identity instead.
	coordinator    int
	newCoordinator int  // the new coordinator plus 1 if the operation changes it
	revision       int  // the store's revision afterwards
	lost           set  // participants that this operation drops and declares lost; never the coordinator
	sameID         bool // has the id of operation 1 and another digest
}

// scenario is one initial situation, with the faults that can happen in it.
type scenario struct {
	name       string
	operations []operation // numbered from 1; the first ones have a runner
	runners    int         // the number of operations that have a runner
	start      func(*state)
	reaches    outcomes

	lossy           set    // managers that may fall silent, continue and restart
	losesWrites     set    // managers whose disk may lose the last write
	restores        set    // managers of which an older copy of the catalog, that of the start, may be restored
	sessions        [2]set // the survivors that each replacement is connected to; empty for no replacement
	lost            int    // the coordinator that the replacements declare lost
	removedAlone    set    // managers on which the store may be removed separately (atomic = false)
	falselyDeclared bool   // the lost coordinator may be alive, and its silence is not checked
	patient         bool   // runners abort only when refused, and no lease expires
	epochs          uint8  // the highest epoch of a runner; 0 means 2, or 3 if the store exists at the start
	slow            bool   // the coordinator's answers to participants can be late
	drops           set    // managers that may drop their records of the name while they have no store of it
	proxied         set    // managers behind a proxy that can change a field of a prepare
}

// weakness removes one rule from the protocol.
type weakness struct {
	naive                       bool // each manager applies the operation without prepare
	expiryAnywhere              bool // the vote of any participant expires
	noEpoch                     bool // epochs are not compared
	parallelCoordinator         bool // the coordinator is asked for its vote together with the others
	noCommitPoint               bool // commit is sent to all at once
	noBase                      bool // the base is not compared
	voteBeforeSync              bool // the vote is sent before it is durable
	commitEarly                 bool // the runner does not wait for the last vote
	oldVotesCount               bool // votes of an aborted epoch count
	lateAnswerCounts            bool // the coordinator's answer about an aborted epoch counts
	renewalRevives              bool // a renewal after the end of the lease prepares the operation again
	commitAfterExpiry           bool // the coordinator does not check the lease when it commits
	restartKeeps                bool // a coordinator that restarts keeps its prepared operation
	sessionOrder                bool // the coordinator is the first of the session
	revisionOnly                bool // only the revision of the base is compared
	idOnly                      bool // the digest of a known operation is not compared
	absentAccepts               bool // a coordinator without the store votes for a change of it
	anyParticipants             bool // an operation may leave out a manager of the store
	noFence                     bool // a replacement reads states and decides without promises
	absentNotFenced             bool // a survivor that has nothing of the name records no promise
	someSurvivors               bool // a replacement decides when one survivor has answered
	recordedSurvivors           bool // a replacement takes the survivors from configurations, not from prepared operations
	fencedCoordinatorBelieved   bool // a manager that has promised to ignore the coordinator still follows it
	fencedCoordinatorTakesPart  bool // a fenced coordinator may coordinate new operations
	fencedManagerAnswered       bool // the coordinator answers a manager that was declared lost
	removalUnfences             bool // removing the store clears its list of fenced managers
	nothingUnfences             bool // a replacement that leaves no store clears the list of fenced managers
	votesWhileFencing           bool // a manager votes between the promise and the decision
	wipedCoordinatorBelieved    bool // the identity in the coordinator's answer is not compared
	rolledBackCoordinatorServes bool // a coordinator whose disk lost the last write is not suspect
	suspectVotes                bool // a manager whose disk lost the last write is not suspect
	suspectCoordinator          bool // a suspect manager may become the new coordinator
	suspectFences               bool // a suspect manager promises to ignore a coordinator that is alive
	noCatchUp                   bool // a manager that missed a commit does not take it from the coordinator
	lostVotesStay               bool // a manager that lost its vote for a new store is not notified
	fencedCoordinatorFollowed   bool // a suspect manager recovers also from a coordinator that was declared lost
	silenceNotNeeded            bool // survivors promise to ignore a coordinator that is alive
	anyContentCounts            bool // a vote is counted whatever the content that it is for
	unnamedRefusalCounts        bool // a refusal is believed though it names neither operation nor manager
	commitsWhatItHolds          bool // a manager in doubt commits by the operation's id alone
	epochForgotten              bool // a manager drops also the epoch of the name
	fenceForgotten              bool // a manager drops also the record that a manager was declared lost
	contentIgnored              bool // repair compares which operation is the last, and not its content
	pendingIgnored              bool // a suspect coordinator heals although all others hold an operation prepared
	ownRecordOnly               bool // a suspect coordinator asks only the managers that its own record names
	healsFromSuspect            bool // a suspect coordinator relies on the answers of managers that are suspect too
	noWait                      bool // a suspect manager votes for names that it does not know without a wait
	epochOfAnswers              bool // a healed coordinator continues with the epoch that follows those in the answers
	decidesAtOldEpoch           bool // a person's decision is carried out without new votes
	decidesUnheard              bool // a coordinator that carries out a person's decision may be declared lost meanwhile
	answersKept                 bool // a suspect coordinator decides by answers older than the lease
}

// system is a scenario with a protocol, which is weakened or not.
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

// coordinatorOf returns the manager that decides the operation.
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

// absent reports whether m does not have the store: it never had it, or it was removed.
func (y *system) absent(m *manager) bool {
	return m.committed == 0 || y.of(m.committed).kind == remove
}

// based reports whether the operation builds on manager i's present configuration.
func (y *system) based(m *manager, i int, o op) bool {
	p := y.of(o)
	if y.absent(m) {
		return p.kind == create || p.kind == change && i != p.coordinator // a joiner has no base; the coordinator compares it
	}
	return p.kind != create && m.committed == p.base
}

// stored puts a store on its managers, as committed by operation o at epoch 1.
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

// createOp returns a create operation that was committed before the start.
func createOp(members ...int) operation {
	return operation{kind: create, session: members, revision: 1}
}

// changeOp returns a change that builds on operation base, with coordinator 0.
func changeOp(base op, members ...int) operation {
	return operation{kind: change, session: members, base: base, revision: 2}
}

// scenarios returns all scenarios, with the outcomes that each must reach.
func scenarios() []scenario {
	return slices.Concat(races(), contents(), losses(), doubts())
}

// races returns the scenarios in which runners compete.
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
			name:       "a new name, other participants and another coordinator",
			operations: []operation{{session: []int{0, 1}}, {session: []int{1, 2}}},
			runners:    2, reaches: both,
		},
		{
			name:       "one id, two digests",
			operations: []operation{{session: []int{0, 1}}, {session: []int{0, 1}, sameID: true}},
			runners:    2, reaches: both,
		},
		{
			name:       "the coordinator's answers arrive late",
			operations: []operation{{session: []int{0, 1, 2}}},
			runners:    1, reaches: outcomes{committed: 2, aborted: 2},
			slow: true, epochs: 3,
		},
		{
			name: "a joiner, and another change at the same time",
			operations: []operation{
				{kind: change, session: []int{0, 1, 2}, base: 3, coordinator: 1},
				{kind: change, session: []int{0, 1}, base: 3, coordinator: 1},
				createOp(0, 1),
			},
			runners: 2, reaches: both,
			start: func(s *state) { stored(s, 3, 1, of(0, 1)) },
		},
		{
			name: "the coordinator changes, and the next change builds on that",
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
			name:       "removed, and a disk loses the last write",
			operations: []operation{changeOp(3, 0, 1), {kind: remove, session: []int{0, 1}, base: 3}, createOp(0, 1)},
			runners:    2, reaches: both,
			start:       func(s *state) { stored(s, 3, 0, of(0, 1)) },
			losesWrites: of(1),
		},
		{
			name:       "managers drop their records of a name",
			operations: []operation{{session: []int{0, 1}}, {session: []int{1, 2}}},
			runners:    2, reaches: both,
			drops: of(0, 1, 2),
		},
		{
			name:       "a runner stalls while the store is removed and created again",
			operations: []operation{changeOp(4, 0, 1), changeOp(3, 0, 1), createOp(0, 1), createOp(0, 1)},
			runners:    2, reaches: outcomes{committed: 4, aborted: 6},
			start: func(s *state) { stored(s, 3, 0, of(0, 1)) },
		},
		{
			name:       "two stores of one name, created separately",
			operations: []operation{changeOp(3, 0, 1, 2), {}, createOp(0, 1), createOp(2)},
			runners:    1, reaches: outcomes{aborted: 2},
			start: func(s *state) {
				stored(s, 4, 2, of(2))
				stored(s, 3, 0, of(0, 1))
			},
		},
		{
			name:       "a disk loses the vote for a new store, then the next change",
			operations: []operation{{session: []int{0, 1, 2}}, changeOp(1, 0, 1, 2)},
			runners:    2, reaches: both,
			losesWrites: of(1),
		},
		{
			name:       "a disk loses the vote, then the next change",
			operations: []operation{changeOp(3, 0, 1, 2), changeOp(1, 0, 1, 2), createOp(0, 1, 2)},
			runners:    2, reaches: both,
			start:       three,
			losesWrites: of(1),
		},
	}
}

// contents returns the scenarios in which the content of an operation changes in transit to a manager, or changed when
// an older runner made it.
func contents() []scenario {
	both := outcomes{committed: 2, aborted: 2}
	return []scenario{
		{
			name:       "a field changes on the way to one manager",
			operations: []operation{{session: []int{0, 1, 2}}},
			runners:    1, reaches: both,
			proxied: of(2), epochs: 3,
		},
		{
			name:       "a field changes on the way to the coordinator",
			operations: []operation{changeOp(3, 0, 1, 2), {}, createOp(0, 1, 2)},
			runners:    1, reaches: both,
			start:   three,
			proxied: of(0),
		},
		{
			name:       "a field changes on the way, and another runner changes the store",
			operations: []operation{changeOp(3, 0, 1), changeOp(3, 0, 1), createOp(0, 1)},
			runners:    2, reaches: outcomes{committed: 6, aborted: 6},
			start:   func(s *state) { stored(s, 3, 0, of(0, 1)) },
			proxied: of(1),
		},
		{
			name:       "a manager has another content than the coordinator",
			operations: []operation{changeOp(3, 0, 1, 2), {}, createOp(0, 1, 2)},
			runners:    1, reaches: both,
			start: func(s *state) {
				three(s)
				s.managers[2].altered = true
			},
		},
		{
			name:       "a manager in doubt holds another content",
			operations: []operation{changeOp(3, 0, 1, 2), {}, changeOp(4, 0, 1, 2), createOp(0, 1, 2)},
			runners:    1, reaches: outcomes{aborted: 2},
			start: func(s *state) {
				stored(s, 3, 0, of(0, 1, 2))
				m := &s.managers[2]
				*m = manager{committed: 4, coordinator: 0, members: of(0, 1, 2), everCommitted: 1 << 4}
				m.prepared, m.epoch, m.preparedEpoch, m.alteredPrepared = 3, 2, 2, true
			},
		},
	}
}

// losses returns the scenarios in which a coordinator falls silent, continues, restarts or is replaced.
func losses() []scenario {
	alone := []operation{changeOp(3, 0, 1, 2), {}, createOp(0, 1, 2)}
	all := outcomes{committed: 2, aborted: 2, replaced: true, discarded: true, forwarded: true}
	return []scenario{
		{
			name:       "a lost coordinator, two replacements at once",
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
			name:       "a coordinator that is declared lost and is alive",
			operations: alone,
			runners:    1, reaches: all,
			start: three,
			lossy: of(0), sessions: [2]set{of(1), of(1, 2)}, falselyDeclared: true,
		},
		{
			name: "a lost coordinator, then a change with the new one",
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
			name:       "a lost coordinator, and a survivor that lost its vote",
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
			name:       "a lost coordinator, and a joiner that no configuration names",
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
			name:       "a coordinator is lost while its store is created, and a survivor that lost its vote",
			operations: []operation{{session: []int{0, 1, 2}}},
			runners:    1, reaches: all,
			lossy: of(0), losesWrites: of(1), sessions: [2]set{of(1, 2)},
		},
		{
			name:       "a coordinator is lost while its store is created, and records of the name are dropped",
			operations: []operation{{session: []int{0, 1, 2}}},
			runners:    1, reaches: all,
			lossy: of(0), sessions: [2]set{of(1, 2)}, drops: of(0, 1, 2),
		},
		{
			name: "a coordinator is declared lost while it drops a participant",
			operations: []operation{
				{kind: change, session: []int{0, 1}, base: 3, lost: of(2)},
				{}, createOp(0, 1, 2),
			},
			runners: 1, reaches: all,
			start: three,
			lossy: of(0), sessions: [2]set{of(1, 2)},
		},
		{
			name: "a lost coordinator joins again",
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
			name: "a lost participant",
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

// takenBack sets the state after manager 0 was replaced as the coordinator without learning of it.
func takenBack(s *state) {
	three(s)
	stored(s, 3, 1, of(1, 2))
	for _, i := range []int{1, 2} {
		s.managers[i].fenced, s.managers[i].declared = of(0), of(0)
	}
}

// doubts returns the scenarios in which the disk of a coordinator loses writes.
func doubts() []scenario {
	both := outcomes{committed: 2, aborted: 2}
	alone := []operation{changeOp(3, 0, 1, 2), {}, createOp(0, 1, 2)}
	return []scenario{
		{
			name:       "a coordinator's disk loses the last write",
			operations: alone,
			runners:    1, reaches: both,
			start:       three,
			losesWrites: of(0),
		},
		{
			name:       "a coordinator's disk loses the last write of a creation",
			operations: []operation{{session: []int{0, 1, 2}}},
			runners:    1, reaches: both,
			losesWrites: of(0),
		},
		{
			name:       "a coordinator's disk loses the last write of two changes",
			operations: []operation{changeOp(3, 0, 1), changeOp(1, 0, 1), createOp(0, 1)},
			runners:    2, reaches: outcomes{committed: 6, aborted: 6},
			start:       func(s *state) { stored(s, 3, 0, of(0, 1)) },
			losesWrites: of(0),
		},
		{
			name:       "a coordinator's disk loses the last write of a removal",
			operations: []operation{{kind: remove, session: []int{0, 1}, base: 3}, changeOp(3, 0, 1), createOp(0, 1)},
			runners:    2, reaches: outcomes{committed: 6, aborted: 6},
			start:       func(s *state) { stored(s, 3, 0, of(0, 1)) },
			losesWrites: of(0), epochs: 2,
		},
		{
			name:       "a coordinator's disk loses writes while a manager joins",
			operations: []operation{changeOp(3, 0, 1, 2), {}, createOp(0, 1)},
			runners:    1, reaches: both, epochs: 3,
			start: func(s *state) {
				stored(s, 3, 0, of(0, 1))
				s.managers[2].epoch = 2
			},
			losesWrites: of(0), restores: of(0),
		},
		{
			name:       "the disks of a participant and of the coordinator lose the last write",
			operations: alone,
			runners:    1, reaches: outcomes{committed: 2, aborted: 2, replaced: true, discarded: true, forwarded: true},
			start:       three,
			losesWrites: of(0, 1), sessions: [2]set{of(1, 2)},
		},
		{
			name:       "a coordinator's disk loses the last write, it falls silent and is replaced",
			operations: alone,
			runners:    1, reaches: outcomes{committed: 2, aborted: 2, replaced: true, discarded: true, forwarded: true},
			start:       three,
			losesWrites: of(0), lossy: of(0), sessions: [2]set{of(1, 2)},
		},
		{
			name:       "an older copy of a coordinator's catalog is restored",
			operations: []operation{changeOp(3, 0, 1, 2), changeOp(1, 0, 1, 2), createOp(0, 1)},
			runners:    2, reaches: outcomes{committed: 6, aborted: 6},
			start:    func(s *state) { stored(s, 3, 0, of(0, 1)) },
			restores: of(0),
		},
		{
			name:       "a copy of a coordinator's catalog without the store is restored",
			operations: []operation{{session: []int{0, 1, 2}}, changeOp(1, 0, 1, 2)},
			runners:    2, reaches: outcomes{committed: 6, aborted: 6},
			restores: of(0),
		},
		{
			name:       "a copy of a coordinator's catalog from before creation and removal is restored",
			operations: []operation{{session: []int{0, 1}}, {kind: remove, session: []int{0, 1}, base: 1}},
			runners:    2, reaches: outcomes{committed: 6, aborted: 6},
			restores: of(0),
		},
	}
}
