package model

// losses are about coordinators that fall silent, wake, restart or stay away, and their repair.
func losses() []scenario {
	alone := []operation{widening(3, 0, 1, 2), {}, founding(0, 1, 2)}
	all := outcomes{done: 2, dropped: 2, repaired: true, undone: true, carried: true}
	return []scenario{
		{
			name:       "a lost home, two repairs at once",
			operations: alone,
			runners:    1, reaches: all,
			start: three,
			lossy: of(0), sessions: [2]set{of(1), of(1, 2)},
		},
		{
			name:       "a lost home, and a survivor that comes and goes",
			operations: alone,
			runners:    1, reaches: all,
			start: three,
			lossy: of(0, 2), sessions: [2]set{of(1)},
		},
		{
			name:       "a home that is declared lost and is not",
			operations: alone,
			runners:    1, reaches: all,
			start: three,
			lossy: of(0), sessions: [2]set{of(1), of(1, 2)}, falseWord: true,
		},
		{
			name: "a lost home, the next change with the new one",
			operations: []operation{
				widening(3, 0, 1, 2),
				{kind: change, session: []int{1, 2}, base: 3, coordinator: 1},
				founding(0, 1, 2),
			},
			runners: 2, reaches: outcomes{done: 6, dropped: 6, repaired: true, undone: true, carried: true},
			start: three,
			lossy: of(0), sessions: [2]set{of(1, 2)},
		},
		{
			name:       "a lost home, and two changes that it decided",
			operations: []operation{widening(3, 0, 1, 2), widening(1, 0, 1, 2), founding(0, 1, 2)},
			runners:    2, reaches: outcomes{done: 6, dropped: 6, repaired: true, undone: true, carried: true},
			start: three,
			lossy: of(0), sessions: [2]set{of(1, 2)},
		},
		{
			name:       "a lost home, and a survivor that has lost its vote",
			operations: alone,
			runners:    1, reaches: all,
			start: three,
			lossy: of(0), victim: of(1), sessions: [2]set{of(1, 2)},
		},
		{
			name: "a lost home, then the store is removed",
			operations: []operation{
				widening(3, 0, 1, 2),
				{kind: remove, session: []int{1, 2}, base: 3, coordinator: 1},
				founding(0, 1, 2),
			},
			runners: 2, reaches: outcomes{done: 6, dropped: 6, repaired: true, undone: true, carried: true},
			start: three,
			lossy: of(0), sessions: [2]set{of(1, 2)},
		},
		{
			name:       "a lost home, and a newcomer that no record names",
			operations: []operation{widening(3, 0, 1, 2, 3), {}, founding(0, 1, 2)},
			runners:    1, reaches: all,
			start: three,
			lossy: of(0), sessions: [2]set{of(1, 2)},
		},
		{
			name:       "a home is lost while its store is created",
			operations: []operation{{session: []int{0, 1, 2}}},
			runners:    1, reaches: all,
			lossy: of(0), sessions: [2]set{of(1, 2), of(1, 2)},
		},
		{
			name:       "a home is lost while its store is created, and a survivor that has lost its vote",
			operations: []operation{{session: []int{0, 1, 2}}},
			runners:    1, reaches: all,
			lossy: of(0), victim: of(1), sessions: [2]set{of(1, 2)},
		},
		{
			name: "a home is declared lost while it drops another manager",
			operations: []operation{
				{kind: change, session: []int{0, 1}, base: 3, lost: of(2)},
				{}, founding(0, 1, 2),
			},
			runners: 1, reaches: all,
			start: three,
			lossy: of(0), sessions: [2]set{of(1, 2)},
		},
		{
			name: "a lost home is taken back",
			operations: []operation{
				widening(3, 0, 1, 2),
				{kind: change, session: []int{0, 1, 2}, base: 3, coordinator: 1},
				founding(0, 1, 2),
			},
			runners: 2, reaches: outcomes{done: 4, dropped: 6},
			start: takenBack,
			lossy: of(0), cleaned: of(0),
		},
		{
			name: "a lost manager that is not the home",
			operations: []operation{
				widening(3, 0, 1, 2),
				{kind: change, session: []int{0, 1}, base: 1, lost: of(2)},
				founding(0, 1, 2),
			},
			runners: 2, reaches: outcomes{done: 6, dropped: 6},
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
