// Package audit keeps a manager's audit log: who changed what, from where, and with what outcome. Each line has a
// number and the hash of the line before it.
//
// It protects from lines that are changed or removed within the log, and, together with the managers that remember its
// last line, from a log that is written anew. It does not protect where no other manager asks this one.
package audit

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"dkvrun/runtime/wire"
)

const (
	fileName = "audit.log"
	// maxFile is the size in bytes from which the file is renamed to audit.log.1, and so on; keptFiles older files are
	// kept.
	maxFile   = 8 << 20
	keptFiles = 4
	// room is the disk space in bytes that is allocated before a change is made, for its line and those of the changes
	// that are made at the same time.
	room = 64 << 10
	// maxLine is above the length of any line, in bytes.
	maxLine = 8 << 10
)

// Line is one line of the log, as JSON.
type Line struct {
	Number   int64     `json:"number"`   // from 1
	Previous string    `json:"previous"` // the SHA-256 hash of the line before, in hexadecimal; empty for the first
	Time     time.Time `json:"time"`
	Who      string    `json:"who"`  // the URI of the caller's identity
	Role     string    `json:"role"` // the caller's role
	From     string    `json:"from"` // the address of the client
	Action   string    `json:"action"`
	// Subject is the URI of whom the action gives access or takes it from.
	Subject string `json:"subject,omitempty"`
	Store   string `json:"store,omitempty"`
	// Operation and Digest are the id of the operation, and the digest of the request that was understood.
	Operation string `json:"operation,omitempty"`
	Digest    string `json:"digest,omitempty"`
	Outcome   string `json:"outcome"` // a code of results, or the state of the operation
	// Reason is what the caller gave as the reason of the change.
	Reason string `json:"reason,omitempty"`
	// Missing is the number of lines before this one that could not be written.
	Missing int64 `json:"missing,omitempty"`
}

// Log is an open audit log. Its methods may be called from any goroutine.
type Log struct {
	dir  string
	sink *Sink // nil for none

	mu   sync.Mutex
	f    *os.File
	size int64
	// last is the number and the hash of the last line. missing counts the lines since then that could not be written.
	last    wire.AuditHead
	missing int64
}

// Open opens the audit log in a data folder, and makes it if it is missing. A last line that a crash left without its
// end is removed. A file whose last line is damaged is kept under another name, and the log begins anew. Each line goes
// to the sink as well, also one that the file can't take; nil for none. The log closes it.
func Open(dir string, sink *Sink) (*Log, error) {
	l := &Log{dir: dir, sink: sink}
	path := l.path(0)
	head, end, err := lastLine(path)
	if errors.Is(err, errDamaged) {
		err = os.Rename(path, path+damagedSuffix)
		head, end = wire.AuditHead{}, 0
	} else if errors.Is(err, fs.ErrNotExist) || err == nil && head.Number == 0 {
		// A crash came between the renaming of a full file and the first line of the next one.
		if head, _, err = lastLine(l.path(1)); errors.Is(err, fs.ErrNotExist) || errors.Is(err, errDamaged) {
			err = nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("the audit log %s: %w", path, err)
	}
	l.last, l.size = head, end
	if l.f, err = openFile(path); err != nil {
		return nil, err
	}
	if err := l.f.Truncate(end); err != nil {
		return nil, errors.Join(err, l.f.Close())
	}
	return l, nil
}

func (l *Log) path(older int) string {
	path := filepath.Join(l.dir, fileName)
	if older == 0 {
		return path
	}
	return fmt.Sprintf("%s.%d", path, older)
}

func openFile(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
}

// damagedSuffix is added to the name of a file whose last line can't be read.
const damagedSuffix = ".damaged"

var errDamaged = errors.New("its last line can't be read")

// lastLine returns the number and the hash of the last whole line of a file, and where it ends.
func lastLine(path string) (head wire.AuditHead, end int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return wire.AuditHead{}, 0, err
	}
	defer f.Close()
	var last []byte
	lines := bufio.NewReaderSize(f, maxLine)
	for {
		line, err := lines.ReadSlice('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return wire.AuditHead{}, 0, errDamaged
		}
		last, end = append(last[:0], line...), end+int64(len(line))
	}
	if last == nil {
		return wire.AuditHead{}, 0, nil
	}
	var line Line
	if json.Unmarshal(last, &line) != nil || line.Number < 1 {
		return wire.AuditHead{}, 0, errDamaged
	}
	return wire.AuditHead{Number: line.Number, Hash: Hash(last)}, end, nil
}

// Hash returns the hash of a line, with its end or without.
func Hash(line []byte) string {
	sum := sha256.Sum256(bytes.TrimSuffix(line, []byte("\n")))
	return hex.EncodeToString(sum[:])
}

// Head returns the number and the hash of the last line.
func (l *Log) Head() wire.AuditHead {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// Reserve makes sure that the disk, and the limit of the process for the size of files, have space for the line of a
// change that is to be made.
func (l *Log) Reserve() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var limit unix.Rlimit // which fallocate doesn't look at
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &limit); err == nil && uint64(min(l.size+room, maxFile)) > limit.Cur {
		return unix.EFBIG
	}
	err := unix.Fallocate(int(l.f.Fd()), unix.FALLOC_FL_KEEP_SIZE, l.size, room)
	if err == nil || errors.Is(err, unix.EOPNOTSUPP) {
		return nil
	}
	return err
}

// Append adds a line, durably, and fills in its number and hash. After an error the number is not used again: the next
// line says how many are missing.
func (l *Log) Append(line Line) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	line.Number, line.Previous = l.last.Number+l.missing+1, l.last.Hash
	line.Missing = l.missing
	text, err := json.Marshal(line)
	if err != nil {
		return err
	}
	l.sink.add(string(text))
	text = append(text, '\n')
	if l.size > 0 && l.size+int64(len(text)) > maxFile {
		err = l.rotate()
	}
	if err == nil {
		err = l.write(text)
	}
	if err != nil {
		l.missing++
		return err
	}
	l.last, l.missing = wire.AuditHead{Number: line.Number, Hash: Hash(text)}, 0
	return nil
}

// write writes a line at the end. After an error the file is as before, or has a part of the line, which the next one
// overwrites.
func (l *Log) write(text []byte) error {
	if _, err := l.f.WriteAt(text, l.size); err != nil {
		_ = l.f.Truncate(l.size)
		return err
	}
	if err := l.f.Sync(); err != nil {
		_ = l.f.Truncate(l.size)
		return err
	}
	l.size += int64(len(text))
	return nil
}

// rotate renames the files, and begins a new one.
func (l *Log) rotate() error {
	for i := keptFiles; i > 0; i-- {
		if err := os.Rename(l.path(i-1), l.path(i)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	f, err := openFile(l.path(0))
	if err != nil {
		return err
	}
	_ = l.f.Close() // every line was synced
	l.f, l.size = f, 0
	dir, err := os.Open(l.dir)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Path returns the path of the file.
func (l *Log) Path() string { return l.path(0) }

// Close closes the file and the sink.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sink.close()
	return l.f.Close()
}
