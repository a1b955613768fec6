package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"dkvrun/cmd/dkvmanager/internal/failpoint"
	"dkvrun/cmd/dkvmanager/internal/security"
	"dkvrun/runtime/durable"
	"dkvrun/runtime/identity"
	"dkvrun/runtime/wire"
)

// How long join tokens are valid, and how many servers may use the one that init prints.
const (
	tokenLifetime = time.Hour
	initTokens    = 10
)

// initOptions is the checked command line of the command init.
type initOptions struct {
	*options
	cluster    string
	credential string // the file of the admin's credential; empty for the user's own
	count      int
	noServe    bool
}

// runInit makes a cluster whose first member is this manager, and serves.
func runInit(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parseInit(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, usage)
		return exitOK
	}
	if err != nil {
		return fail(stderr, exitUsage, fmt.Errorf("init: %w (see dkvmanager --help)", err))
	}
	log := slog.New(slog.NewTextHandler(stderr, nil))
	if err := o.create(stdout, log); err != nil {
		return fail(stderr, exitError, fmt.Errorf("init: %w", err))
	}
	if o.noServe {
		return exitOK
	}
	if err := manage(ctx, o.options, log); err != nil {
		return fail(stderr, exitError, err)
	}
	return exitOK
}

func parseInit(args []string) (*initOptions, error) {
	set := newFlagSet("dkvmanager init")
	o := &initOptions{}
	set.StringVar(&o.cluster, "cluster", "", "")
	set.StringVar(&o.credential, "credential-out", "", "")
	set.IntVar(&o.count, "count", initTokens, "")
	set.BoolVar(&o.noServe, "no-serve", false, "")
	var err error
	if o.options, err = parseOptions(set, args); err != nil {
		return nil, err
	}
	if len(o.arguments) > 0 {
		return nil, fmt.Errorf("%q is too much: init takes flags alone", o.arguments[0])
	}
	if o.cluster == "" {
		return nil, errors.New("--cluster NAME is missing: name the cluster, for example prod")
	}
	if err := identity.CheckCluster(o.cluster); err != nil {
		return nil, fmt.Errorf("--cluster: the name %w", err)
	}
	return o, checkCount(o.count)
}

// checkCount refuses a number of servers that a join token can't be made for.
func checkCount(count int) error {
	if count < 1 || count > security.MaxCount {
		return fmt.Errorf("--count %d: want 1 to %d", count, security.MaxCount)
	}
	return nil
}

// create makes the cluster, or completes what an interrupted init has begun: the admin's credential is kept in the data
// folder until it has been written to its place and the line for other servers is printed.
func (o *initOptions) create(stdout io.Writer, log *slog.Logger) (err error) {
	cat, err := openCatalog(o.dataDir)
	if err != nil {
		return err
	}
	defer cat.Close()
	defer func() { err = o.discard(cat.Dir(), err) }()
	secured, err := security.IsSecured(cat.Dir())
	if err != nil && !security.IsUnfinished(err, "init") {
		return err
	}
	credential := o.credential
	if credential == "" {
		if credential, err = userCredential(o.cluster); err != nil {
			return err
		}
	}
	if !secured {
		if err := errors.Join(o.checkInstances(cat.Dir()), checkNewCredential(credential)); err != nil {
			return err
		}
		if err := security.Create(cat.Dir(), o.cluster, cat.Identity(), userName(), time.Now()); err != nil {
			return err
		}
	}
	m, err := security.Open(cat.Dir(), cat.Identity(), o.hosts(), time.Now)
	if err != nil {
		return err
	}
	defer m.Close()
	return o.deliver(m, credential, stdout, log)
}

// deliver writes the admin's credential to its file and prints the line for other servers.
func (o *initOptions) deliver(m *security.Member, path string, stdout io.Writer, log *slog.Logger) error {
	cluster := m.Identity().Cluster
	b, err := m.Undelivered()
	if err != nil {
		return err
	}
	if b == nil {
		return fmt.Errorf("the manager of %s is secured already, as a member of cluster %s: dkvmanager --data-dir %s … starts it, "+
			"and dkvmanager token --data-dir %s makes a line for another server", o.dataDir, cluster, o.dataDir, o.dataDir)
	}
	if cluster != o.cluster {
		return fmt.Errorf("an interrupted init has made cluster %s in %s: repeat it with --cluster %s", cluster, o.dataDir, cluster)
	}
	if old, err := identity.Load(path); err != nil || !b.Chain[0].Equal(old.Chain[0]) { // else it was written before
		if err := checkNewCredential(path); err != nil {
			return err
		}
		if err := b.Save(path); err != nil {
			return fmt.Errorf("the admin's credential can't be written: %w", err)
		}
	}
	if err := failpoint.At("init.credential"); err != nil {
		return err
	}
	if err := m.SetURL(o.url()); err != nil {
		return err
	}
	token, err := m.Token(o.count, tokenLifetime, "")
	if err != nil {
		return err
	}
	admin, err := b.Identity()
	if err != nil {
		return err
	}
	log.Info("cluster made", "cluster", cluster, "manager", m.Identity().Name)
	log.Info("the admin's credential is written; dkvrun finds it by the cluster, or with --credential FILE", "file", path,
		"user", admin.Name)
	log.Info("run the printed line on other servers, with --listen and --data-dir; do not keep it", "servers", o.count,
		"valid for", lifetimeText(tokenLifetime))
	if _, err := fmt.Fprintln(stdout, joinLine(m.URL(), token.Text())); err != nil {
		return fmt.Errorf("the line for other servers can't be printed: %w", err)
	}
	return m.Delivered()
}

// userName returns the name of this process's user if a user of the cluster can have it, else admin.
func userName() string {
	if u, err := user.Current(); err == nil && wire.CheckName(u.Username) == nil {
		return u.Username
	}
	return "admin"
}

// userCredential returns the path at which dkvrun finds this user's credential for a cluster.
func userCredential(cluster string) (string, error) {
	folder, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("there is no place for the admin's credential (%w): give --credential-out FILE", err)
	}
	return identity.CredentialPath(filepath.Join(folder, "dkvrun"), cluster), nil
}

// checkNewCredential refuses a path at which no credential can be written, or one would be lost. It makes the folder.
func checkNewCredential(path string) error {
	const instead = "give --credential-out FILE"
	switch _, err := os.Lstat(path); {
	case err == nil:
		return fmt.Errorf("%s exists, and may be the credential of another cluster: move it elsewhere, or %s", path, instead)
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("the credential can't be written (%w): %s", err, instead)
	}
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("the credential can't be written (%w): %s", err, instead)
	}
	if err := unix.Access(folder, unix.W_OK|unix.X_OK); err != nil {
		return fmt.Errorf("the credential can't be written to %s (%w): %s", folder, err, instead)
	}
	// The folder's entry must survive a crash as well.
	return durable.MakeFolder(folder, 0o700)
}
