// Package local starts a cluster of managers on this machine for one run, each on a different loopback address.
//
// Nothing outlives the run. Every manager and instance holds the read end of a pipe, and the runner its only write end:
// when that closes, however the runner ended, they stop and delete their data.
package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"dkvrun/runtime/netfault"
)

// MaxServers bounds the managers of one cluster.
const MaxServers = 32

// Options configure a cluster.
type Options struct {
	// Servers is the number of managers, 1 to MaxServers.
	Servers int
	// Secured makes the managers the members of a secured cluster; see Cluster.Credential.
	Secured bool
	// Manager is the path of the dkvmanager program; see FindManager.
	Manager string
	// Keep is the folder that keeps the cluster's data and addresses for another run; empty to delete the cluster at
	// the end.
	Keep string
	// TempDir is the folder for data that is not kept.
	TempDir string
	// Died, if not nil, is called when a manager ends by itself, not through Kill, Restart or Close.
	Died func(error)
}

// Cluster is a set of running managers.
type Cluster struct {
	endpoints []string
	secured   bool
	made      bool // the secured cluster was made by an earlier run, which kept it
	keep      string
	root      string
	folder    *os.File // lock on the kept folder; nil without Keep
	block     *os.File // lock on the addresses, held by managers and instances too
	lifeline  *os.File // the write end of the pipe
	reads     *os.File // the read end, for managers that are started later
	program   string
	died      func(error)
	close     func() error
	// controller tells all managers and instances which servers are isolated.
	controller *netfault.Controller

	mu       sync.Mutex // guards the fields below
	managers []*manager
	paused   map[int]*paused
	cut      map[int]bool
	issued   int // the number of credentials that Issue has made or tried to make
}

// Start starts the managers and returns when each answers. On an error, and when ctx ends first, it stops and deletes
// everything.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	if o.Servers < 1 || o.Servers > MaxServers {
		return nil, fmt.Errorf("a local cluster can't have %d servers: want 1 to %d", o.Servers, MaxServers)
	}
	c := &Cluster{secured: o.Secured, keep: o.Keep, died: o.Died, paused: map[int]*paused{}, cut: map[int]bool{}}
	c.close = sync.OnceValue(c.end)
	if err := c.start(ctx, o); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *Cluster) start(ctx context.Context, o Options) (err error) {
	if c.program, err = filepath.Abs(o.Manager); err != nil {
		return err
	}
	if err := c.reserve(ctx, o); err != nil {
		return err
	}
	if c.reads, c.lifeline, err = os.Pipe(); err != nil {
		return err
	}
	if c.controller, err = netfault.New(); err != nil {
		return err
	}
	if c.secured && !c.made {
		return c.secure(ctx)
	}
	for i := range c.endpoints {
		m, err := spawn(c.command(i), c.data(i), c.endpoints[i], c.died)
		if err != nil {
			return err
		}
		c.managers = append(c.managers, m)
	}
	return healthy(ctx, c.managers, c.security())
}

// command returns the command, with the words that it begins with, that runs the manager of a server. Servers are
// counted from 0. From descriptor 3 on the manager inherits the lifeline, the socket for network faults, and the lock
// on the addresses, which its instances inherit too.
func (c *Cluster) command(i int, words ...string) *exec.Cmd {
	cmd := exec.Command(c.program, words...)
	cmd.Args = append(cmd.Args, "--listen", c.endpoints[i], "--data-dir", c.data(i), "--lifeline", "3", "--switchboard", "4")
	if c.keep == "" {
		cmd.Args = append(cmd.Args, "--ephemeral")
	}
	cmd.ExtraFiles = []*os.File{c.reads, c.controller.File(), c.block}
	return cmd
}

// data returns the data folder of a server.
func (c *Cluster) data(i int) string { return filepath.Join(c.root, "server-"+strconv.Itoa(i+1)) }

// reserve locks addresses and creates the folder.
func (c *Cluster) reserve(ctx context.Context, o Options) (err error) {
	if o.Keep != "" {
		return c.reopen(ctx, o)
	}
	if c.endpoints, c.block, err = freeBlock(o.Servers); err != nil {
		return err
	}
	if c.root, err = os.MkdirTemp(o.TempDir, "dkvrun-local-"); err != nil {
		return fmt.Errorf("can't create a folder for the throw-away cluster (%w): set TMPDIR to a writable folder", err)
	}
	return nil
}

// Endpoints returns the managers' host:port, in order.
func (c *Cluster) Endpoints() []string { return c.endpoints }

// Describe returns a line for the user: the managers, and whether their data is kept.
func (c *Cluster) Describe() string {
	managers := strconv.Itoa(len(c.endpoints)) + " managers"
	if len(c.endpoints) == 1 {
		managers = "1 manager"
	}
	if c.secured {
		managers = strings.Replace(managers, " ", " secured ", 1)
	}
	if c.keep != "" {
		return fmt.Sprintf("cluster of %s on %s, kept in %s", managers, span(c.endpoints), c.keep)
	}
	return fmt.Sprintf("throw-away cluster: %s on %s, deleted at exit", managers, span(c.endpoints))
}

// span shortens 127.3.0.11:7801 … 127.3.0.13:7801 to 127.3.0.11–13, and ports in the same way.
func span(endpoints []string) string {
	first, port, _ := net.SplitHostPort(endpoints[0])
	last, lastPort, _ := net.SplitHostPort(endpoints[len(endpoints)-1])
	switch {
	case first != last:
		return first + "–" + last[strings.LastIndexByte(last, '.')+1:]
	case port != lastPort:
		return first + ":" + port + "–" + lastPort
	}
	return first
}

const (
	// exitTime is the time limit for managers to stop their instances and end.
	exitTime = 10 * time.Second
	// remainsTime is the time limit for instances that their manager could not stop.
	remainsTime = 12 * time.Second
)

// Close stops all managers and instances and deletes their data unless it is kept. It returns within about 20 seconds,
// normally much sooner, and with an error if anything is left. Further calls return the same error.
func (c *Cluster) Close() error { return c.close() }

func (c *Cluster) end() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, m := range c.managers {
		m.meant.Store(true)
	}
	for i := range c.paused { // a stopped process doesn't notice the end
		errs = append(errs, c.resume(i))
	}
	if c.keep == "" {
		errs = append(errs, c.killAll())
	}
	if c.lifeline != nil {
		c.lifeline.Close()
		c.reads.Close()
	}
	if c.controller != nil {
		errs = append(errs, c.controller.Close())
	}
	limit, cancel := context.WithTimeout(context.Background(), exitTime)
	defer cancel()
	for _, m := range c.managers {
		errs = append(errs, m.end(limit))
	}
	if c.block != nil {
		c.block.Close()
		if !c.released() {
			errs = append(errs, fmt.Errorf("instances on %s are still running after %s: look for 'dkvmanager instance' processes", span(c.endpoints), remainsTime))
		}
	}
	if c.keep == "" && c.root != "" {
		errs = append(errs, os.RemoveAll(c.root))
	}
	if c.folder != nil {
		c.folder.Close()
	}
	return errors.Join(errs...)
}

// released waits until no process holds the lock on the addresses: then all instances have ended too.
func (c *Cluster) released() bool {
	return until(context.Background(), remainsTime, func() bool {
		lock, err := lockBlock(c.endpoints[0])
		if err != nil {
			return false
		}
		lock.Close()
		return true
	}) == nil
}

var errLate = errors.New("the time is up")

// until polls ok every 10 ms. It returns errLate after the limit, and the cause of ctx when that ends.
func until(ctx context.Context, limit time.Duration, ok func() bool) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-timer.C:
			return errLate
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}
