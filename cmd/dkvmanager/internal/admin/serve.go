package admin

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/netutil"
	"golang.org/x/sys/unix"
)

// Limits of the listener. The time for a body is bounded where it is read (body.go).
const (
	maxHeader     = 16 << 10
	headerTimeout = 5 * time.Second
	answerTimeout = 2 * time.Minute
	idleTimeout   = time.Minute
	maxConns      = 1024
)

// connections returns the number of clients that are served at once: at most half of the files that this process may
// open, so that the catalog and the instances keep theirs.
func connections() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return maxConns
	}
	return int(max(1, min(maxConns, limit.Cur/2)))
}

// Serve serves requests on listener until ctx is done. Requests in flight then have grace to complete.
func (a *API) Serve(ctx context.Context, listener net.Listener, grace time.Duration) error {
	server := &http.Server{
		Handler:                      a,
		DisableGeneralOptionsHandler: true, // it would wait for a body without a limit
		MaxHeaderBytes:               maxHeader,
		ReadHeaderTimeout:            headerTimeout,
		WriteTimeout:                 answerTimeout,
		IdleTimeout:                  idleTimeout,
		ErrorLog:                     slog.NewLogLogger(a.Log.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(netutil.LimitListener(listener, connections())) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	if err := server.Shutdown(last); err != nil {
		_ = server.Close()
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
