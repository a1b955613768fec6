package audit

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Each line goes to the system's log as well, with its number and hash, also one that the file can't take.
func TestSink_Syslog(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "log")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var said bytes.Buffer
	write := syslogAt("unixgram", socket)
	log, err := Open(t.TempDir(), startSink(Syslog, slog.New(slog.NewTextHandler(&said, nil)), nil, write))
	if err != nil {
		t.Fatal(err)
	}
	add(t, log, "CreateStore")
	good := log.f
	if log.f, err = openReadOnly(log.Path()); err != nil {
		t.Fatal(err)
	}
	if err := log.Append(Line{Action: "Commit", Outcome: "ok"}); err == nil {
		t.Error("a line was written to a file that can't be written")
	}
	_ = log.f.Close()
	log.f = good
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"number":1,`, `"number":2,`} {
		line := make([]byte, maxLine)
		n, err := l.Read(line)
		if got := string(line[:n]); err != nil || !strings.Contains(got, identifier) || !strings.Contains(got, want) {
			t.Errorf("the system's log has %q, %v, want %s", got, err, want)
		}
	}
	if said.Len() > 0 {
		t.Errorf("the manager's log says %s", &said)
	}
}

// A destination that is missing is said once, delays nothing and loses nothing of the file; it is used when it is
// there.
func TestSink_Missing(t *testing.T) {
	t.Parallel()
	var said bytes.Buffer
	missing := errors.New("no such socket")
	lines := 0
	s := startSink(Journald, slog.New(slog.NewTextHandler(&said, nil)), missing, func(string) error {
		if lines++; lines <= 3 {
			return missing
		}
		return nil
	})
	dir := t.TempDir()
	log, err := Open(dir, s)
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		add(t, log, "CreateStore")
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	report, err := Read(dir, nil)
	if err != nil || report.Lines != 5 || len(report.Problems) > 0 {
		t.Errorf("the file: %+v, %v", report, err)
	}
	if got := said.String(); strings.Count(got, "go to its file alone") != 1 || !strings.Contains(got, `"lines that are in the file alone"=3`) {
		t.Errorf("the manager's log says %s", got)
	}
}

// A destination that hangs does not delay changes, nor the end of the manager.
func TestSink_Hangs(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	defer close(release)
	s := startSink(Journald, slog.New(slog.DiscardHandler), nil, func(string) error { <-release; return nil })
	log, err := Open(t.TempDir(), s)
	if err != nil {
		t.Fatal(err)
	}
	for range maxQueue + 10 {
		s.add("line")
	}
	add(t, log, "CreateStore")
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	if s.dropped.Load() < 9 {
		t.Errorf("%d lines were counted that had no room", s.dropped.Load())
	}
}

func TestSink_ParseDestination(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"file", "journald", "syslog"} {
		if d, err := ParseDestination(good); err != nil || string(d) != good {
			t.Errorf("%s: %q, %v", good, d, err)
		}
	}
	if _, err := ParseDestination("journal"); err == nil || !strings.Contains(err.Error(), "want file, journald or syslog") {
		t.Errorf("got %v", err)
	}
}
