package main

import (
	"context"
	"log/slog"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/cmd/dkvmanager/internal/security"
	"dkvrun/runtime/wire"
)

// runMember does what a secured manager does beside serving, until ctx is done: it takes commands, pulls the access log
// and renews its certificate.
func runMember(ctx context.Context, m *security.Member, cat *catalog.Catalog, o *options, log *slog.Logger) error {
	commands, err := listenControl(cat.Dir())
	if err != nil {
		return err
	}
	go serveControl(ctx, commands, m, log)
	go newPuller(m, o.host.Bind, o.url(), func() []wire.Manager { return managersOf(cat.Snapshot()) }, log).run(ctx)
	go keepCertificate(ctx, m, log)
	return nil
}

// managersOf returns the managers that the stores of a catalog name.
func managersOf(d *catalog.Data) []wire.Manager {
	var out []wire.Manager
	for _, s := range d.Stores {
		out = append(out, s.Managers...)
	}
	return out
}
