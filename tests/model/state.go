package model

import "math/bits"

const (
	managers = 4 // the largest number in a scenario
	runs     = 2 // operations that have a runner: numbers 1 and 2
	maxEpoch = 4
)

// op is the number of an operation; 0 means none. Numbers greater than the constant runs are operations that were
// committed before the scenario starts.
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

// first returns the smallest identity in s, or -1 if s is empty.
func (s set) first() int {
	if s == 0 {
		return -1
	}
	return bits.TrailingZeros8(uint8(s))
}

// manager holds one manager's records of the model's only store.
type manager struct {
	committed, prepared  op
	epoch, preparedEpoch uint8 // epoch is the highest one seen
	coordinator          int8  // -1 if the manager does not have the store
	members              set
	fenced               set // managers that were declared lost
	replacing            set // the lost coordinator between the promise and the decision

	// altered and alteredPrepared report whether the content of committed, or of prepared, is not the one that the runner
	// proposed.
	altered, alteredPrepared bool

	silent  bool // does not answer: crashed, suspended or unreachable
	expired bool // the lease of the prepared operation has expired; at the coordinator only
	wiped   bool // silent for good; another manager answers at its address
	suspect bool // its disk lost the last write

	// The history, for the invariants and as the decision records.
	everCommitted     uint8 // set of operations
	committedAttempts uint8 // set of attempts: operation and epoch
	abortedAttempts   uint8 // set of attempts
	declared          set   // all managers that this one has ever promised to ignore
}

type phase uint8

const (
	idle phase = iota
	preparingCoordinator
	preparingOthers
	committing // has sent commit to the coordinator
	aborting   // has sent abort to the coordinator
	forward    // the coordinator has answered committed
	backward   // the coordinator has answered aborted
)

type runner struct {
	phase phase
	epoch uint8
}

// replacement is one run of repair_store{lost}.
type replacement struct {
	deciding        bool
	asked, answered set
	committed       uint8 // the last operations of the survivors' configurations
	suspect         set   // survivors that may have lost a vote, and can't become the coordinator
}

// state is the state of the whole system. Messages are never removed: each can arrive at any later time, repeatedly, or
// never.
type state struct {
	managers     [managers]manager
	runners      [runs]runner
	sent         [runs]messages
	answers      [runs]uint16 // the coordinator's answers "aborted", by manager and epoch
	replacements [2]replacement
	healing      healing
	failed       bool  // manager 0 has lost writes
	overruled    uint8 // operations that a person has aborted, whatever their runners were told
}

// messages is the set of all messages of an operation that were ever sent.
type messages uint64

// The kinds of messages, by their first bit in messages. Prepare and vote have one bit for each manager and epoch;
// stale has one for each epoch, the highest that the refusing manager has seen; commit and abort have one for each
// manager. Committed and aborted are answers of the coordinator; refused is the refusal of any manager.
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

// at returns the offset of a manager and epoch within a kind.
func at(manager int, epoch uint8) int { return manager*maxEpoch + int(epoch) - 1 }

// attempt returns the bit of an operation and epoch, or 0 for an operation without a runner.
func attempt(o op, epoch uint8) uint8 {
	if o > runs {
		return 0
	}
	return 1 << ((int(o)-1)*maxEpoch + int(epoch) - 1)
}
