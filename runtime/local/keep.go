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
)

// keptCluster is the content of the cluster's file in a kept folder. Hosts are part of every store's topology, so
// another run must use the same addresses.
type keptCluster struct {
	Format    int      `json:"format"`
	Endpoints []string `json:"endpoints"`
}

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
	} else if n := len(remembered.Endpoints); n != o.Servers {
		return fmt.Errorf("%s keeps a cluster of %d servers, not %d: use --local=%d, or another folder", c.root, n, o.Servers, n)
	}
	if c.folder, err = lockFolder(c.root); err != nil {
		return err
	}
	if remembered != nil {
		c.endpoints = remembered.Endpoints
		return c.retake(ctx)
	}
	if c.endpoints, c.block, err = freeBlock(o.Servers); err != nil {
		return err
	}
	return writeClusterFile(c.root, keptCluster{clusterFormat, c.endpoints})
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
	if k.Format != clusterFormat {
		return nil, fmt.Errorf("%s has format %d: this dkvrun knows format %d", path, k.Format, clusterFormat)
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
