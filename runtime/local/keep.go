package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"dkvrun/runtime/durable"
)

const (
	clusterFile   = "cluster.json"
	lockFile      = "lock"
	clusterFormat = 1
	// securedFormat is that of secured clusters, which older programs can't start.
	securedFormat = 2
)

// keptCluster is the content of the cluster's file in a kept folder. Hosts are part of every store's topology, so
// another run must use the same addresses.
type keptCluster struct {
	Format    int      `json:"format"`
	Endpoints []string `json:"endpoints"`
	// Secured is the state of a secured cluster: making until all its managers have answered, then made. It is empty for
	// a cluster that is not secured.
	Secured string `json:"secured,omitempty"`
}

// The states of a secured cluster.
const (
	making = "making"
	made   = "made"
)

// reopen locks the kept folder and the addresses recorded in it, or new ones the first time.
func (c *Cluster) reopen(ctx context.Context, o Options) (err error) {
	if c.root, err = filepath.Abs(o.Keep); err != nil {
		return err
	}
	if err = os.MkdirAll(c.root, 0o700); err != nil {
		return fmt.Errorf("can't keep the cluster there: %w", err)
	}
	remembered, err := readClusterFile(c.root)
	if err != nil {
		return err
	}
	if remembered == nil {
		if err := checkEmpty(c.root); err != nil {
			return err
		}
	} else if err := remembered.fits(c.root, o); err != nil {
		return err
	}
	if c.folder, err = lockFolder(c.root); err != nil {
		return err
	}
	if remembered != nil {
		c.endpoints, c.made = remembered.Endpoints, remembered.Secured == made
		return c.retake(ctx)
	}
	if c.endpoints, c.block, err = freeBlock(o.Servers); err != nil {
		return err
	}
	state := ""
	if c.secured {
		state = making
	}
	return c.record(state)
}

// record writes the cluster's file.
func (c *Cluster) record(secured string) error {
	format := clusterFormat
	if secured != "" {
		format = securedFormat
	}
	return writeClusterFile(c.root, keptCluster{format, c.endpoints, secured})
}

// fits refuses options that differ from the kept cluster's.
func (k *keptCluster) fits(folder string, o Options) error {
	n, secured := len(k.Endpoints), k.Secured != ""
	switch {
	case n != o.Servers:
		return fmt.Errorf("%s keeps a cluster of %d servers, not %d: use --local=%d, or another folder", folder, n, o.Servers, n)
	case secured && !o.Secured:
		return fmt.Errorf("%s keeps a secured cluster: add --secured, or use another folder", folder)
	case !secured && o.Secured:
		return fmt.Errorf("%s keeps a cluster that is not secured: leave --secured out, or use another folder", folder)
	}
	return nil
}

// retake locks the recorded addresses. This run has locked the folder, so the addresses may still be held by instances
// of a killed run that are about to end.
func (c *Cluster) retake(ctx context.Context) error {
	var err error
	late := until(ctx, remainsTime, func() bool {
		c.block, err = takeBlock(c.endpoints)
		return !errors.Is(err, syscall.EADDRINUSE)
	})
	switch {
	case errors.Is(late, errLate):
		return fmt.Errorf("the cluster kept in %s needs %s, which another run or program uses: end it first (%w)", c.root, span(c.endpoints), err)
	case late != nil:
		return late
	}
	return err
}

// readClusterFile returns the content of the cluster's file, or nil if the folder has none yet.
func readClusterFile(folder string) (*keptCluster, error) {
	path := filepath.Join(folder, clusterFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	k := &keptCluster{}
	if err := json.Unmarshal(b, k); err != nil {
		return nil, fmt.Errorf("%s is damaged: %w", path, err)
	}
	if k.Format != clusterFormat && k.Format != securedFormat {
		return nil, fmt.Errorf("%s has format %d: this dkvrun knows formats up to %d", path, k.Format, securedFormat)
	}
	if (k.Format == securedFormat) != (k.Secured == making || k.Secured == made) {
		return nil, fmt.Errorf("%s is damaged: secured is %.20q in format %d", path, k.Secured, k.Format)
	}
	if len(k.Endpoints) == 0 {
		return nil, fmt.Errorf("%s is damaged: it names no endpoint", path)
	}
	for _, endpoint := range k.Endpoints {
		host, _, err := net.SplitHostPort(endpoint)
		if ip := net.ParseIP(host); err != nil || !ip.IsLoopback() {
			return nil, fmt.Errorf("%s is damaged: %q is not an address and port of this machine alone", path, endpoint)
		}
	}
	return k, nil
}

// writeClusterFile replaces the file durably: after a crash it is complete or does not exist.
func writeClusterFile(folder string, k keptCluster) error {
	b, err := json.MarshalIndent(k, "", "  ")
	if err != nil {
		return err
	}
	return durable.Replace(filepath.Join(folder, clusterFile), append(b, '\n'), durable.Options{Mode: 0o600})
}

// checkEmpty refuses a folder with other data, which the cluster might overwrite.
func checkEmpty(folder string) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() != lockFile && e.Name() != clusterFile+durable.TempSuffix && e.Name() != clusterFile+".new" {
			return fmt.Errorf("%s holds %s but no %s: give a new or empty folder", folder, e.Name(), clusterFile)
		}
	}
	return nil
}

// lockFolder locks the folder against a second run. Managers don't inherit the lock.
func lockFolder(folder string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(folder, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("another run uses the cluster kept in %s: wait until it ends, or use another folder", folder)
	}
	return f, nil
}
