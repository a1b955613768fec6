package supervisor

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"dkvrun/cmd/dkvmanager/internal/engine"
)

const (
	// maxLog is the size in bytes from which the next start begins a new log; one old log is kept.
	maxLog = 10 << 20
	// maxTail is the largest number of bytes that Log returns.
	maxTail = 1 << 20
	// maxLine is the largest number of bytes of a log line that an error shows.
	maxLine = 400
)

// openLog opens a folder's log for appending. A large log is renamed first.
func openLog(folder string) (*os.File, error) {
	path := filepath.Join(folder, engine.LogFile)
	if info, err := os.Stat(path); err == nil && info.Size() > maxLog {
		if err := os.Rename(path, path+".1"); err != nil {
			return nil, err
		}
	}
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
}

// tail returns the last lines of a folder's log.
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

// crashTail is the number of log lines in which a crash's message is searched: the stack traces follow it.
const crashTail = 500

// exitReason returns an error that says how a process ended, with the last message of its log.
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

// lastMessage returns the last line of a log, or the message of a panic if the log ends with its stack traces. It
// returns "" if the last entry is no warning or error.
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
	// The panic line has only the message; the log entry above it has the error, too.
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

// logEntry splits an entry of an instance's log: time, level, message and fields, separated by tabs.
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
