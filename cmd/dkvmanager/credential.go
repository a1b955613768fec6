package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"dkvrun/cmd/dkvmanager/internal/pki"
	"dkvrun/runtime/durable"
	"dkvrun/runtime/identity"
)

// credentialLifetime is how long credentials are valid by default.
const credentialLifetime = pki.LeafLifetime

// securityCommand is a command about the security of the manager of a data folder.
type securityCommand struct {
	controlRequest
	dataDir string
	out     string // the file for a credential; empty for standard output
	// app is the name of the application that a credential is for; empty for a user's.
	app      string
	readOnly bool   // the application may only read
	update   string // the file of the credential to write anew; empty for a new credential
	// passphraseFile is the file with the passphrase of an export; empty to ask at the terminal.
	passphraseFile string
	abort          bool // takes a rotation back
	end            bool // pki rotate ends the rotation
}

// runSecurity executes token, credential, revoke or pki.
func runSecurity(ctx context.Context, name string, args []string, stdout, stderr io.Writer) int {
	c, err := parseSecurity(name, args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, usage)
		return exitOK
	}
	if err != nil {
		return fail(stderr, exitUsage, fmt.Errorf("%s: %w (see dkvmanager --help)", name, err))
	}
	if err := c.run(ctx, stdout); err != nil {
		return fail(stderr, exitError, fmt.Errorf("%s: %w", name, err))
	}
	return exitOK
}

func parseSecurity(name string, args []string) (*securityCommand, error) {
	set := newFlagSet("dkvmanager " + name)
	c := &securityCommand{controlRequest: controlRequest{Command: name}}
	set.StringVar(&c.dataDir, "data-dir", "", "")
	role := ""
	switch name {
	case "token":
		set.DurationVar(&c.Lifetime, "ttl", tokenLifetime, "")
		set.IntVar(&c.Count, "count", 1, "")
		set.StringVar(&c.Name, "again", "", "")
	case "credential":
		set.StringVar(&c.Name, "name", "", "")
		set.StringVar(&role, "role", "", "")
		set.DurationVar(&c.Lifetime, "ttl", credentialLifetime, "")
		set.StringVar(&c.out, "out", "", "")
		set.BoolVar(&c.Bearer, "token", false, "")
		set.StringVar(&c.app, "app", "", "")
		set.StringVar(&c.Store, "store", "", "")
		set.BoolVar(&c.readOnly, "read-only", false, "")
		set.StringVar(&c.update, "update", "", "")
	case "pki":
		set.StringVar(&c.out, "out", "", "")
		set.StringVar(&c.passphraseFile, "passphrase-file", "", "")
		set.BoolVar(&c.abort, "abort", false, "")
		set.BoolVar(&c.end, "end", false, "")
	}
	names, err := parseMixed(set, args)
	if err != nil {
		return nil, err
	}
	c.Role = identity.Role(role)
	if c.dataDir == "" {
		return nil, errors.New("--data-dir DIR is missing: name the folder that the manager of this server was started with")
	}
	return c, c.check(name, names)
}

// check checks what is particular to a command.
func (c *securityCommand) check(name string, arguments []string) error {
	want := 0
	switch name {
	case "token":
		if err := checkCount(c.Count); err != nil {
			return err
		}
		if c.Name != "" && c.Count != 1 {
			return errors.New("--again is for one server: leave --count out")
		}
		return errors.Join(tooMany(arguments, want), checkLifetime(c.Lifetime))
	case "credential":
		if c.update != "" {
			if c.Name != "" || c.Role != "" || c.Bearer || c.app != "" || c.Store != "" || c.readOnly {
				return errors.New("--update FILE keeps name and role: leave all but --out out")
			}
			c.Command = "update"
			return tooMany(arguments, want)
		}
		if c.app != "" || c.Store != "" || c.readOnly {
			return errors.Join(c.checkApp(), tooMany(arguments, want), checkLifetime(c.Lifetime))
		}
		if c.Name == "" {
			return errors.New("--name NAME is missing: name the user or job, for example ci")
		}
		if c.Role == "" {
			return errors.New("--role ROLE is missing: viewer, operator or admin")
		}
		if err := identity.CheckRole(identity.User, c.Role); err != nil {
			return fmt.Errorf("--role: %w", err)
		}
		return errors.Join(tooMany(arguments, want), checkLifetime(c.Lifetime))
	case "revoke":
		if want = 1; len(arguments) == 0 {
			return errors.New("want revoke NAME: the name of a user, or a URI such as dkv://manager.prod/ID: dkvmanager pki status lists them")
		}
		c.Name = arguments[0]
	case "pki":
		return c.checkPKI(arguments)
	}
	return tooMany(arguments, want)
}

// checkPKI checks the command line of a command that follows pki.
func (c *securityCommand) checkPKI(arguments []string) error {
	if len(arguments) == 0 || !slices.Contains([]string{"status", "rotate", "settle", "export", "import"}, arguments[0]) {
		return errors.New("want pki status, pki rotate, pki settle, pki export or pki import")
	}
	want := 1
	switch c.Command = arguments[0]; {
	case c.Command == "export" && c.out == "":
		return errors.New("--out FILE is missing: name a new file for the encrypted key")
	case c.Command == "import" && len(arguments) == 1:
		return errors.New("want pki import FILE: the file that pki export has made")
	case c.Command == "settle" && len(arguments) == 1:
		return errors.New("want pki settle BRANCH: pki status shows the branches of the access log")
	case c.Command == "import" || c.Command == "settle":
		c.Name, want = arguments[1], 2
	}
	switch {
	case (c.end || c.abort) && c.Command != "rotate":
		return fmt.Errorf("--end and --abort are for pki rotate, not for pki %s", c.Command)
	case c.end && c.abort:
		return errors.New("--end leaves the new authority alone, --abort the old one: give one of them")
	case c.end:
		c.Command = endRotationCommand
	case c.abort:
		c.Command = "abort"
	}
	if c.Command != "export" && c.out != "" || c.Command != "export" && c.Command != "import" && c.passphraseFile != "" {
		return fmt.Errorf("--out is for pki export, --passphrase-file for pki export and pki import, not for pki %s", c.Command)
	}
	return tooMany(arguments, want)
}

// checkApp checks the flags of an application's credential.
func (c *securityCommand) checkApp() error {
	switch {
	case c.app == "":
		return errors.New("--app NAME is missing: name the application, for example web")
	case c.Store == "":
		return errors.New("--store NAME is missing: name the store that the application uses")
	case c.Name != "" || c.Role != "" || c.Bearer:
		return errors.New("--app is for an application: leave --name, --role and --token out")
	}
	c.Name, c.Role = c.app, identity.AppRole
	if c.readOnly {
		c.Role = identity.ReadOnlyApp
	}
	return nil
}

func tooMany(arguments []string, want int) error {
	if len(arguments) > want {
		return fmt.Errorf("%q is too much", arguments[want])
	}
	return nil
}

// checkLifetime refuses a lifetime that no certificate has.
func checkLifetime(d time.Duration) error {
	if d < time.Minute || d > pki.AuthorityLifetime {
		return fmt.Errorf("--ttl %s: want 1m to %s (%d days)", lifetimeText(d), lifetimeText(pki.AuthorityLifetime), pki.AuthorityLifetime/(24*time.Hour))
	}
	return nil
}

// lifetimeText returns a duration as people give it to --ttl: 720h and not 720h0m0s.
func lifetimeText(d time.Duration) string {
	text := d.String()
	for _, none := range []string{"m0s", "h0m"} {
		if rest, found := strings.CutSuffix(text, none); found {
			text = rest + none[:1]
		}
	}
	return text
}

// run executes the command. A credential's file is checked before anything is made, since a new credential ends the
// user's earlier one.
func (c *securityCommand) run(ctx context.Context, stdout io.Writer) error {
	switch c.Command {
	case "export":
		return c.exportAuthority(ctx, stdout)
	case "import":
		return c.importAuthority(ctx, stdout)
	case "update":
		return c.updateCredential(ctx, stdout)
	}
	if c.out != "" {
		if err := reserve(c.out); err != nil {
			return err
		}
	}
	text, err := control(ctx, c.dataDir, c.controlRequest)
	if err != nil {
		if c.out != "" {
			_ = os.Remove(c.out)
		}
		return err
	}
	if c.out == "" {
		_, err = io.WriteString(stdout, text)
		return err
	}
	if err := durable.Replace(c.out, []byte(text), durable.Options{Mode: 0o600}); err != nil {
		return err
	}
	if c.app == "" {
		return nil
	}
	return c.showUse(ctx, stdout)
}

// showUse prints how an application uses its store with its credential, on this server.
func (c *securityCommand) showUse(ctx context.Context, stdout io.Writer) error {
	ports, err := control(ctx, c.dataDir, controlRequest{Command: endpointsCommand, Store: c.Store})
	if err != nil {
		return fmt.Errorf("%s is written; the client ports of store %s are not known: %w", c.out, c.Store, err)
	}
	if ports == "" {
		_, err = fmt.Fprintf(stdout, "store %s is not in the catalog of this manager: if another manager keeps it,\n"+
			"connect_store(%q).endpoints lists its client ports; the credential is for this name alone\n", c.Store, c.Store)
		return err
	}
	roots := strings.TrimSuffix(c.out, ".pem") + "-ca.pem"
	_, err = fmt.Fprintf(stdout, "endpoints of store %s: %s\n%s\netcdctl --endpoints=%s --cert=%s --key=%s --cacert=%s get KEY\n",
		c.Store, ports, rootsLine(c.out, roots), ports, quoted(c.out), quoted(c.out), quoted(roots))
	return err
}

// rootsLine returns the line of a shell that copies the certificates of the authority from the file of a credential,
// where they follow the key: programs such as etcdctl take no other file for --cacert than one with certificates
// alone.
func rootsLine(credential, roots string) string {
	return "sed '1,/END PRIVATE KEY/d' " + quoted(credential) + " > " + quoted(roots)
}

// quoted returns a path as a word of a shell's line.
func quoted(path string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+,:=@%", r)
	}
	if strings.IndexFunc(path, func(r rune) bool { return !plain(r) }) < 0 {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
