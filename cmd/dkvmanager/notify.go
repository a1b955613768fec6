package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
)

// serviceManager tells systemd, or another service manager that follows sd_notify(3), the state of this manager.
// Without one it does nothing.
type serviceManager struct {
	watchdog time.Duration // how often it must hear from this manager; 0 if it need not
	log      *slog.Logger
}

// newServiceManager reads the environment. A watchdog's time that can't be read is logged.
func newServiceManager(log *slog.Logger) *serviceManager {
	watchdog, err := systemd.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn("the service manager's watchdog is not served", "error", err)
	}
	return &serviceManager{watchdog, log}
}

// environment returns the environment without what is meant for this process: instances outlive it, and report to
// nobody but their manager.
func environment() []string {
	var out []string
	for _, entry := range os.Environ() {
		switch name, _, _ := strings.Cut(entry, "="); name {
		case "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC":
		default:
			out = append(out, entry)
		}
	}
	return out
}

func (s *serviceManager) tell(state string) {
	if _, err := systemd.SdNotify(false, state); err != nil {
		s.log.Warn("the service manager can't be told the state", "state", state, "error", err)
	}
}

// run says that the manager serves, then that it is alive, and at the end that it is stopping. Count returns the number
// of instances of this server, for people to see; while it doesn't return, the manager hangs. A disk that hangs is no
// reason to restart the manager.
func (s *serviceManager) run(ctx context.Context, count func() int) {
	s.tell(fmt.Sprintf("%s\nSTATUS=%d instances", systemd.SdNotifyReady, count()))
	var tick <-chan time.Time
	if s.watchdog > 0 {
		ticker := time.NewTicker(s.watchdog / 3)
		defer ticker.Stop()
		tick = ticker.C
	}
	for {
		select {
		case <-ctx.Done():
			s.tell(systemd.SdNotifyStopping)
			return
		case <-tick:
			s.tell(fmt.Sprintf("%s\nSTATUS=%d instances", systemd.SdNotifyWatchdog, count()))
		}
	}
}
