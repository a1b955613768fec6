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
	// largeGrace is the time for which a large body that others wait for may go on arriving.
	largeGrace = time.Second
)

// largeSlots bounds the number of large bodies that are read and handled at a time: decoding one takes a multiple of
// its size in memory. A body that is still arriving after largeGrace gives its slot to one that waits, so that clients
// which send slowly do not keep others out.
type largeSlots struct {
	most  int
	grace time.Duration

	mu   sync.Mutex
	held map[*largeSlot]bool
	// waiting holds the number of waiting requests by client address, at most as many as there are slots.
	waiting map[netip.Addr]int
	// freed is closed when a slot becomes free.
	freed chan struct{}
}

// largeSlot is the slot of one body.
type largeSlot struct {
	from  netip.Addr
	since time.Time
	// arriving is false once the whole body was read. stop makes reading it fail; stopped reports that it was called.
	// They are guarded by largeSlots.mu.
	arriving, stopped bool
	stop              func()
}

func newLargeSlots(most int) *largeSlots {
	return &largeSlots{most: most, grace: largeGrace, held: map[*largeSlot]bool{}, waiting: map[netip.Addr]int{},
		freed: make(chan struct{})}
}

// acquire returns a slot for a body of a client, for which it waits up to timeout.
func (l *largeSlots) acquire(from netip.Addr, timeout time.Duration, stop func()) (*largeSlot, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting[from] >= l.most {
		return nil, l.busy()
	}
	l.waiting[from]++
	defer func() {
		if l.waiting[from]--; l.waiting[from] == 0 {
			delete(l.waiting, from)
		}
	}()
	for end := time.Now().Add(timeout); len(l.held) >= l.most; {
		victim, wait := l.slowest()
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
	s := &largeSlot{from: from, since: time.Now(), arriving: true, stop: stop}
	l.held[s] = true
	return s, nil
}

// slowest returns the body that has been arriving for the longest time, of the client address that has the most of
// them, and the rest of its grace; nil if none is arriving.
func (l *largeSlots) slowest() (*largeSlot, time.Duration) {
	count := map[netip.Addr]int{}
	for s := range l.held {
		if s.arriving {
			count[s.from]++
		}
	}
	var found *largeSlot
	for s := range l.held {
		if s.arriving && (found == nil || count[s.from] > count[found.from] ||
			count[s.from] == count[found.from] && s.since.Before(found.since)) {
			found = s
		}
	}
	if found == nil {
		return nil, 0
	}
	return found, l.grace - time.Since(found.since)
}

// arrived records that the body was read. It returns false if the slot was given to another body meanwhile.
func (l *largeSlots) arrived(s *largeSlot) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.arriving = false
	return !s.stopped
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
	return wire.Refuse(wire.CodeTooBusy, "%d requests as large as this one are being read already: try again later", l.most)
}
