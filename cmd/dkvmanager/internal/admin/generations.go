package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"time"

	"dkvrun/runtime/durable"
	"dkvrun/runtime/wire"
)

// generations remembers, over restarts, the highest generation of each other manager's catalog of which this manager
// has heard. A manager whose folder was replaced by an older copy can't notice that itself.
type generations struct {
	path string
	own  Catalog
	log  *slog.Logger
	mu   sync.Mutex
	// heard is by the identity of the manager.
	heard map[string]uint64
	// changed means that heard has something that is not on disk.
	changed bool
	// behind holds the managers of which it was logged that they are behind.
	behind map[string]bool
}

const (
	// generationsFile is the file in the data folder.
	generationsFile = "heard.json"
	// maxGenerations bounds the managers that are remembered.
	maxGenerations = 4096
	// saveGenerations is how often they are written if one has changed. What a crash loses of them, the next answers
	// bring again.
	saveGenerations = 5 * time.Second
)

// openGenerations reads the file. One that is damaged is not used: it only makes other managers notice less.
func openGenerations(dir string, own Catalog, log *slog.Logger) *generations {
	g := &generations{
		path: filepath.Join(dir, generationsFile), own: own, log: log, heard: map[string]uint64{}, behind: map[string]bool{},
	}
	text, err := os.ReadFile(g.path)
	if err == nil {
		err = json.Unmarshal(text, &g.heard)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		log.Warn("what was heard of other managers' catalogs can't be read and is collected anew", "why", err)
	}
	if err != nil || g.heard == nil {
		g.heard = map[string]uint64{}
	}
	return g
}

// of returns the highest generation of which this manager has heard from a manager, or 0.
func (g *generations) of(manager string) uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.heard[manager]
}

// note remembers the generation of a manager, and logs once if it is lower than before.
func (g *generations) note(manager string, generation uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	last, known := g.heard[manager]
	switch {
	case generation > wire.MaxGeneration, !known && len(g.heard) >= maxGenerations:
	case generation > last:
		g.heard[manager], g.changed = generation, true
		delete(g.behind, manager)
	case generation < last && !g.behind[manager]:
		g.behind[manager] = true
		g.log.Warn("the catalog of another manager is older than it was: a copy was put back there", "manager", manager,
			"generation", generation, "earlier", last)
	}
}

// run writes what has changed, until ctx is done.
func (g *generations) run(ctx context.Context) {
	ticker := time.NewTicker(saveGenerations)
	defer ticker.Stop()
	said := ""
	for done := false; !done; {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			done = true
		}
		now := ""
		if err := g.save(); err != nil {
			now = err.Error()
		}
		if now != "" && now != said {
			g.log.Warn("what was heard of other managers' catalogs can't be written", "why", now)
		}
		said = now
	}
}

// save writes what is not on disk.
func (g *generations) save() error {
	g.mu.Lock()
	heard, changed := maps.Clone(g.heard), g.changed
	g.changed = false
	g.mu.Unlock()
	if !changed {
		return nil
	}
	text, err := json.Marshal(heard)
	if err == nil {
		err = durable.Replace(g.path, append(text, '\n'), durable.Options{Mode: 0o600})
	}
	if err != nil {
		g.mu.Lock()
		g.changed = true
		g.mu.Unlock()
		return fmt.Errorf("%s: %w", generationsFile, err)
	}
	return nil
}

// hear takes from another manager's state which generation its catalog has, and of which one of this manager it has
// heard. A catalog that is behind it is suspect from then on.
func (g *generations) hear(there *wire.StoreState) {
	if there.Generation > 0 {
		g.note(there.Manager, there.Generation)
	}
	had := g.own.Generation()
	if there.Heard <= had {
		return
	}
	switch behind, err := g.own.FallBehind(there.Heard); {
	case err != nil:
		g.log.Error("another manager has heard of a later catalog of this manager, which can't be written", "manager", there.Manager,
			"why", err)
	case behind:
		g.log.Warn("another manager has heard of a later catalog of this manager: an older copy was put back here, so its stores and "+
			"all unknown names are suspect", "manager", there.Manager, "generation", had, "heard", there.Heard)
	}
}
