package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	stdlog "log"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"dkvrun/cmd/dkvmanager/internal/engine"
	"dkvrun/runtime/wire"
)

// Routes of the socket.
const (
	statePath   = "/state"
	metricsPath = "/metrics"
	windowParam = "windowSec"
)

// serve serves the socket in the working directory until stop is called. Errors of clients are logged.
func serve(spec engine.Spec, report *engine.Report, log io.Writer) (stop func(), err error) {
	// This process holds the lock, so the process that bound the old socket has ended.
	if err := os.Remove(engine.SocketFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("old socket: %w", err)
	}
	listener, err := net.Listen("unix", engine.SocketFile)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	startedAt := time.Now()
	ctx, cancel := context.WithCancel(context.Background())
	history := newHistory(report, startedAt)
	go history.run(ctx)

	mux := http.NewServeMux()
	mux.HandleFunc("GET "+statePath, func(w http.ResponseWriter, _ *http.Request) {
		answer(w, state(spec, report, startedAt))
	})
	mux.HandleFunc("GET "+metricsPath, func(w http.ResponseWriter, r *http.Request) {
		window, err := parseWindow(r.FormValue(windowParam))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		answer(w, metrics(spec, history.rates(window, time.Now()), report.Gauges(r.Context())))
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ErrorLog: stdlog.New(log, "", stdlog.LstdFlags)}
	go func() { _ = server.Serve(listener) }()
	return func() {
		cancel()
		_ = server.Close()
	}, nil
}

func answer(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value) // the client may be gone
}

func state(spec engine.Spec, report *engine.Report, startedAt time.Time) engine.State {
	c := report.Condition()
	return engine.State{
		PID:          os.Getpid(),
		Store:        spec.Store,
		Instance:     spec.Instance,
		Operation:    spec.Operation,
		Role:         spec.Role,
		StartedAt:    startedAt,
		Ready:        c.Ready,
		Reason:       c.Reason,
		Leader:       c.Leader,
		Learner:      c.Learner,
		Bootstrapped: c.Bootstrapped,
		Cluster:      report.Cluster(),
		Build:        wire.Build(),
		Keys:         report.Keys(),
	}
}

// parseWindow parses seconds from 1 to 60.
func parseWindow(text string) (time.Duration, error) {
	sec, err := strconv.ParseFloat(text, 64)
	window := time.Duration(sec * float64(time.Second))
	if err != nil || window < minWindow || window > maxWindow {
		return 0, fmt.Errorf("%s: got %q, want a number from %v to %v", windowParam, text, minWindow.Seconds(), maxWindow.Seconds())
	}
	return window, nil
}
