package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"dkvrun/cmd/dkvmanager/internal/audit"
	"dkvrun/cmd/dkvmanager/internal/external"
	"dkvrun/cmd/dkvmanager/internal/hostid"
	"dkvrun/cmd/dkvmanager/internal/security"
	"dkvrun/runtime/wire"
)

// options is the checked command line.
type options struct {
	host           *hostid.Host
	dataDir        string
	alsoKnownAs    []string // further names in the Host header of requests
	lifeline       *os.File // nil for none
	netFaultSocket *os.File // the socket for network faults; nil for none
	ephemeral      bool
	auditLog       audit.Destination
	tls            wire.TLSMode // of a secured manager; empty if it was not given
	insecure       bool         // the manager need not be secured, although other machines can reach it
	external       external.Files
	source         *external.Source // of these files; nil for none, and until the manager's keys are open
	arguments      []string         // what is neither a flag nor a flag's value
	origins        origins
	shown          map[string]string // the values of all flags, by flag, as on a command line
}

// hosts returns the names and addresses under which others reach the manager, for its certificate.
func (o *options) hosts() []string { return security.Hosts(o.host.Name, o.host.Bind, o.alsoKnownAs) }

// url returns the URL at which others reach the manager when it is secured.
func (o *options) url() string {
	return "https://" + net.JoinHostPort(o.host.Name, strconv.Itoa(o.host.Port))
}

// newFlagSet returns a set of flags without its own output.
func newFlagSet(name string) *flag.FlagSet {
	set := flag.NewFlagSet(name, flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.String(configFlag, "", "")
	return set
}

// parseMixed parses flags and other arguments in any order, and returns the others. Flags that are not given have the
// values of the environment and the configuration file.
func parseMixed(set *flag.FlagSet, args []string) ([]string, error) {
	names, _, err := parseSettings(set, args)
	return names, err
}

// parseSettings does the work of parseMixed, and also returns where the values of the flags come from.
func parseSettings(set *flag.FlagSet, args []string) (names []string, from origins, err error) {
	for rest := args; ; {
		if err := set.Parse(rest); err != nil {
			return nil, nil, flagError(set, err)
		}
		if set.NArg() == 0 {
			break
		}
		names, rest = append(names, set.Arg(0)), set.Args()[1:]
	}
	from, err = applySettings(set)
	return names, from, err
}

// flagError words an error of the package flag as other errors are: with two dashes, and with what a value has to be.
func flagError(set *flag.FlagSet, err error) error {
	text := err.Error()
	if name, is := strings.CutPrefix(text, "flag provided but not defined: -"); is {
		return fmt.Errorf("unknown flag --%s", name)
	}
	if name, is := strings.CutPrefix(text, "flag needs an argument: -"); is {
		return fmt.Errorf("--%s needs a value", name)
	}
	rest, is := strings.CutPrefix(text, "invalid value ")
	value, rest, found := strings.Cut(rest, " for flag -")
	name, why, cut := strings.Cut(rest, ": ")
	if !is || !found || !cut {
		return err
	}
	if f := set.Lookup(name); f != nil {
		switch getter, _ := f.Value.(flag.Getter); {
		case getter == nil:
		case isType[time.Duration](getter):
			why = "want a duration with a unit, for example 30m or 24h"
		case isType[int](getter):
			why = "want a whole number"
		}
	}
	return fmt.Errorf("--%s: got %s: %s", name, value, why)
}

// isType reports whether the value of a flag has a type.
func isType[T any](value flag.Getter) bool {
	_, is := value.Get().(T)
	return is
}

// parseFlags parses the command line. It returns flag.ErrHelp if the command line asks for help.
func parseFlags(args []string) (*options, error) {
	notCommand := func(argument string) error {
		return fmt.Errorf("%q is not a command: init, join, token, credential, revoke, pki, audit, check-config, restore-catalog, strays, etcdctl, version, help, or flags alone", argument)
	}
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		return nil, notCommand(args[0])
	}
	o, err := parseOptions(newFlagSet("dkvmanager"), args)
	if err == nil && len(o.arguments) > 0 {
		err = notCommand(o.arguments[0])
	}
	if err != nil || o.checkOpen(false) == nil {
		return o, err
	}
	secured, err := security.IsSecured(o.dataDir)
	if err != nil {
		return o, nil // the start says it
	}
	return o, o.checkOpen(secured)
}

// checkOpen refuses a manager that other machines can reach and that isn't secured, without --insecure.
func (o *options) checkOpen(secured bool) error {
	if secured || o.insecure || o.host.Loopback() {
		return nil
	}
	return fmt.Errorf("--listen %s can be reached from other machines, and there is no encryption and no authentication: "+
		"the manager of %s is not secured, and whoever reaches this port, or the instances' ports, can read, change and delete every store; "+
		"listen on 127.0.0.1, or add --insecure where the network itself is trusted", o.host.Listen(), o.dataDir)
}

// parseOptions parses the flags of a manager that serves, in addition to those that set has.
func parseOptions(set *flag.FlagSet, args []string) (*options, error) {
	listen := set.String("listen", fmt.Sprintf("127.0.0.1:%d", wire.DefaultManagerPort), "")
	dataDir := set.String("data-dir", "", "")
	advertise := set.String("advertise", "", "")
	insecure := set.Bool("insecure", false, "")
	auditLog := set.String("audit-log", string(audit.FileOnly), "")
	var mode wire.TLSMode
	set.Func("tls", "", func(text string) error {
		if mode = wire.TLSMode(text); !slices.Contains(wire.SecuredModes, mode) {
			return fmt.Errorf("want %s or %s", wire.TLSPrefer, wire.TLSRequire)
		}
		return nil
	})
	var alsoKnownAs []string
	set.Func("also-known-as", "", func(names string) error {
		alsoKnownAs = append(alsoKnownAs, strings.Split(names, ",")...)
		return nil
	})
	lifeline := set.Int("lifeline", -1, "")
	netFaultFD := set.Int("switchboard", -1, "")
	ephemeral := set.Bool("ephemeral", false, "")
	var files external.Files
	set.StringVar(&files.Certificate, "tls-cert", "", "")
	set.StringVar(&files.Key, "tls-key", "", "")
	set.StringVar(&files.CA, "tls-ca", "", "")
	set.StringVar(&files.Identities, "tls-identities", "", "")
	arguments, from, err := parseSettings(set, args)
	if err != nil {
		return nil, err
	}
	if *dataDir == "" {
		return nil, errors.New("--data-dir DIR is missing: name the folder for the catalog and the stores' data")
	}
	if err := files.Check(); err != nil {
		return nil, err
	}
	for _, name := range alsoKnownAs {
		if err := wire.CheckHost(name); err != nil {
			return nil, fmt.Errorf("--also-known-as: a name %w", err)
		}
	}
	o := &options{dataDir: *dataDir, alsoKnownAs: alsoKnownAs, insecure: *insecure, tls: mode, ephemeral: *ephemeral,
		external: files, arguments: arguments, origins: from, shown: map[string]string{}}
	set.VisitAll(func(f *flag.Flag) { o.shown[f.Name] = f.Value.String() })
	o.shown["also-known-as"], o.shown["tls"] = strings.Join(alsoKnownAs, ","), string(cmp.Or(mode, wire.TLSRequire))
	if o.auditLog, err = audit.ParseDestination(*auditLog); err != nil {
		return nil, fmt.Errorf("--audit-log: %w", err)
	}
	if o.host, err = hostid.New(*listen, *advertise); err != nil {
		return nil, err
	}
	if o.ephemeral && *lifeline < 0 {
		return nil, errors.New("--ephemeral needs --lifeline FD: the data folder is deleted at its end of file")
	}
	if *netFaultFD >= 0 && *lifeline < 0 {
		return nil, errors.New("--switchboard needs --lifeline FD: only the servers of a throw-away cluster are cut off")
	}
	if o.lifeline, err = openLifeline(*lifeline); err != nil {
		return nil, err
	}
	if o.netFaultSocket, err = openNetFaultSocket(*netFaultFD); err != nil {
		return nil, err
	}
	return o, nil
}

// openLifeline returns the inherited read end of a pipe, whose end of file means that the runner has ended.
func openLifeline(fd int) (*os.File, error) {
	return inherited("lifeline", fd, unix.S_IFIFO, "a pipe")
}

// openNetFaultSocket returns the inherited socket over which the manager receives network faults.
func openNetFaultSocket(fd int) (*os.File, error) {
	return inherited("switchboard", fd, unix.S_IFSOCK, "a socket")
}

// inherited returns the inherited open file of a flag, which must be of one kind; nil if fd is below 0, which means
// that the flag was not given.
func inherited(flag string, fd int, kind uint32, what string) (*os.File, error) {
	if fd < 0 {
		return nil, nil
	}
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return nil, fmt.Errorf("--%s %d: no such open file: %w", flag, fd, err)
	}
	if stat.Mode&unix.S_IFMT != kind {
		return nil, fmt.Errorf("--%s %d: is not %s", flag, fd, what)
	}
	unix.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), flag), nil
}
