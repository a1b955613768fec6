package model

// stored puts a store on its managers as operation o left it at epoch 1.
func stored(s *state, o op, coordinator int, members set) {
	for i := range s.managers {
		if members.has(i) {
			s.managers[i] = manager{committed: o, epoch: 1, coordinator: int8(coordinator), members: members, everCommitted: 1 << o}
		}
	}
}

// three puts operation 3's store on managers 0 to 2, with coordinator 0.
func three(s *state) { stored(s, 3, 0, of(0, 1, 2)) }

// founding is a create that is long done.
func founding(members ...int) operation {
	return operation{kind: create, session: members, revision: 1}
}

// widening is a change of what operation base left, with coordinator 0.
func widening(base op, members ...int) operation {
	return operation{kind: change, session: members, base: base, revision: 2}
}

// scenarios are what is explored, with what must be reached in each.
func scenarios() []scenario {
	return append(races(), losses()...)
}

// races are about runners that meet, and what was there before them.
func races() []scenario {
	both := outcomes{done: 6, dropped: 6}
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
			name:       "a new name, other managers and another home",
			operations: []operation{{session: []int{0, 1}}, {session: []int{1, 2}}},
			runners:    2, reaches: both,
		},
		{
			name:       "one id, two digests",
			operations: []operation{{session: []int{0, 1}}, {session: []int{0, 1}, sameID: true}},
			runners:    2, reaches: both,
		},
		{
			name:       "answers of the home come late",
			operations: []operation{{session: []int{0, 1, 2}}},
			runners:    1, reaches: outcomes{done: 2, dropped: 2},
			slow: true, epochs: 3,
		},
		{
			name: "a newcomer, and another change at the same time",
			operations: []operation{
				{kind: change, session: []int{0, 1, 2}, base: 3, coordinator: 1},
				{kind: change, session: []int{0, 1}, base: 3, coordinator: 1},
				founding(0, 1),
			},
			runners: 2, reaches: both,
			start: func(s *state) { stored(s, 3, 1, of(0, 1)) },
		},
		{
			name: "the home moves, the next change builds on that",
			operations: []operation{
				{kind: change, session: []int{0, 1, 2}, base: 3, coordinator: 0, newCoordinator: 2 + 1},
				{kind: change, session: []int{0, 1, 2}, base: 1, coordinator: 2},
				founding(0, 1, 2),
			},
			runners: 2, reaches: both,
			start: three,
		},
		{
			name: "a runner leaves out a manager of the store",
			operations: []operation{
				{kind: change, session: []int{0, 1}, members: of(0, 1, 2), base: 3},
				widening(3, 0, 1, 2), founding(0, 1, 2),
			},
			runners: 2, reaches: outcomes{done: 4, dropped: 6},
			start: three,
		},
		{
			name: "removed and created again, elsewhere too",
			operations: []operation{
				{kind: remove, session: []int{0, 1}, base: 3, coordinator: 1},
				{session: []int{0, 1, 2}},
				founding(0, 1),
			},
			runners: 2, reaches: both,
			start: func(s *state) { stored(s, 3, 1, of(0, 1)) },
		},
		{
			name:       "removed while another runner changes it",
			operations: []operation{widening(3, 0, 1), {kind: remove, session: []int{0, 1}, base: 3}, founding(0, 1)},
			runners:    2, reaches: both,
			start: func(s *state) { stored(s, 3, 0, of(0, 1)) },
		},
		{
			name:       "removed, and a disk loses its last write",
			operations: []operation{widening(3, 0, 1), {kind: remove, session: []int{0, 1}, base: 3}, founding(0, 1)},
			runners:    2, reaches: both,
			start:  func(s *state) { stored(s, 3, 0, of(0, 1)) },
			victim: of(1),
		},
		{
			name:       "a runner sleeps through a removal and a new life",
			operations: []operation{widening(4, 0, 1), widening(3, 0, 1), founding(0, 1), founding(0, 1)},
			runners:    2, reaches: outcomes{done: 4, dropped: 6},
			start: func(s *state) { stored(s, 3, 0, of(0, 1)) },
		},
		{
			name:       "two stores of one name, made apart",
			operations: []operation{widening(3, 0, 1, 2), {}, founding(0, 1), founding(2)},
			runners:    1, reaches: outcomes{dropped: 2},
			start: func(s *state) {
				stored(s, 4, 2, of(2))
				stored(s, 3, 0, of(0, 1))
			},
		},
		{
			name:       "a disk loses its vote for a new store, and the next change",
			operations: []operation{{session: []int{0, 1, 2}}, widening(1, 0, 1, 2)},
			runners:    2, reaches: both,
			victim: of(1),
		},
		{
			name:       "a disk loses its vote, and the next change",
			operations: []operation{widening(3, 0, 1, 2), widening(1, 0, 1, 2), founding(0, 1, 2)},
			runners:    2, reaches: both,
			start:  three,
			victim: of(1),
		},
	}
}
