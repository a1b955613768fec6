package process

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"

	"dkvrun/cmd/dkvmanager/internal/engine"
)

// The file engine.EndFile has two parts of fixed sizes, written when the process starts, so that a full disk doesn't
// prevent what the process writes at its end: a record, and what the Go runtime writes when the process crashes.
const (
	recordSize = 2 << 10
	crashSize  = 6 << 10 // of this the runtime's text may be longer
	// maxReason is the largest number of bytes of a reason that is kept.
	maxReason = 1 << 10
)

// record is the first part of the file. Reason is empty until the process ends by itself.
type record struct {
	PID     int    `json:"pid"`
	Boot    string `json:"boot"` // of the machine
	Reason  string `json:"reason,omitempty"`
	Stopped bool   `json:"stopped,omitempty"` // it was asked to end, and did
}

// ending writes the reason of this process's end.
type ending struct {
	once   sync.Once
	file   *os.File
	record record
}

// openEnding makes the file in the working directory, and has the Go runtime write crashes to it.
func openEnding() (*ending, error) {
	e := &ending{record: record{PID: os.Getpid(), Boot: bootID()}}
	err := os.Remove(engine.EndFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if e.file, err = os.OpenFile(engine.EndFile, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
		return nil, err
	}
	if _, err = e.file.WriteAt(bytes.Repeat([]byte("\n"), recordSize+crashSize), 0); err == nil {
		err = e.write()
	}
	if err == nil {
		_, err = e.file.Seek(recordSize, io.SeekStart)
	}
	if err == nil {
		err = debug.SetCrashOutput(e.file, debug.CrashOptions{}) // it has a copy of the descriptor, with its position
	}
	if err != nil {
		return nil, errors.Join(err, e.file.Close())
	}
	return e, nil
}

// because writes the reason of the end. Only the first call counts: what ends later, ends because of it.
func (e *ending) because(reason string, stopped bool) error {
	var err error
	e.once.Do(func() {
		e.record.Stopped = stopped
		e.record.Reason = strings.ToValidUTF8(reason[:min(len(reason), maxReason)], "")
		err = e.write()
	})
	return err
}

func (e *ending) write() error {
	text, err := json.Marshal(e.record)
	if err != nil {
		return err
	}
	if len(text) >= recordSize { // escapes make it longer
		return fmt.Errorf("the reason of the end has %d bytes", len(text))
	}
	_, err = e.file.WriteAt(append(text, bytes.Repeat([]byte("\n"), recordSize-len(text))...), 0)
	return err
}

// close gives up the file. The runtime goes on writing crashes to it.
func (e *ending) close() error { return e.file.Close() }

// End is what the last process in a folder has left about itself.
type End struct {
	PID int
	// Reason says why it ended, in its own words; empty if it was killed, or still runs.
	Reason string
	// Stopped reports whether it ended since it was asked to.
	Stopped bool
	// SameBoot is false if the machine has been restarted since the process was started.
	SameBoot bool
}

// LastEnd returns what the last process of an instance left in its folder, or nil if there is nothing.
func LastEnd(folder string) (*End, error) {
	text, err := os.ReadFile(filepath.Join(folder, engine.EndFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var r record
	if err := json.Unmarshal(text[:min(len(text), recordSize)], &r); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(folder, engine.EndFile), err)
	}
	end := &End{PID: r.PID, Reason: r.Reason, Stopped: r.Stopped, SameBoot: r.Boot == bootID()}
	if end.Reason == "" && len(text) > recordSize {
		end.Reason = crashMessage(string(text[recordSize:]))
	}
	return end, nil
}

// ForgetEnd deletes what the last process left, once it has been told.
func ForgetEnd(folder string) error {
	err := os.Remove(filepath.Join(folder, engine.EndFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// crashMessage returns the message of a crash, without the stacks that follow it; "" if there was no crash.
func crashMessage(text string) string {
	message, _, _ := strings.Cut(strings.TrimSpace(text), "\n\n")
	message = strings.Join(strings.Fields(message), " ")
	return strings.ToValidUTF8(message[:min(len(message), maxReason)], "")
}

// bootID returns the id of the present run of the machine's kernel; "" if the system doesn't tell it.
func bootID() string {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}
