// Command dkvmanager is the daemon of one server: it keeps the catalog of stores, serves the admin API, and runs the
// server's instances, each as a process of this same binary.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"dkvrun/runtime/wire"
)

func main() {
	// A closed log pipe must end neither the manager nor its clean-up.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	context.AfterFunc(ctx, stop) // the second signal ends the process
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// Exit statuses.
const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
)

// run executes the command line and returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	command := ""
	if len(args) > 0 {
		command = args[0]
	}
	switch command {
	case "instance":
		return runInstance(ctx, args[1:], stderr)
	case "etcdctl":
		return runEtcdctl(ctx, args[1:], stdout, stderr)
	case "version", "--version":
		fmt.Fprintln(stdout, "dkvmanager", wire.Version)
		return exitOK
	case "help":
		fmt.Fprint(stdout, usage)
		return exitOK
	default:
		return runManager(ctx, args, stdout, stderr)
	}
}

const usage = `dkvmanager keeps the stores of one server: it serves the admin API and runs the server's instances.

Usage:
  dkvmanager --data-dir DIR [--listen HOST:PORT] [--advertise HOST] [--also-known-as NAME]
             [--insecure]
  dkvmanager etcdctl --data-dir DIR STORE/INSTANCE -- ARGUMENT…
  dkvmanager version
  dkvmanager help

Flags:
  --data-dir DIR      the folder of the catalog and the instances' data; created with mode 0700
  --listen HOST:PORT  the address of the admin API; the instances' ports are bound to the same HOST
                      (default 127.0.0.1:7801; without HOST, all addresses)
  --advertise HOST    the name or address by which other servers reach this one (default: the listen
                      host; when listening on all addresses, this machine's host name)
  --also-known-as NAME[,NAME…]
                      further names by which clients address this manager; requests with any other
                      name in the Host header are refused, as they may come from web pages
  --insecure          allow an address that other machines can reach, although neither the admin API
                      nor the instances' ports have encryption or authentication; each start logs
                      what is open to whom
  -h, --help          show this text

etcdctl runs etcdctl, the tool of the stores' engine, with the ARGUMENTs on a data instance of this
server, as the user that the manager runs as. It may do what applications may not: compact and
defragment (after keys were removed from a full store), disarm alarms, save snapshots, manage users.
For example: dkvmanager etcdctl --data-dir DIR OrdersStore/orders-1 -- defrag

Instances go on running when the manager ends, and the next start of the manager adopts them.

Used by dkvrun --local:
  --lifeline FD       stop all instances and exit at the end of file of this descriptor, or at a signal
  --ephemeral         with --lifeline: delete the data folder on exit
  --switchboard FD    with --lifeline: receive network faults over this socket

Exit status: 0 ended by a signal or the lifeline, 1 failed, 2 usage error; of etcdctl, its own.
`

// fail prints the error and returns the exit status.
func fail(stderr io.Writer, status int, err error) int {
	fmt.Fprintln(stderr, "dkvmanager:", err)
	return status
}
