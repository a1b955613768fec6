// Package etcd runs stores on embedded etcd: data instances are etcd members, gateways are proxies
// that hold nothing. The engine's own words end here; the rest of the manager doesn't know them.
package etcd

import (
	"context"
	"io"

	"dkvrun/cmd/dkvmanager/internal/engine"
	"dkvrun/runtime/wire"
)

type etcd struct{}

// New returns the engine.
func New() engine.Engine { return etcd{} }

func (etcd) Name() string { return "etcd" }

func (etcd) Run(ctx context.Context, folder string, spec engine.Spec, report *engine.Report, log io.Writer) error {
	logger := newLogger(log)
	if spec.Role == wire.Gateway {
		return runGateway(ctx, spec, report, logger)
	}
	return runData(ctx, folder, spec, report, logger)
}
