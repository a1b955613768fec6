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
	case "check-config":
		return runCheckConfig(ctx, args[1:], stdout, stderr)
	case "init":
		return runInit(ctx, args[1:], stdout, stderr)
	case "join":
		return runJoin(ctx, args[1:], os.Stdin, stdout, stderr)
	case "token", "credential", "revoke", "pki":
		return runSecurity(ctx, command, args[1:], stdout, stderr)
	case "audit":
		return runAudit(ctx, args[1:], stdout, stderr)
	case "strays":
		return runStrays(ctx, args[1:], stdout, stderr)
	case "restore-catalog":
		return runRestoreCatalog(args[1:], stdout, stderr)
	case "version", "--version":
		fmt.Fprintf(stdout, "dkvmanager %s (commit %s)\n", wire.Version, wire.Commit())
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
             [--insecure] [--tls prefer|require] [--audit-log file|journald|syslog]
  dkvmanager init --cluster NAME --data-dir DIR [--listen HOST:PORT] …
  dkvmanager join ADDRESS TOKEN --data-dir DIR [--listen HOST:PORT] …
  dkvmanager token --data-dir DIR [--count N] [--ttl DURATION] [--again IDENTITY]
  dkvmanager credential --data-dir DIR --name NAME --role ROLE [--ttl DURATION] [--out FILE]
             [--token]
  dkvmanager credential --data-dir DIR --app NAME --store STORE [--read-only] [--ttl DURATION]
             [--out FILE]
  dkvmanager credential --data-dir DIR --update FILE [--out FILE]
  dkvmanager revoke --data-dir DIR NAME
  dkvmanager pki status --data-dir DIR
  dkvmanager pki rotate --data-dir DIR [--end | --abort]
  dkvmanager pki settle --data-dir DIR BRANCH
  dkvmanager pki export --data-dir DIR --out FILE [--passphrase-file FILE]
  dkvmanager pki import --data-dir DIR FILE [--passphrase-file FILE]
  dkvmanager audit verify --data-dir DIR
  dkvmanager audit show --data-dir DIR [--who NAME] [--store STORE] [--action ACTION] [--since TIME] [--last N]
  dkvmanager restore-catalog FILE --data-dir DIR
  dkvmanager strays --data-dir DIR [--end STORE/INSTANCE [--anyway]]
  dkvmanager etcdctl --data-dir DIR STORE/INSTANCE -- ARGUMENT…
  dkvmanager check-config [FLAG]…
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
  --insecure          without init or join: allow an address that other machines can reach, although
                      neither the admin API nor the instances' ports have encryption or authentication;
                      each start logs what is open to whom
  --tls MODE          of a secured manager: require takes TLS alone (default); prefer takes plain connections
                      as well, on which everybody may do everything, while a running cluster becomes a
                      secured one; each start logs what is open to whom
  --audit-log journald|syslog
                      a secured manager writes the lines of its audit log there as well as to DIR/audit.log
  --config FILE       the configuration file (default /etc/dkvmanager.toml, if it is there); it sets flags by
                      name, for example data_dir = "/var/lib/dkv". Environment variables such as
                      DKVMANAGER_DATA_DIR are stronger, the command line is strongest
  --tls-cert FILE, --tls-key FILE
                      a certificate of your own authority, which a secured manager and its instances show to
                      people and applications; managers and instances show each other the cluster's
  --tls-ca FILE, --tls-identities FILE
                      the authority of client certificates that are accepted as well, and whom they stand
                      for, by line: KIND:VALUE -> URI ROLE, where KIND is subject, dns, email or uri
                      All four files are read again when they change.
  -h, --help          show this text

check-config shows the settings with which a manager would start, and where each comes from. It reads the
files of --tls-cert, --tls-key, --tls-ca and --tls-identities as a start would.

init makes a cluster whose managers and users have certificates, writes the credential of an admin, and
prints the line with which other servers join. join lets this server join a cluster. Both then serve, and
take the flags above as well. An interrupted init or join is completed by running the same line again.
  --cluster NAME          init: the name of the cluster
  --credential-out FILE   init: the file for the credential (default ~/.config/dkvrun/CLUSTER.pem)
  --count N               init: how many servers may join with the printed line, within an hour (default 10)
  TOKEN                   join: the token, or - to read it from standard input: other users of this machine
                          can see a command line
  --token-file FILE       join: the file with the token, which only its owner may read
  --again                 join: get a new certificate for a manager that is secured already
  --no-serve              end when the keys are written

These work on the data folder of a secured manager, whether it runs or not; token, credential, revoke,
pki rotate, pki settle and pki export on the server that has the authority's key, which is the one on which init was run:
token prints a line with which other servers join.
  --count N               how many servers may use it (default 1)
  --ttl DURATION          how long it is valid (default 1h)
  --again IDENTITY        let the server of this member, which lost its keys, join again
credential prints a credential, and ends the earlier one of the same name.
  --name NAME             the user or job
  --role ROLE             viewer (reads), operator (starts, stops, repairs as well) or admin (changes
                          topologies and roles as well)
  --ttl DURATION          how long it is valid (default 720h)
  --out FILE              write it to a new file, which only its owner may read
  --token                 a bearer token instead of a certificate
  --app NAME              an application, which reads and writes the data of one store
  --store STORE           the store; it need not exist yet
  --read-only             the application may only read
  --update FILE           no new credential, but this one with the present authority's certificates
revoke ends what a user was granted, or removes a member, given by its URI: pki status lists both.
pki status shows certificates and their ends, members, roles and open tokens.
pki rotate begins to replace the authority while everything runs, and says what comes next.
  --end                   end it, once nothing needs the old authority; until then it says what does
  --abort                 take it back, for example if the new authority's key is lost: the old one stays
pki settle ends a branch of the access log, which pki status shows as a fork: its lines count nothing.
pki export writes the authority's key to a new file, encrypted with a passphrase, which it asks for.
pki import brings the key to another member's server, or back to the one that has lost it: that server makes
tokens and credentials from then on, and no other one.
  --out FILE              export: the new file
  --passphrase-file FILE  read the passphrase from the first line of a file, which only its owner may read

audit verify checks that no line of the audit log was changed or removed, as far as its own chain and what
other managers remember of it can tell; exit status 1 if one was. audit show prints its lines, as JSON.
  --who NAME              changes of this user or identity
  --store STORE           changes of this store
  --action ACTION         for example CreateStore
  --since TIME            a time such as 2026-11-30T18:00:00Z, or how long ago, such as 24h
  --last N                the last N lines that the others leave

restore-catalog makes FILE, a copy of this manager's catalog.json, the catalog again. The manager must be
stopped; its instances go on running. The copy may lack changes: the manager then takes each store from
its coordinator before it votes again. The catalog that is replaced is kept.

strays lists folders, and the processes in them, of instances that the catalog does not know: such a
process goes on running. Exit status 1 if there is one.
  --end STORE/INSTANCE    end this one: stop its process, and move its folder to DIR/strays
  --anyway                although the catalog may have forgotten the store

etcdctl runs etcdctl, the tool of the stores' engine, with the ARGUMENTs on a data instance of this
server, as the user that the manager runs as. It may do what applications may not: compact and
defragment (after keys were removed from a full store), disarm alarms, save snapshots, manage users.
For example: dkvmanager etcdctl --data-dir DIR OrdersStore/orders-1 -- defrag

Instances go on running when the manager ends, and the next start of the manager adopts them.

Used by dkvrun --local:
  --lifeline FD       stop all instances and exit at the end of file of this descriptor, or at a signal
  --ephemeral         with --lifeline: delete the data folder on exit
  --switchboard FD    with --lifeline: receive network faults over this socket

Exit status: 0 done, or ended by a signal or the lifeline, 1 failed, 2 usage error; of etcdctl, its own.
`

// fail prints the error and returns the exit status.
func fail(stderr io.Writer, status int, err error) int {
	fmt.Fprintln(stderr, "dkvmanager:", err)
	return status
}
