package model

import "math/bits"

const (
	managers = 4 // the most that a scenario has
	runs     = 2 // operations with a runner: numbers 1 and 2
	maxEpoch = 4
)

// op is the number of an operation; 0 is none. Those above runs made what was there at the start.
type op uint8

// set is a set of managers.
type set uint8

func of(members ...int) (s set) {
	for _, m := range members {
		s |= 1 << m
	}
	return s
}

func (s set) has(i int) bool { return s>>i&1 == 1 }

// first is the smallest identity in s, or -1.
func (s set) first() int {
	if s == 0 {
		return -1
	}
	return bits.TrailingZeros8(uint8(s))
}

// manager is what one manager keeps for the one store that the model is about.
type manager struct {
	committed, prepared  op
	epoch, preparedEpoch uint8 // epoch is the highest accepted
	coordinator          int8  // -1 where the store is absent
	members              set
	fenced               set
	replacing            set // the lost manager while fenced and not yet decided

	silent  bool // answers nobody: dead, stalled or cut off
	expired bool // the coordinator's deadline for the pending change has passed
	wiped   bool // silent for good: what answers at its address is another manager
	suspect bool // its disk lost the last write

	// What happened, for the invariants and as the log of decided operations.
	everCommitted     uint8 // operations ever committed
	committedAttempts uint8 // attempts (operation and epoch) committed
	abortedAttempts   uint8 // attempts aborted
	declared          set   // managers ever fenced
}

type phase uint8

const (
	idle phase = iota
	preparingCoordinator
	preparingOthers
	committing // commit was sent to the coordinator
	aborting   // abort was sent to the coordinator
	forward    // the coordinator said committed
	backward   // the coordinator said aborted
)

type runner struct {
	phase phase
	epoch uint8
}

// replacement is one run of repair_store{lost}.
type replacement struct {
	deciding        bool
	asked, answered set
	committed       uint8 // operations that a survivor has as its record
	suspect         set   // survivors that may have lost a vote: none of them becomes the coordinator
}

// state is everything. Messages that were sent stay: each can come at any later time, again, or never.
type state struct {
	managers     [managers]manager
	runners      [runs]runner
	sent         [runs]messages
	answers      [runs]uint16 // "aborted", said by the coordinator to a manager about an epoch
	replacements [2]replacement
}

// messages is the set of an operation's messages ever sent.
type messages uint64

// Kinds of messages by their first bit. Prepare and vote have a bit a manager and epoch, stale one an
// epoch (the highest that the refusing manager had accepted), commit and abort one a manager; the last
// three are the coordinator's answers and anybody's refusal.
const (
	prepare   = 0
	vote      = 16
	commit    = 32
	abort     = 36
	stale     = 40
	committed = 44
	aborted   = 45
	refused   = 46
)

func (m messages) has(bit int) bool { return m>>bit&1 == 1 }
func (m *messages) add(bit int)     { *m |= 1 << bit }

// at is the offset of a manager and epoch within a kind.
func at(manager int, epoch uint8) int { return manager*maxEpoch + int(epoch) - 1 }

// attempt is the bit of an operation and epoch; operations without a runner have none.
func attempt(o op, epoch uint8) uint8 {
	if o > runs {
		return 0
	}
	return 1 << ((int(o)-1)*maxEpoch + int(epoch) - 1)
}
