// Package local starts a cluster of managers on this machine, each on a loopback address of its own,
// for one run of the runner.
//
// Nothing outlives the run. Every manager and instance holds the read end of a pipe whose only write
// end is the runner's: when that closes, however the runner ended, they stop and delete their data.
package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"dkvrun/runtime/netfault"
)

// MaxServers is the most managers of one cluster.
const MaxServers = 32

// Options say what to start.
type Options struct {
	// Servers is how many managers, 1 to MaxServers.
	Servers int
	// Manager is the path of the dkvmanager program; see FindManager.
	Manager string
	// Keep is a folder that keeps the cluster's data and addresses for a next run; empty for a cluster
	// that is deleted at the end.
	Keep string
	// TempDir is where data that isn't kept goes.
	TempDir string
	// Died, where set, is called when a manager ends by itself, not by Kill, Restart or Close.
	Died func(error)
}

// Cluster is a set of running managers.
type Cluster struct {
	endpoints []string
	keep      string
	root      string
	folder    *os.File // lock on the kept folder; nil without Keep
	block     *os.File // lock on the addresses, which managers and instances hold too
	lifeline  *os.File // the pipe's write end
	reads     *os.File // its read end, for managers that are started later
	program   string
	died      func(error)
	close     func() error
	// switchboard is what all managers and instances hear of cuts over.
	switchboard *netfault.Switchboard

	mu       sync.Mutex // guards what follows
	managers []*manager
	paused   map[int]*paused
	cut      map[int]bool
}

// Start starts the managers and returns when each answers. On an error, and when ctx ends before,
// everything is taken down again.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	if o.Servers < 1 || o.Servers > MaxServers {
		return nil, fmt.Errorf("a local cluster of %d servers can't be: 1 to %d", o.Servers, MaxServers)
	}
	c := &Cluster{keep: o.Keep, died: o.Died, paused: map[int]*paused{}, cut: map[int]bool{}}
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
	if c.switchboard, err = netfault.New(); err != nil {
		return err
	}
	for i := range c.endpoints {
		m, err := c.spawn(i)
		if err != nil {
			return err
		}
		c.managers = append(c.managers, m)
	}
	return healthy(ctx, c.managers)
}

// spawn starts the manager of a server, counted from 0.
func (c *Cluster) spawn(i int) (*manager, error) {
	data := c.data(i)
	args := []string{"--listen", c.endpoints[i], "--data-dir", data, "--lifeline", "3", "--switchboard", "4"}
	if c.keep == "" {
		args = append(args, "--ephemeral")
	}
	return spawn(c.program, args, data, c.endpoints[i], []*os.File{c.reads, c.switchboard.Door(), c.block}, c.died)
}

// data is the folder of a server.
func (c *Cluster) data(i int) string { return filepath.Join(c.root, "server-"+strconv.Itoa(i+1)) }

// reserve finds the addresses and the folder.
func (c *Cluster) reserve(ctx context.Context, o Options) (err error) {
	if o.Keep != "" {
		return c.reopen(ctx, o)
	}
	if c.endpoints, c.block, err = freeBlock(o.Servers); err != nil {
		return err
	}
	if c.root, err = os.MkdirTemp(o.TempDir, "dkvrun-local-"); err != nil {
		return fmt.Errorf("the throw-away cluster has no place for its data (%w): set TMPDIR to a folder that can be written", err)
	}
	return nil
}

// Endpoints are the managers' host:port, in order.
func (c *Cluster) Endpoints() []string { return c.endpoints }

// Describe says in a line what was started and what becomes of it.
func (c *Cluster) Describe() string {
	managers := strconv.Itoa(len(c.endpoints)) + " managers"
	if len(c.endpoints) == 1 {
		managers = "1 manager"
	}
	if c.keep != "" {
		return fmt.Sprintf("cluster of %s on %s, kept in %s", managers, span(c.endpoints), c.keep)
	}
	return fmt.Sprintf("throw-away cluster: %s on %s, deleted at exit", managers, span(c.endpoints))
}

// span shortens 127.3.0.11:7801 … 127.3.0.13:7801 to 127.3.0.11–13, and ports alike.
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
	// exitTime is how long managers may take to stop their instances and go.
	exitTime = 10 * time.Second
	// remainsTime is how long instances may take that their manager could not stop.
	remainsTime = 12 * time.Second
)

// Close stops all managers and instances and, unless they are kept, deletes their data. It returns
// within about 20 seconds, normally much sooner, and with an error if something stayed behind. More
// calls give the same answer.
func (c *Cluster) Close() error { return c.close() }

func (c *Cluster) end() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, m := range c.managers {
		m.meant.Store(true)
	}
	for i := range c.paused { // who is stopped doesn't notice the end
		errs = append(errs, c.resume(i))
	}
	if c.keep == "" {
		errs = append(errs, c.killAll())
	}
	if c.lifeline != nil {
		c.lifeline.Close()
		c.reads.Close()
	}
	if c.switchboard != nil {
		errs = append(errs, c.switchboard.Close())
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

// released waits until no process holds the addresses any more: then all instances are gone too.
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

// until looks every 10 ms whether ok, until the limit (errLate) or the end of ctx.
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
