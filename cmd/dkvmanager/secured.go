package main

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"

	"dkvrun/cmd/dkvmanager/internal/audit"
	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/cmd/dkvmanager/internal/engine"
	"dkvrun/cmd/dkvmanager/internal/security"
	"dkvrun/runtime/wire"
)

// runMember does what a secured manager does beside serving, until ctx is done: it takes commands, pulls the access log
// and renews its certificate.
func runMember(ctx context.Context, m *security.Member, cat *catalog.Catalog, o *options, changes *audit.Log,
	heard *audit.Memory, log *slog.Logger) error {
	commands, err := listenControl(cat.Dir())
	if err != nil {
		return err
	}
	pulls := newPuller(m, o.host.Bind, o.url(), func() []wire.Manager { return managersOf(cat.Snapshot()) }, heard, log)
	go (&controller{member: m, pulls: pulls, changes: changes, log: log, stores: cat.Snapshot}).serve(ctx, commands)
	go pulls.run(ctx)
	go keepCertificate(ctx, m, log)
	if o.source != nil {
		go o.source.Follow(ctx, func(err error) {
			if err != nil {
				log.Error("the changed files can't be used, and what they said before stays in use", "why", err)
				return
			}
			log.Info("the files of --tls-cert, --tls-key, --tls-ca and --tls-identities were read again")
		})
	}
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

// checkInstances refuses to secure a manager that has started instances, unless it takes plain connections as well at
// first: until their store is switched, the other instances of their stores know their ports as plain ones.
func (o *options) checkInstances(dataDir string) error {
	specs, err := filepath.Glob(filepath.Join(dataDir, instancesFolder, "*", "*", engine.SpecFile))
	if err != nil || len(specs) == 0 || o.tls == wire.TLSPrefer {
		return err
	}
	folder := filepath.Dir(specs[0])
	return fmt.Errorf("the manager of %s has started instance %s of store %s without TLS: add --tls=prefer, with which it takes plain "+
		"connections beside TLS, until scripts/secure_cluster.lua has switched its stores", dataDir, filepath.Base(folder),
		filepath.Base(filepath.Dir(folder)))
}
