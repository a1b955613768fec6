package supervisor

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"dkvrun/cmd/dkvmanager/internal/engine"
)

// maxTail is the largest number of bytes that Log returns.
const maxTail = 1 << 20

// tail returns the last lines of a folder's log, and of the log before if it has not as many.
func tail(folder string, lines int) ([]byte, error) {
	text, whole, err := tailOf(filepath.Join(folder, engine.LogFile), lines, maxTail)
	if err != nil {
		return nil, err
	}
	missing := lines - bytes.Count(text, []byte("\n"))
	if missing <= 0 || !whole {
		return text, nil
	}
	older, _, err := tailOf(filepath.Join(folder, engine.OldLogFile), missing, maxTail-len(text))
	if err != nil {
		return nil, err
	}
	return append(older, text...), nil
}

// tailOf returns the last lines of a file, in at most limit bytes; nothing if there is no file. It reports whether the
// whole file fits into the limit.
func tailOf(path string, lines, limit int) (last []byte, whole bool, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, true, nil
	}
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, false, err
	}
	from := max(0, info.Size()-int64(limit))
	text, err := io.ReadAll(io.NewSectionReader(f, from, info.Size()-from))
	if err != nil {
		return nil, false, err
	}
	if from > 0 {
		text = text[bytes.IndexByte(text, '\n')+1:]
	}
	end := len(bytes.TrimSuffix(text, []byte("\n")))
	for ; lines > 0 && end >= 0; lines-- {
		end = bytes.LastIndexByte(text[:end], '\n')
	}
	return text[end+1:], from == 0, nil
}
