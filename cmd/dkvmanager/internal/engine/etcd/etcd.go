// Package etcd runs stores on embedded etcd: data instances are etcd members, gateways are proxies without data. Only
// this package uses etcd's types and terms.
package etcd

import (
	"context"
	"io"

	"go.uber.org/zap"

	"dkvrun/cmd/dkvmanager/internal/engine"
	"dkvrun/runtime/wire"
)

type etcd struct{}

// New returns the etcd engine.
func New() engine.Engine { return etcd{} }

func (etcd) Name() string { return "etcd" }

func (etcd) Run(ctx context.Context, folder string, spec engine.Spec, report *engine.Report, log io.Writer) error {
	logger := newLogger(log)
	run := runData
	if spec.Role == wire.Gateway {
		run = runGateway
	}
	logger.Info("starting", zap.String("instance", spec.Instance), zap.String("role", string(spec.Role)), zap.String("start", string(spec.Start)))
	if err := run(ctx, folder, spec, report, logger); err != nil {
		return err
	}
	logger.Info("stopped")
	return nil
}
