package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"dkvrun/cmd/dkvmanager/internal/hostid"
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
}

// parseFlags parses the command line. It returns flag.ErrHelp if the command line asks for help.
func parseFlags(args []string) (*options, error) {
	set := flag.NewFlagSet("dkvmanager", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	listen := set.String("listen", fmt.Sprintf("127.0.0.1:%d", wire.DefaultManagerPort), "")
	dataDir := set.String("data-dir", "", "")
	advertise := set.String("advertise", "", "")
	insecure := set.Bool("insecure", false, "")
	var alsoKnownAs []string
	set.Func("also-known-as", "", func(names string) error {
		alsoKnownAs = append(alsoKnownAs, strings.Split(names, ",")...)
		return nil
	})
	lifeline := set.Int("lifeline", -1, "")
	netFaultFD := set.Int("switchboard", -1, "")
	ephemeral := set.Bool("ephemeral", false, "")
	if err := set.Parse(args); err != nil {
		return nil, err
	}
	if set.NArg() > 0 {
		return nil, fmt.Errorf("%q is not a command: version, help, or flags alone", set.Arg(0))
	}
	if *dataDir == "" {
		return nil, errors.New("--data-dir DIR is missing: name the folder for the catalog and the stores' data")
	}
	for _, name := range alsoKnownAs {
		if err := wire.CheckHost(name); err != nil {
			return nil, fmt.Errorf("--also-known-as: a name %w", err)
		}
	}
	o := &options{dataDir: *dataDir, alsoKnownAs: alsoKnownAs, ephemeral: *ephemeral}
	var err error
	if o.host, err = hostid.New(*listen, *advertise); err != nil {
		return nil, err
	}
	if !o.host.Loopback() && !*insecure {
		return nil, fmt.Errorf("--listen %s can be reached from other machines, and there is no encryption and no authentication yet: "+
			"whoever reaches this port, or the instances' ports, can read, change and delete every store; "+
			"listen on 127.0.0.1, or add --insecure where the network itself is trusted", *listen)
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
