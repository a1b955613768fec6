package admin

import (
	"net/netip"
	"sync"
	"time"

	"dkvrun/runtime/wire"
)

const (
	largeBody      = 64 << 10
	maxLargeBodies = 8
	// largeCatalog is the size of the catalog in bytes from which the answers that show it count as large.
	largeCatalog    = 1 << 20
	maxLargeAnswers = 8
	// maxLargeWaiting is the number of large answers for which one client address may wait.
	maxLargeWaiting = 64
	// largeGrace is the time for which a transfer that others wait for may go on.
	largeGrace = time.Second
)

// largeSlots bounds the number of large bodies that are read and handled at a time, or of large answers that are made
// and sent: one takes a multiple of its size in memory. A transfer that takes longer than largeGrace gives its slot to
// one that waits, and one client address gets at most half of the slots, so that clients which send or read slowly do
// not keep others out.
type largeSlots struct {
	// most is the number of slots, mostWaiting that of the requests of one client address that wait for one.
	most, mostWaiting int
	busyText          string // of the refusal, with a %d for the number of slots
	grace             time.Duration

	mu   sync.Mutex
	held map[*largeSlot]bool
	// waiting holds the number of waiting requests by client address.
	waiting map[netip.Addr]int
	// freed is closed when a slot becomes free.
	freed chan struct{}
}

// largeSlot is the slot of one body or answer.
type largeSlot struct {
	from netip.Addr
	// moving means that the client sends the body or reads the answer, since the given time. stop makes the transfer
	// fail; stopped reports that it was called. They are guarded by largeSlots.mu.
	moving, stopped bool
	since           time.Time
	stop            func()
}

func newLargeBodies(most int) *largeSlots {
	return newLargeSlots(most, most, "%d requests as large as this one are being read already: try again later")
}

func newLargeAnswers() *largeSlots {
	return newLargeSlots(maxLargeAnswers, maxLargeWaiting, "%d large answers are being sent already: try again later")
}

func newLargeSlots(most, mostWaiting int, busyText string) *largeSlots {
	return &largeSlots{most: most, mostWaiting: mostWaiting, busyText: busyText, grace: largeGrace,
		held: map[*largeSlot]bool{}, waiting: map[netip.Addr]int{},
		freed: make(chan struct{})}
}

// acquire returns a slot for a client, for which it waits up to timeout. The client is sending a body.
func (l *largeSlots) acquire(from netip.Addr, timeout time.Duration, stop func()) (*largeSlot, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting[from] >= l.mostWaiting {
		return nil, l.busy()
	}
	l.waiting[from]++
	defer func() {
		if l.waiting[from]--; l.waiting[from] == 0 {
			delete(l.waiting, from)
		}
	}()
	for end := time.Now().Add(timeout); ; {
		ofThisClient := l.heldBy(from) >= (l.most+1)/2
		if len(l.held) < l.most && !ofThisClient {
			break
		}
		victim, wait := l.slowest(func(s *largeSlot) bool { return !ofThisClient || s.from == from })
		if victim != nil && wait <= 0 {
			victim.stopped = true
			victim.stop()
			l.drop(victim)
			continue
		}
		left := time.Until(end)
		if left <= 0 {
			return nil, l.busy()
		}
		if victim == nil || wait > left {
			wait = left
		}
		freed, timer := l.freed, time.NewTimer(wait)
		l.mu.Unlock()
		select {
		case <-freed:
		case <-timer.C:
		}
		timer.Stop()
		l.mu.Lock()
	}
	s := &largeSlot{from: from, since: time.Now(), moving: true, stop: stop}
	l.held[s] = true
	return s, nil
}

// heldBy returns the number of slots of a client address.
func (l *largeSlots) heldBy(from netip.Addr) int {
	count := 0
	for s := range l.held {
		if s.from == from {
			count++
		}
	}
	return count
}

// slowest returns the transfer that has lasted longest, of the client address that has the most of them, and the rest
// of its grace; nil if there is none among those for which may reports true.
func (l *largeSlots) slowest(may func(*largeSlot) bool) (*largeSlot, time.Duration) {
	count := map[netip.Addr]int{}
	for s := range l.held {
		if s.moving {
			count[s.from]++
		}
	}
	var found *largeSlot
	for s := range l.held {
		if s.moving && may(s) && (found == nil || count[s.from] > count[found.from] ||
			count[s.from] == count[found.from] && s.since.Before(found.since)) {
			found = s
		}
	}
	if found == nil {
		return nil, 0
	}
	return found, l.grace - time.Since(found.since)
}

// moved records that a transfer is over. It returns false if the slot was given to another one meanwhile.
func (l *largeSlots) moved(s *largeSlot) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.moving = false
	return !s.stopped
}

// moves records that the client is being sent an answer.
func (l *largeSlots) moves(s *largeSlot) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.moving, s.since = true, time.Now()
}

// release gives up the slot.
func (l *largeSlots) release(s *largeSlot) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop(s)
}

// drop gives up a slot. The caller holds l.mu.
func (l *largeSlots) drop(s *largeSlot) {
	if l.held[s] {
		delete(l.held, s)
		close(l.freed)
		l.freed = make(chan struct{})
	}
}

func (l *largeSlots) busy() error {
	return wire.Refuse(wire.CodeTooBusy, l.busyText, l.most)
}
