package audit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"dkvrun/runtime/wire"
)

// Report says what the files of an audit log have.
type Report struct {
	Files int
	Lines int64
	// First is the number of the oldest line that is kept; 0 if there is none.
	First int64
	// Last is the last line.
	Last wire.AuditHead
	// Problems say, a sentence each, where the log is not as it was written.
	Problems []string
	// Notes say what else there is to know: lines that could not be written, for example.
	Notes []string
}

// Visit is called with each line of a log, the oldest first: its content, and its text.
type Visit func(line Line, text []byte)

// Read reads the log in a data folder, whose manager may run meanwhile, and checks that each line follows the one
// before. It calls visit, which may be nil, with each line that can be read. The error says why a file can't be read.
func Read(dir string, visit Visit) (Report, error) {
	var r Report
	l := Log{dir: dir}
	begun := false
	for i := keptFiles; i >= 0; i-- {
		f, err := os.Open(l.path(i))
		if errors.Is(err, fs.ErrNotExist) {
			if begun && i > 0 {
				r.problem("the file %s is missing", l.path(i))
			}
			continue
		}
		if err != nil {
			return r, err
		}
		begun = true
		r.Files++
		err = r.readFile(f, visit)
		if err = errors.Join(err, f.Close()); err != nil {
			return r, err
		}
	}
	if damaged := l.path(0) + damagedSuffix; exists(damaged) {
		r.problem("the last line of an earlier file could not be read, and the log began anew: the file is %s", damaged)
	}
	if !begun {
		return r, fmt.Errorf("%s: %w", l.path(0), fs.ErrNotExist)
	}
	if r.First > 1 {
		r.Notes = append(r.Notes, fmt.Sprintf("lines 1 to %d are in files that were deleted, since %d older ones are kept", r.First-1, keptFiles))
	}
	return r, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func (r *Report) problem(format string, args ...any) {
	r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
}

// readFile reads one file.
func (r *Report) readFile(f *os.File, visit Visit) error {
	name := filepath.Base(f.Name())
	lines := bufio.NewReaderSize(f, maxLine)
	for n := 1; ; n++ {
		text, err := lines.ReadSlice('\n')
		switch {
		case errors.Is(err, io.EOF) && len(text) == 0:
			return nil
		case errors.Is(err, io.EOF):
			r.Notes = append(r.Notes, fmt.Sprintf("%s ends within a line, which is being written or was when the manager ended", name))
			return nil
		case errors.Is(err, bufio.ErrBufferFull):
			r.problem("line %d of %s is longer than any line of the log", n, name)
			return nil
		case err != nil:
			return err
		}
		var line Line
		if json.Unmarshal(text, &line) != nil || line.Number < 1 {
			r.problem("line %d of %s can't be read", n, name)
			continue
		}
		r.follow(line)
		r.Lines++
		r.Last = wire.AuditHead{Number: line.Number, Hash: Hash(text)}
		if visit != nil {
			visit(line, bytes.TrimSuffix(text, []byte("\n")))
		}
	}
}

// follow checks that a line follows the last one.
func (r *Report) follow(line Line) {
	if r.Lines == 0 {
		r.First = line.Number
		if line.Number == 1 && line.Previous != "" || line.Number-line.Missing > 1 && line.Previous == "" {
			r.problem("line %d is the first, and says otherwise", line.Number)
		}
		return
	}
	switch want := r.Last.Number + line.Missing + 1; {
	case line.Number > want:
		r.problem("lines %d to %d were removed", r.Last.Number+1, line.Number-line.Missing-1)
	case line.Number < want:
		r.problem("line %d comes after line %d: the log was written anew, or lines were put in", line.Number, r.Last.Number)
	case line.Previous != r.Last.Hash:
		r.problem("line %d does not follow line %d: one of them was changed", line.Number, r.Last.Number)
	case line.Missing > 0:
		r.Notes = append(r.Notes, fmt.Sprintf("lines %d to %d could not be written, and their changes were made", r.Last.Number+1, line.Number-1))
	}
}
