package supervisor

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"dkvrun/cmd/dkvmanager/internal/engine"
	"dkvrun/runtime/wire"
)

const (
	// maxLog is the size in bytes from which the next start begins a new log; one old one is kept.
	maxLog = 10 << 20
	// maxTail is the most bytes that Log reads.
	maxTail = 1 << 20
	// maxLine is the most bytes of a log's last line that are shown with an error.
	maxLine = 400
)

// Log returns the last lines of an own instance's log, whole lines and at most 1 MiB of them; nothing
// when it never ran. lines counts from 1. The error is a *wire.Result.
func (s *Supervisor) Log(store, instance string, lines int) ([]byte, error) {
	if _, _, err := s.find(store, instance); err != nil {
		return nil, err
	}
	text, err := tail(s.folder(place{store, instance}), lines)
	if err != nil {
		return nil, refusal(http.StatusInternalServerError, wire.CodeInternal, "the log of %s can't be read: %v", instance, err)
	}
	return text, nil
}

// openLog opens a folder's log for appending. A log that has grown large is set aside first.
func openLog(folder string) (*os.File, error) {
	path := filepath.Join(folder, engine.LogFile)
	if info, err := os.Stat(path); err == nil && info.Size() > maxLog {
		if err := os.Rename(path, path+".1"); err != nil {
			return nil, err
		}
	}
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
}

// tail reads the last lines of a folder's log, from its end.
func tail(folder string, lines int) ([]byte, error) {
	f, err := os.Open(filepath.Join(folder, engine.LogFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	from := max(0, info.Size()-maxTail)
	text, err := io.ReadAll(io.NewSectionReader(f, from, info.Size()-from))
	if err != nil {
		return nil, err
	}
	if from > 0 {
		text = text[bytes.IndexByte(text, '\n')+1:]
	}
	end := len(bytes.TrimSuffix(text, []byte("\n")))
	for ; lines > 0 && end >= 0; lines-- {
		end = bytes.LastIndexByte(text[:end], '\n')
	}
	return text[end+1:], nil
}

// crashTail is how many lines of a log are looked through for what a crash says of itself: the calls
// that were active stand below it.
const crashTail = 500

// exitReason says how a process ended, with what it last said of a reason.
func exitReason(exit, folder string) error {
	text, err := tail(folder, crashTail)
	line := lastMessage(string(text))
	if err != nil || line == "" || strings.HasPrefix(exit, "signal:") { // no process writes that it was killed
		return fmt.Errorf("the process ended: %s", exit)
	}
	if len(line) > maxLine {
		line = line[:maxLine] + "…"
	}
	return fmt.Errorf("the process ended: %s: %s", exit, line)
}

// lastMessage is the last line of a log, or the one that says why where that is the end of a crash's
// list of calls. It is empty where the last entry tells of nothing bad.
func lastMessage(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	last := len(lines) - 1
	if strings.HasPrefix(lines[last], "\t") {
		for i := last; i >= 0; i-- {
			if strings.HasPrefix(lines[i], "panic: ") || strings.HasPrefix(lines[i], "fatal error: ") {
				last = i
				break
			}
		}
	}
	// A panic's own line has the message alone; the entry above it has the error, too.
	if last > 0 && strings.HasPrefix(lines[last], "panic: ") {
		if level, message, ok := logEntry(lines[last-1]); ok && level == "PANIC" {
			return message
		}
	}
	level, message, ok := logEntry(lines[last])
	switch {
	case !ok:
		return strings.TrimSpace(lines[last])
	case level == "DEBUG" || level == "INFO":
		return ""
	}
	return message
}

// logEntry takes an entry of an instance's log apart: time, level, message and fields, with tabs between.
func logEntry(line string) (level, message string, ok bool) {
	parts := strings.SplitN(line, "\t", 4)
	if len(parts) < 3 {
		return "", "", false
	}
	var fields struct{ Error string }
	if len(parts) == 4 && json.Unmarshal([]byte(parts[3]), &fields) == nil && fields.Error != "" {
		return parts[1], parts[2] + ": " + fields.Error, true
	}
	return parts[1], parts[2], true
}
