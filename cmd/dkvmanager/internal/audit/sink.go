package audit

import (
	"errors"
	"fmt"
	"log/slog"
	"log/syslog"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/journal"
)

// Destination is where the lines of the log go beside its file, which alone has the chain and is on disk before a
// change is answered.
type Destination string

// The destinations.
const (
	FileOnly Destination = "file"
	Journald Destination = "journald" // the system's journal, over its own socket
	Syslog   Destination = "syslog"   // the system's log, over /dev/log
)

// ParseDestination refuses a text that is no destination.
func ParseDestination(text string) (Destination, error) {
	switch d := Destination(text); d {
	case FileOnly, Journald, Syslog:
		return d, nil
	}
	return "", fmt.Errorf("%.40q is no destination: want file, journald or syslog", text)
}

// maxQueue is the number of lines that wait for a destination; further ones are dropped.
const maxQueue = 1024

// identifier is the name under which the lines appear.
const identifier = "dkvmanager-audit"

// Sink brings lines to a destination in the background, so that one that is slow or missing delays no change. What it
// loses is in the file, and is counted in the manager's own log.
type Sink struct {
	name  Destination
	write func(line string) error
	log   *slog.Logger
	queue chan string
	done  chan struct{}
	// lost counts the lines since the destination took one last; only the goroutine run uses it, and noted.
	lost    int64
	noted   bool         // that is logged
	dropped atomic.Int64 // lines for which the queue had no room
}

// OpenSink opens a destination, or returns nil for FileOnly. One that is missing is logged, and tried again with each
// line.
func OpenSink(to Destination, log *slog.Logger) *Sink {
	switch to {
	case Journald:
		return startSink(to, log, journalMissing(), func(line string) error {
			return journal.Send(line, journal.PriNotice, map[string]string{"SYSLOG_IDENTIFIER": identifier})
		})
	case Syslog:
		write := syslogAt("", "")
		return startSink(to, log, write("the audit log begins"), write)
	}
	return nil
}

// syslogAt returns a function that writes lines to the system's log at an address of a network; both are empty for that
// of this machine. It connects at the first line, and again after an error.
func syslogAt(network, address string) func(line string) error {
	var w *syslog.Writer
	return func(line string) (err error) {
		if w == nil {
			if w, err = syslog.Dial(network, address, syslog.LOG_NOTICE|syslog.LOG_AUTHPRIV, identifier); err != nil {
				return err
			}
		}
		return w.Notice(line) // which connects again once
	}
}

func journalMissing() error {
	if journal.Enabled() {
		return nil
	}
	return errors.New("there is no journal on this machine")
}

func startSink(to Destination, log *slog.Logger, missing error, write func(string) error) *Sink {
	s := &Sink{name: to, write: write, log: log, queue: make(chan string, maxQueue), done: make(chan struct{})}
	if missing != nil {
		s.note(missing)
		s.noted = true
	}
	go s.run()
	return s
}

// run writes the lines until the sink is closed.
func (s *Sink) run() {
	defer close(s.done)
	for line := range s.queue {
		err := s.write(line)
		if err != nil {
			if !s.noted {
				s.note(err)
				s.noted = true
			}
			s.lost++
			continue
		}
		if s.lost += s.dropped.Swap(0); s.lost > 0 {
			s.log.Info("the audit log is written there again", "destination", s.name, "lines that are in the file alone", s.lost)
		}
		s.lost, s.noted = 0, false
	}
}

// note logs that lines don't reach the destination.
func (s *Sink) note(err error) {
	s.log.Warn("lines of the audit log go to its file alone", "destination", s.name, "why", err)
}

// add passes a line on.
func (s *Sink) add(line string) {
	if s == nil {
		return
	}
	select {
	case s.queue <- line:
	default: // the file has the line
		s.dropped.Add(1)
	}
}

// closeLimit bounds the time in which the last lines reach a destination.
const closeLimit = time.Second

// close waits until the lines are written, or closeLimit has passed.
func (s *Sink) close() {
	if s == nil {
		return
	}
	close(s.queue)
	select {
	case <-s.done:
	case <-time.After(closeLimit):
	}
}
