package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"

	"dkvrun/cmd/dkvmanager/internal/catalog"
)

// runRestoreCatalog makes a copy of the catalog the catalog again.
func runRestoreCatalog(args []string, stdout, stderr io.Writer) int {
	set := newFlagSet("restore-catalog")
	dataDir := set.String("data-dir", "", "")
	files, err := parseMixed(set, args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
		return exitOK
	case err == nil && len(files) != 1:
		err = fmt.Errorf("want one FILE, a copy of catalog.json, got %d", len(files))
	case err == nil && *dataDir == "":
		err = errors.New("--data-dir DIR is missing: name the folder that the manager of this server is started with")
	}
	if err != nil {
		return fail(stderr, exitUsage, fmt.Errorf("restore-catalog: %w (see dkvmanager --help)", err))
	}
	dir, err := filepath.Abs(*dataDir)
	if err != nil {
		return fail(stderr, exitError, err)
	}
	done, err := catalog.Restore(dir, files[0], adoptRunning(dir))
	if err != nil {
		return fail(stderr, exitError, fmt.Errorf("restore-catalog: %w; nothing was changed", err))
	}
	fmt.Fprintf(stdout, "restored generation %d with %d stores from %s\n", done.Generation, done.Stores, files[0])
	if done.Kept != "" {
		fmt.Fprintf(stdout, "the catalog that was there is kept as %s\n", done.Kept)
	}
	fmt.Fprintln(stdout, "all stores are suspect: start the manager, then run store_status and repair_store for each of them")
	return exitOK
}
