package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/google/uuid"

	"dkvrun/cmd/dkvmanager/internal/admin"
	"dkvrun/cmd/dkvmanager/internal/audit"
	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/cmd/dkvmanager/internal/engine/etcd"
	"dkvrun/cmd/dkvmanager/internal/external"
	"dkvrun/cmd/dkvmanager/internal/hostid"
	"dkvrun/cmd/dkvmanager/internal/security"
	"dkvrun/cmd/dkvmanager/internal/supervisor"
	"dkvrun/runtime/netfault"
	"dkvrun/runtime/wire"
)

const (
	// graceDaemon bounds the time for requests in flight when the manager ends: the stop of an instance takes up to 10
	// s.
	graceDaemon = 15 * time.Second
	// graceThrowAway and stopThrowAway bound the end of a throw-away manager: its runner guarantees that no process is
	// left after 10 s.
	graceThrowAway = time.Second
	stopThrowAway  = 5 * time.Second
)

// openPorts is the warning of a manager that other machines can reach.
const openPorts = "there is no encryption and no authentication (--insecure): whoever reaches the admin API can change and remove " +
	"every store; whoever reaches a client port can read and write its store; whoever reaches a cluster port can take part in " +
	"its store, and so read, change and damage it"

// openPlain is the warning of a secured manager that takes plain connections as well.
const openPlain = "plain connections are taken beside TLS (--tls=prefer): without a credential, whoever reaches the admin API can " +
	"change and remove every store, whoever reaches a client port can read and write its store, and whoever reaches a cluster " +
	"port of a store that was not switched yet can take part in it; scripts/secure_cluster.lua switches a running cluster"

// instancesFolder is the folder in the data folder that has the folders STORE/INSTANCE.
const instancesFolder = "instances"

func runManager(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parseFlags(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, usage)
		return exitOK
	}
	if err != nil {
		return fail(stderr, exitUsage, fmt.Errorf("%w (see dkvmanager --help)", err))
	}
	log := slog.New(slog.NewTextHandler(stderr, nil))
	if err := manage(ctx, o, log); err != nil {
		return fail(stderr, exitError, err)
	}
	return exitOK
}

// manage runs the manager until ctx is done or the lifeline is at its end.
func manage(ctx context.Context, o *options, log *slog.Logger) (err error) {
	if o.lifeline != nil { // a stopped process gets SIGHUP when its starter dies; only the lifeline counts
		signal.Ignore(syscall.SIGHUP)
	}
	cat, err := openCatalog(o.dataDir)
	if err != nil {
		return err
	}
	defer cat.Close()
	if o.ephemeral {
		defer func() { err = errors.Join(err, deleteFolder(cat.Dir())) }()
	}
	logCatalog(log, cat)
	for _, name := range foreign(cat.Snapshot(), o.host.Owns) {
		log.Warn("the catalog has an instance whose host is not this manager's: start with the same --listen and --advertise as before", "instance", name)
	}
	if o.netFaultSocket != nil {
		if err := netfault.Follow(o.netFaultSocket, o.host.Bind, nil); err != nil {
			return err
		}
	}
	secured, err := openSecurity(o, cat)
	if err == nil {
		err = o.checkOpen(secured != nil)
	}
	if err != nil {
		return err
	}
	var changes *audit.Log
	var heard *audit.Memory
	if secured != nil {
		defer secured.Close()
		if changes, err = audit.Open(cat.Dir(), audit.OpenSink(o.auditLog, log)); err != nil {
			return err
		}
		defer changes.Close()
		heard = audit.OpenMemory(cat.Dir(), log)
		defer heard.Close()
	}
	listener, err := net.Listen("tcp", o.host.Listen())
	if err != nil {
		return listenError(o.host, err)
	}
	defer listener.Close()
	executable, err := os.Executable()
	if err != nil {
		return fmt.Errorf("this program's own path is not known: %w", err)
	}
	boot, err := uuid.NewV7()
	if err != nil {
		return err
	}
	engine := etcd.New()
	instances := filepath.Join(cat.Dir(), instancesFolder)
	if cat.Lost() != "" {
		log.Error("catalog lost, serving read-only and adopting running instances", "why", cat.Lost())
		recovered, err := supervisor.RecoverCatalog(instances, engine.Name())
		if err == nil {
			err = cat.UseRecovered(recovered)
		}
		if err != nil {
			return err
		}
	}
	peers := newPeers(o.host.Bind, log, secured, heard)
	peers.self = cat.Identity()
	var api *admin.API
	sup, err := supervisor.New(supervisor.Options{
		Dir:            instances,
		Bind:           o.host.Bind,
		Owns:           o.host.Owns,
		Engine:         engine,
		Catalog:        cat,
		Executable:     executable,
		Environment:    environment(),
		Lifeline:       o.lifeline,
		NetFaultSocket: o.netFaultSocket,
		Confirm: func(ctx context.Context, store, change, member string) error {
			return api.Confirm(ctx, store, change, member)
		},
		MayKill: func(ctx context.Context, store, instance string) error {
			return api.MayKill(ctx, store, instance)
		},
		Security: secured,
		Hosts:    append([]string{o.host.Name}, o.alsoKnownAs...),
		Peers:    peers,
		Log:      log,
	})
	if err != nil {
		return err
	}
	api = admin.New(admin.Options{
		Catalog:     cat,
		Supervisor:  sup,
		Peers:       peers,
		Owns:        o.host.Owns,
		Host:        o.host.Name,
		AlsoKnownAs: o.alsoKnownAs,
		Listen:      o.host.Listen(),
		Dir:         cat.Dir(),
		Boot:        boot.String(),
		Engine:      engine.Name(),
		Log:         log,
		Member:      secured,
		Audit:       changes,
		Heard:       heard,
	})
	if err := api.Start(); err != nil {
		return err
	}
	if !o.host.Loopback() && secured == nil {
		log.Warn(openPorts, "listen", o.host.Listen())
	}
	if secured != nil && secured.TakesPlain() {
		log.Warn(openPlain, "listen", o.host.Listen())
	}
	if secured != nil {
		if err := runMember(ctx, secured, cat, o, changes, heard, log); err != nil {
			return err
		}
	}
	about := []any{"listen", o.host.Listen(), "host", o.host.Name, "data", cat.Dir(), "stores", len(cat.Snapshot().Stores)}
	if secured != nil {
		about = append(about, "cluster", secured.Identity().Cluster, "tls", secured.TLS())
	}
	log.Info("serving", about...)
	return serve(ctx, o, cat, sup, api, listener, log)
}

// openCatalog opens the catalog of a data folder. Where only an older generation is left, no instance that runs is
// stopped.
func openCatalog(dir string) (*catalog.Catalog, error) {
	return catalog.Open(dir, adoptRunning(dir))
}

// adoptRunning returns a function that makes an older catalog of a data folder want what runs to run.
func adoptRunning(dir string) func(*catalog.Data) error {
	return func(d *catalog.Data) error { return supervisor.KeepRunning(filepath.Join(dir, instancesFolder), d) }
}

// logCatalog logs what Open found wrong with the catalog.
func logCatalog(log *slog.Logger, cat *catalog.Catalog) {
	for _, what := range cat.Mended() {
		log.Warn("a file of the catalog was written again", "why", what)
	}
	if cat.Repaired() != "" {
		log.Warn("the catalog may lack its last changes", "why", cat.Repaired())
	}
	if d := cat.Snapshot(); d.SuspectNames || len(d.SuspectStores) > 0 {
		log.Warn("this manager is suspect: it may have forgotten votes, and does not vote about these stores until it has taken them "+
			"from their coordinators", "stores", d.SuspectStores, "unknown stores", d.SuspectNames)
	}
	if cat.Lost() == "" && cat.ReadOnly() != nil {
		log.Error("serving read-only", "why", cat.ReadOnly().Message)
	}
}

// openSecurity opens the keys of a secured manager. It returns nil if the manager is not secured.
func openSecurity(o *options, cat *catalog.Catalog) (*security.Member, error) {
	switch secured, err := security.IsSecured(cat.Dir()); {
	case err != nil:
		return nil, err
	case !secured && o.tls != "":
		return nil, fmt.Errorf("--tls %s is for secured managers, and that of %s is not one: dkvmanager init makes a cluster, "+
			"dkvmanager join makes the manager a member; without it the manager takes plain connections alone", o.tls, o.dataDir)
	case !secured && o.external.Given():
		return nil, fmt.Errorf("--tls-cert, --tls-key, --tls-ca and --tls-identities are for a secured manager, and that of %s is not secured: "+
			"dkvmanager init or join makes it a member of a cluster", o.dataDir)
	case !secured:
		return nil, nil
	}
	m, err := security.Open(cat.Dir(), cat.Identity(), o.hosts(), time.Now)
	if err != nil {
		return nil, err
	}
	if o.external.Given() {
		source, err := external.Open(o.external, m.Identity().Cluster, time.Now)
		if err != nil {
			return nil, errors.Join(err, m.Close())
		}
		m.UseExternal(source)
		o.source = source
	}
	m.Serve(cmp.Or(o.tls, wire.TLSRequire))
	return m, m.SetURL(o.url())
}

// foreign returns the instances, as STORE/INSTANCE, that the catalog records as this server's but whose host is another
// one.
func foreign(data *catalog.Data, owns func(wire.Node) bool) []string {
	var names []string
	for _, s := range data.Stores {
		for _, n := range s.Nodes {
			if s.Local[n.Name] != nil && s.Local[n.Name].Leaving == nil && !owns(n) {
				names = append(names, s.Name+"/"+n.Name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// listenError returns an error that names the process that holds the API's port.
func listenError(me *hostid.Host, err error) error {
	if !errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("--listen %s can't be used: %w", me.Listen(), err)
	}
	holder := supervisor.PortHolder(me.Bind, me.Port)
	if holder == "" {
		holder = "another process"
	}
	return fmt.Errorf("%s is taken by %s: stop that, or give another --listen", me.Listen(), holder)
}

// Causes of the manager's end beside signals.
var (
	errRunnerEnded     = errors.New("the runner of this throw-away manager has ended")
	errSupervisorEnded = errors.New("the supervisor of the instances has ended")
)

// serve runs the API and the supervisor side by side. When either ends, both do.
func serve(ctx context.Context, o *options, cat *catalog.Catalog, sup *supervisor.Supervisor, api *admin.API,
	listener net.Listener, log *slog.Logger) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	grace := graceDaemon
	if o.lifeline != nil {
		grace = graceThrowAway
		go func() {
			_, _ = io.Copy(io.Discard, o.lifeline)
			stop(errRunnerEnded)
		}()
	}
	// The supervisor runs longer than the requests in flight, because they wait for it.
	supervising, release := context.WithCancel(context.WithoutCancel(ctx))
	defer release()
	go api.Resolve(ctx)
	var told sync.WaitGroup
	told.Go(func() { newServiceManager(log).run(ctx, sup.Count) })
	defer told.Wait()
	defer stop(nil)
	supervised := make(chan error, 1)
	go func() {
		supervised <- sup.Run(supervising)
		stop(errSupervisorEnded)
	}()
	context.AfterFunc(ctx, func() { log.Info("ending", "why", context.Cause(ctx)) })
	stopped := make(chan error, 1)
	go func() { stopped <- api.Serve(ctx, listener, grace) }()
	var err error
	select {
	case err = <-stopped:
	case err := <-cat.Failed(): // nothing more is answered
		return err
	}
	if o.lifeline != nil {
		last, cancel := context.WithTimeout(context.Background(), stopThrowAway)
		defer cancel()
		err = errors.Join(err, sup.StopAll(last))
	}
	release()
	if err = errors.Join(err, <-supervised); err != nil {
		log.Error("ended", "why", context.Cause(ctx), "error", err)
		return err
	}
	log.Info("ended", "why", context.Cause(ctx))
	return nil
}

// discard deletes the data folder of a throw-away manager that does not come to serve because of err, which it returns.
func (o *options) discard(dir string, err error) error {
	if err == nil || !o.ephemeral {
		return err
	}
	return errors.Join(err, deleteFolder(dir))
}

// deleteFolder deletes a throw-away data folder, and its parent folder if that is empty then.
func deleteFolder(dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("the throw-away data folder can't be deleted: %w", err)
	}
	_ = os.Remove(filepath.Dir(dir)) // fails while other managers' folders are in it
	return nil
}
