package testcmd

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"dkvrun/cmd/dkvrun/internal/exit"
)

// failedTests is the list of tests that failed in the last run in this folder, for --rerun-failed. It is stored in the
// user's cache, in one file per folder.
type failedTests struct{ path string }

// lastFailedTests returns the list of the working folder. Its path is empty if the user has no cache folder.
func lastFailedTests(getenv func(string) string) failedTests {
	cache := getenv("XDG_CACHE_HOME")
	if home := getenv("HOME"); cache == "" && home != "" {
		cache = filepath.Join(home, ".cache")
	}
	folder, err := os.Getwd()
	if !filepath.IsAbs(cache) || err != nil {
		return failedTests{}
	}
	h := fnv.New64a()
	h.Write([]byte(folder))
	return failedTests{filepath.Join(cache, "dkvrun", fmt.Sprintf("failed-%016x", h.Sum64()))}
}

// read returns the IDs of the tests, and those of their files that still exist.
func (f failedTests) read() (files []string, only map[string]bool, err error) {
	text, err := os.ReadFile(f.path)
	if f.path == "" || errors.Is(err, fs.ErrNotExist) {
		return nil, nil, exit.Misuse("run once without it", "test: --rerun-failed: there is no record of a run in this folder")
	}
	if err != nil {
		return nil, nil, err
	}
	if len(text) == 0 {
		return nil, nil, exit.Misuse("", "test: --rerun-failed: no test failed in the last run in this folder")
	}
	only = map[string]bool{}
	for line := range strings.Lines(string(text)) {
		id, err := strconv.Unquote(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return nil, nil, exit.Misuse("run once without it", "test: --rerun-failed: %s is damaged", f.path)
		}
		only[id] = true
		file, _, _ := strings.Cut(id, "\t")
		if _, err := os.Stat(file); err == nil && !slices.Contains(files, file) {
			files = append(files, file)
		}
	}
	return files, only, nil
}

func (f failedTests) write(ids []string) error {
	if f.path == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
		return err
	}
	var text strings.Builder
	for _, id := range ids {
		text.WriteString(strconv.Quote(id) + "\n")
	}
	return os.WriteFile(f.path, []byte(text.String()), 0o600)
}
