package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"text/tabwriter"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/cmd/dkvmanager/internal/supervisor"
)

// straysFolder is the folder in the data folder that has what strays --end has moved away.
const straysFolder = "strays"

// runStrays lists the instances in the data folder that the catalog doesn't know, or ends one of them. It works whether
// the manager runs or not.
func runStrays(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	set := newFlagSet("strays")
	dataDir := set.String("data-dir", "", "")
	end := set.String("end", "", "")
	anyway := set.Bool("anyway", false, "")
	more, err := parseMixed(set, args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
		return exitOK
	case err == nil && len(more) > 0:
		err = fmt.Errorf("%q is too much: to end a stray, give --end STORE/INSTANCE", more[0])
	case err == nil && *dataDir == "":
		err = errors.New("--data-dir DIR is missing: name the folder that the manager of this server is started with")
	case err == nil && *anyway && *end == "":
		err = errors.New("--anyway needs --end STORE/INSTANCE")
	}
	if err != nil {
		return fail(stderr, exitUsage, fmt.Errorf("strays: %w (see dkvmanager --help)", err))
	}
	dir, err := filepath.Abs(*dataDir)
	if err != nil {
		return fail(stderr, exitError, err)
	}
	data, err := catalog.Read(dir)
	if err != nil {
		return fail(stderr, exitError, fmt.Errorf("strays: what the catalog knows can't be told: %w", err))
	}
	all, err := supervisor.Strays(filepath.Join(dir, instancesFolder), data)
	if err != nil {
		return fail(stderr, exitError, fmt.Errorf("strays: %w", err))
	}
	if *end != "" {
		return endStray(ctx, dir, *end, *anyway, data, all, stdout, stderr)
	}
	if len(all) == 0 {
		fmt.Fprintln(stdout, "the catalog knows all instances in", dir)
		return exitOK
	}
	if data.SuspectNames {
		fmt.Fprintln(stdout, "The catalog may have forgotten stores: it gets those back that other managers have.")
	}
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "Instance\tProcess\tEnd it with")
	for _, x := range all {
		pid := "none"
		if x.PID != 0 {
			pid = strconv.Itoa(x.PID)
		}
		fmt.Fprintf(table, "%s/%s\t%s\t%s\n", x.Store, x.Instance, pid, x.EndCommand(*dataDir))
	}
	if err := table.Flush(); err != nil {
		return fail(stderr, exitError, err)
	}
	return exitError
}

// endStray ends one of the strays.
func endStray(ctx context.Context, dir, name string, anyway bool, data *catalog.Data, all []supervisor.Stray,
	stdout, stderr io.Writer) int {
	for _, x := range all {
		if x.Store+"/"+x.Instance != name {
			continue
		}
		if data.SuspectNames && !anyway {
			return fail(stderr, exitError, fmt.Errorf("strays: the catalog may have forgotten store %s, which may need this instance: "+
				"look at the store with store_status first; if no manager knows it, add --anyway", x.Store))
		}
		kept, err := supervisor.EndStray(ctx, x, filepath.Join(dir, straysFolder))
		if err != nil {
			return fail(stderr, exitError, fmt.Errorf("strays: %w", err))
		}
		if x.PID != 0 {
			fmt.Fprintf(stdout, "process %d has ended\n", x.PID)
		}
		fmt.Fprintf(stdout, "the folder of %s is kept as %s: delete it when nobody needs its data\n", name, kept)
		return exitOK
	}
	return fail(stderr, exitError, fmt.Errorf("strays: the catalog knows %s, or there is no such folder: nothing was ended; "+
		"instances that the catalog knows are removed with remove_instance", name))
}
