package audit

import (
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"dkvrun/runtime/durable"
	"dkvrun/runtime/wire"
)

const (
	memoryFile = "audit-heads.json"
	// maxRemembered bounds the managers whose logs are remembered.
	maxRemembered = 4096
	// saveEvery is the shortest interval at which the file is written. A crash forgets what was heard since.
	saveEvery = 10 * time.Second
)

// Memory is what a manager remembers of how the audit logs of others end, over its restarts: a log that is written
// anew, or of which the end was removed, contradicts it. Its methods may be called from any goroutine.
type Memory struct {
	path string
	log  *slog.Logger

	mu    sync.Mutex
	heard map[string]*remembered // by the manager's identity
	saved time.Time              // when the file was written last
	dirty bool
}

// remembered is what is remembered of one log.
type remembered struct {
	Head wire.AuditHead  `json:"head"`
	Lost *wire.AuditHead `json:"lost,omitempty"` // see wire.AuditHeard
	at   time.Time       // when it was heard; zero before this start
}

// OpenMemory reads what the manager of a data folder remembers. A file that can't be read is logged, and replaced.
func OpenMemory(dir string, log *slog.Logger) *Memory {
	m := &Memory{path: filepath.Join(dir, memoryFile), log: log, heard: map[string]*remembered{}}
	text, err := os.ReadFile(m.path)
	if err == nil {
		err = json.Unmarshal(text, &m.heard)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		log.Error("what is remembered of other managers' audit logs can't be read, and begins anew", "file", m.path, "error", err)
	}
	for name, r := range m.heard {
		if r == nil {
			delete(m.heard, name)
		}
	}
	if m.heard == nil {
		m.heard = map[string]*remembered{}
	}
	return m
}

// Follow remembers how a manager's log ends, as the manager itself has told in an answer to a request that was made
// at a certain time. It logs an end that can't have come of an earlier one by growing.
func (m *Memory) Follow(manager string, head wire.AuditHead, asked time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	last := m.heard[manager]
	switch {
	case last == nil && len(m.heard) >= maxRemembered, last != nil && last.Head == head:
		return
	case last == nil:
		last = &remembered{}
		m.heard[manager] = last
	case head.Number < last.Head.Number && last.at.After(asked):
		return // answers come in another order than requests
	case head.Number <= last.Head.Number:
		lost := last.Head
		last.Lost = &lost
		m.log.Error("the audit log of another manager was written anew, or lines of it were removed", "manager", manager,
			"number", head.Number, "hash", head.Hash, "earlier number", lost.Number, "earlier hash", lost.Hash)
		m.saved = time.Time{} // it is kept at once
	}
	last.Head, last.at, m.dirty = head, time.Now(), true
	if time.Since(m.saved) >= saveEvery {
		m.save()
	}
}

// Of returns what is remembered of a manager's log, or nil.
func (m *Memory) Of(manager string) *wire.AuditHeard {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.heard[manager]
	if r == nil {
		return nil
	}
	return &wire.AuditHeard{Head: r.Head, Lost: r.Lost}
}

// save writes the file. The caller holds m.mu.
func (m *Memory) save() {
	text, err := json.Marshal(m.heard)
	if err == nil {
		err = durable.Replace(m.path, text, durable.Options{Mode: 0o600})
	}
	if err != nil {
		m.log.Error("what is remembered of other managers' audit logs can't be written", "error", err)
	}
	m.saved, m.dirty = time.Now(), err != nil
}

// Close writes what was heard since the file was written last.
func (m *Memory) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dirty {
		m.save()
	}
}
