package testcmd

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"strings"
	"time"

	"dkvrun/cmd/dkvrun/internal/exit"
	"dkvrun/cmd/dkvrun/internal/process"
)

// watchInterval is the time between two scans of --watch for changes.
const watchInterval = 300 * time.Millisecond

// watchTests runs the suites, and again whenever a Lua file in their paths changes, until it is interrupted. Only in
// the first round misuse is fatal: later, files may be missing for a moment while an editor replaces them.
func watchTests(ctx context.Context, p *process.Process, o *testOptions) error {
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for first := true; ; first = false {
		before := luaFiles(o.paths)
		err := testOnce(ctx, p, o)
		if status := exit.Status(err); status == exit.Interrupted || first && status == exit.Usage {
			return err
		}
		exit.Report(p.Stderr, err, false)
		fmt.Fprintln(p.Stderr, "dkvrun: test: waiting for a change; Ctrl-C ends")
		for maps.Equal(before, luaFiles(o.paths)) {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return errInterrupted
			}
		}
	}
}

// luaFiles returns the Lua files in the paths with the time of their last change. It skips files that can't be read,
// which may be about to be replaced.
func luaFiles(paths []string) map[string]time.Time {
	if len(paths) == 0 {
		paths = []string{"."}
	}
	changed := map[string]time.Time{}
	for _, path := range paths {
		filepath.WalkDir(path, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".lua") {
				return nil
			}
			if info, err := entry.Info(); err == nil {
				changed[path] = info.ModTime()
			}
			return nil
		})
	}
	return changed
}
