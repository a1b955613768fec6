// Package process runs an engine as one instance process, alone in its folder.
//
// It holds the folder's lock while it lives, serves the instance's state over a unix socket in the folder, and bounds
// the duration of every stop.
package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"syscall"
	"time"

	"dkvrun/cmd/dkvmanager/internal/engine"
	"dkvrun/runtime/netfault"
)

// Limits of a stop, after which the process kills itself.
const (
	stopLimit   = 10 * time.Second
	orphanLimit = 4 * time.Second // the runner, which is gone, guarantees that no process is left after 10 s
)

// errLifeline is the cause of a stop when the process that holds the other end of the lifeline has ended.
var errLifeline = errors.New("the runner has ended")

// Run serves the spec in folder until ctx is done or lifeline is at its end of file, then stops gracefully. A stop that
// hangs ends in SIGKILL, 10 s after ctx was done or 4 s after the lifeline's end of file. lifeline is a parent-death
// pipe: the read end of a pipe whose write end only the runner holds, so that its end of file means that the runner has
// ended; nil for none. Run changes the working directory to folder. It returns nil after a graceful stop, and an error
// when another process holds the folder, the spec can't be read, or the engine failed.
//
// netFaults is the socket over which an instance of a throw-away cluster receives network faults; nil for none.
//
// Run writes the reason of its end to engine.EndFile, where LastEnd finds it.
func Run(
	ctx context.Context, eng engine.Engine, folder string, lifeline, netFaults *os.File, log io.Writer,
) (err error) {
	if err := os.Chdir(folder); err != nil {
		return fmt.Errorf("instance folder: %w", err)
	}
	lock, err := acquire(folder)
	if err != nil {
		return err
	}
	defer lock.Close()
	end, err := openEnding()
	if err != nil {
		return fmt.Errorf("instance folder %s: %w", folder, err)
	}
	defer func() {
		reason := "stopped"
		if err != nil {
			reason = err.Error()
		} else if cause := context.Cause(ctx); cause != nil {
			reason = "stopped: " + cause.Error()
		}
		err = errors.Join(err, end.because(reason, err == nil), end.close())
	}()
	spec, err := readSpec(folder)
	if err != nil {
		return err
	}

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go rotateLog(ctx, log)
	defer context.AfterFunc(ctx, func() { killAfter(stopLimit, end, log) })()
	if lifeline != nil {
		go func() {
			_, _ = io.Copy(io.Discard, lifeline)
			killAfter(orphanLimit, end, log)
			cancel(errLifeline)
		}()
	}

	report := new(engine.Report)
	report.OnEnd(func(reason string) {
		if err := end.because(reason, false); err != nil {
			fmt.Fprintln(log, "the reason of the end can't be written:", err)
		}
	})
	report.Set(engine.Condition{Reason: "the instance is starting"})
	if netFaults != nil {
		if err := netfault.Follow(netFaults, spec.Bind, func(v netfault.View) { report.Sever(severed(v)) }); err != nil {
			return err
		}
	}
	stop, err := serve(spec, report, log)
	if err != nil {
		return err
	}
	defer stop()
	return eng.Run(ctx, ".", spec, report, log)
}

// severed returns a function that reports whether the host with an address is cut off.
func severed(v netfault.View) func(host string) bool {
	return func(host string) bool {
		address, err := netip.ParseAddr(host)
		return err == nil && v.Blocked(address)
	}
}

func readSpec(folder string) (engine.Spec, error) {
	var spec engine.Spec
	data, err := os.ReadFile(engine.SpecFile)
	if err != nil {
		return spec, fmt.Errorf("instance folder %s: %w", folder, err)
	}
	if err := json.Unmarshal(data, &spec); err != nil {
		return spec, fmt.Errorf("%s in %s: %w", engine.SpecFile, folder, err)
	}
	return spec, nil
}

func killAfter(limit time.Duration, end *ending, log io.Writer) {
	time.AfterFunc(limit, func() {
		reason := fmt.Sprintf("the stop has taken %v: the process killed itself", limit)
		fmt.Fprintln(log, errors.Join(errors.New(reason), end.because(reason, true)))
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	})
}
