package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"dkvrun/cmd/dkvmanager/internal/engine"
	"dkvrun/cmd/dkvmanager/internal/engine/etcd"
	"dkvrun/cmd/dkvmanager/internal/engine/process"
	"dkvrun/runtime/wire"
)

// stateTimeout bounds the wait for the state of the instance that etcdctl is to use.
const stateTimeout = 5 * time.Second

// runEtcdctl runs etcdctl on an instance of this server.
func runEtcdctl(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parseEtcdctl(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, usage)
		return exitOK
	}
	if err != nil {
		return fail(stderr, exitUsage, fmt.Errorf("etcdctl: %w (see dkvmanager --help)", err))
	}
	folder, err := o.folder(ctx)
	if err != nil {
		return fail(stderr, exitError, fmt.Errorf("etcdctl: %w", err))
	}
	if err := etcd.RunTool(folder, o.args); err != nil {
		return fail(stderr, exitError, fmt.Errorf("etcdctl: %w", err))
	}
	return exitOK
}

// etcdctlOptions is the checked command line of the command etcdctl.
type etcdctlOptions struct {
	dataDir, store, instance string
	args                     []string // of etcdctl
}

// parseEtcdctl parses the command line: flags and one STORE/INSTANCE in any order, then -- and etcdctl's arguments.
func parseEtcdctl(args []string) (o etcdctlOptions, err error) {
	end := slices.Index(args, "--")
	if end < 0 {
		end = len(args)
	} else {
		o.args = args[end+1:]
	}
	set := newFlagSet("dkvmanager etcdctl")
	set.StringVar(&o.dataDir, "data-dir", "", "")
	names, err := parseMixed(set, args[:end])
	if err != nil {
		return o, err
	}
	if len(names) != 1 {
		return o, fmt.Errorf("want one STORE/INSTANCE before --, got %d", len(names))
	}
	var isPair bool
	if o.store, o.instance, isPair = strings.Cut(names[0], "/"); !isPair {
		return o, fmt.Errorf("%q is not STORE/INSTANCE, for example OrdersStore/orders-1", names[0])
	}
	for _, name := range []string{o.store, o.instance} {
		if err := wire.CheckName(name); err != nil {
			return o, fmt.Errorf("STORE/INSTANCE: a name %w", err)
		}
	}
	if o.dataDir == "" {
		return o, errors.New("--data-dir DIR is missing: name the folder that the manager of this server was started with")
	}
	if len(o.args) == 0 {
		return o, errors.New("the arguments of etcdctl are missing after --, for example: -- endpoint status")
	}
	return o, nil
}

// folder returns the folder of the instance, which runs.
func (o etcdctlOptions) folder(ctx context.Context) (string, error) {
	instances := filepath.Join(o.dataDir, instancesFolder)
	folder := filepath.Join(instances, o.store, o.instance)
	switch _, err := os.ReadDir(folder); {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("there is no instance %s/%s in %s: %s", o.store, o.instance, o.dataDir, present(instances))
	case errors.Is(err, fs.ErrPermission):
		return "", fmt.Errorf("no permission for %s: run this as the user that the manager runs as", folder)
	case err != nil:
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, stateTimeout)
	defer cancel()
	switch state, err := process.Dial(folder).State(ctx); {
	case errors.Is(err, fs.ErrPermission):
		return "", fmt.Errorf("no permission for %s: run this as the user that the manager runs as", folder)
	case err != nil:
		return "", fmt.Errorf("%s/%s is not running: start_instance starts it", o.store, o.instance)
	case state.Role != wire.Data:
		return "", fmt.Errorf("%s/%s is a %s, which has no data: name a data instance of the store", o.store, o.instance, state.Role)
	case !state.Bootstrapped:
		return "", fmt.Errorf("%s/%s does not serve yet: %s", o.store, o.instance, state.Reason)
	}
	return folder, nil
}

// present describes the instances in the instances' folder.
func present(instances string) string {
	specs, _ := filepath.Glob(filepath.Join(instances, "*", "*", engine.SpecFile)) // the pattern is well-formed
	if len(specs) == 0 {
		return "there is none at all"
	}
	var names []string
	for _, spec := range specs {
		folder := filepath.Dir(spec)
		names = append(names, filepath.Base(filepath.Dir(folder))+"/"+filepath.Base(folder))
	}
	const shown = 10
	if more := len(names) - shown; more > 0 {
		names = append(names[:shown], fmt.Sprintf("and %d more", more))
	}
	return "there are " + strings.Join(names, ", ")
}
