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

// watchInterval is how often --watch looks for changes.
const watchInterval = 300 * time.Millisecond

// watchTests runs the suites, and again whenever a Lua file in their paths has changed, until it is
// interrupted. Once they have run, that there is nothing to run is a moment of somebody's editing.
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
				return errTestsEnded
			}
		}
	}
}

// luaFiles are the Lua files in the paths, with when they were changed last. What can't be read is left
// out: it may be on its way.
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
