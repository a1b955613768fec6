package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"dkvrun/runtime/wire"
)

// name returns the identity of the manager with a data folder.
func (c *securedCluster) name(n int) string {
	c.t.Helper()
	id, err := os.ReadFile(filepath.Join(c.dir(n), "identity"))
	if err != nil {
		c.t.Fatal(err)
	}
	return strings.TrimSpace(string(id))
}

// file writes a file of the test, which only its owner may read.
func (c *securedCluster) file(name, content string) string {
	c.t.Helper()
	path := filepath.Join(c.root, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return path
}

const passphrase = "correct horse battery"

// The authority is exported, the server of init is lost for good, the key is brought to another member, and a new
// server joins there. The steps are those of docs/security.md.
func TestExport_InitServerIsLost(t *testing.T) {
	t.Parallel()
	c := newSecured(t)
	first := c.start("127.23.39.11", 1, "init", "--cluster", "prod")
	c.joined("127.23.39.12", 2)
	c.joined("127.23.39.13", 3)
	secret, sealed := c.file("passphrase", passphrase+"\n"), filepath.Join(c.root, "authority.age")
	c.must("pki", "export", "--data-dir", c.dir(1), "--out", sealed, "--passphrase-file", secret)
	text, err := os.ReadFile(sealed)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(sealed); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the export: %v, %v", info, err)
	}
	if !bytes.HasPrefix(text, []byte("-----BEGIN AGE ENCRYPTED FILE-----\n")) || bytes.Contains(text, []byte("PRIVATE KEY")) {
		t.Errorf("the export is not encrypted: %s", text)
	}
	lost := c.name(1)
	eventually(t, "the second knows all members", func() bool {
		return strings.Contains(c.must("pki", "status", "--data-dir", c.dir(2)), c.name(3)+"  ")
	})
	first.end(syscall.SIGKILL)
	if err := os.RemoveAll(c.dir(1)); err != nil {
		t.Fatal(err)
	}
	_, errors, status := c.command("token", "--data-dir", c.dir(2))
	if want := "run the command on the server of manager " + lost + ", https://127.23.39.11:7801"; status != exitError || !strings.Contains(errors, want) {
		t.Errorf("a token of another server: %d, %s, want %q", status, errors, want)
	}
	said := c.must("pki", "import", "--data-dir", c.dir(2), sealed, "--passphrase-file", secret)
	if want := "dkvmanager revoke --data-dir DIR dkv://manager.prod/" + lost + "\n"; !strings.Contains(said, want) {
		t.Errorf("import says %q, want %q", said, want)
	}
	c.must("revoke", "--data-dir", c.dir(2), "dkv://manager.prod/"+lost)
	line := strings.Fields(c.must("token", "--data-dir", c.dir(2)))
	if line[2] != "127.23.39.12:7801" {
		t.Errorf("the line is %q", line)
	}
	c.start("127.23.39.14", 4, line[1:]...)
	c.must("credential", "--data-dir", c.dir(2), "--name", "ci", "--role", "viewer", "--out", filepath.Join(c.root, "ci.pem"))
	for _, n := range []int{3, 4} {
		eventually(t, fmt.Sprintf("server %d knows the new members and the credential", n), func() bool {
			got := c.must("pki", "status", "--data-dir", c.dir(n))
			return !strings.Contains(got, lost+"  ") && strings.Contains(got, c.name(4)+"  ") && strings.Contains(got, "\nci ")
		})
	}
	// The credential of the lost server's user is still good, at the new server as well.
	resp, err := c.client(c.credential()).Get("https://127.23.39.14:7801" + wire.StoresPath())
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("the admin gets %d", resp.StatusCode)
	}
}

// A server that held the authority earlier makes nothing any more, and gets the key back with an import.
func TestExport_OneServerHoldsTheKey(t *testing.T) {
	t.Parallel()
	c := newSecured(t)
	first := c.start("127.23.40.11", 1, "init", "--cluster", "prod")
	second := c.joined("127.23.40.12", 2)
	third := c.joined("127.23.40.13", 3)
	secret, sealed := c.file("passphrase", passphrase), filepath.Join(c.root, "authority.age")
	c.must("pki", "export", "--data-dir", c.dir(1), "--out", sealed, "--passphrase-file", secret)
	eventually(t, "the second knows all members", func() bool {
		return strings.Contains(c.must("pki", "status", "--data-dir", c.dir(2)), c.name(3)+"  ")
	})
	c.must("pki", "import", "--data-dir", c.dir(2), sealed, "--passphrase-file", secret)
	refused := func(n int, want, shown string) {
		t.Helper()
		eventually(t, fmt.Sprintf("server %d knows of the holder: %s", n, shown), func() bool {
			return strings.Contains(c.must("pki", "status", "--data-dir", c.dir(n)), shown)
		})
		if _, errors, status := c.command("token", "--data-dir", c.dir(n)); status != exitError || !strings.Contains(errors, want) {
			t.Errorf("server %d makes a token: %d, %s, want %q", n, status, errors, want)
		}
	}
	const where = "run the command on the server of manager "
	refused(1, where+c.name(2)+", https://127.23.40.12:7801; the copy "+filepath.Join(c.dir(1), "pki", "authority.pem")+" signs nothing", "the server of https://127.23.40.12:7801")
	refused(3, where+c.name(2)+", https://127.23.40.12:7801", "the server of https://127.23.40.12:7801")
	c.must("token", "--data-dir", c.dir(2))
	// Back, and with the file missing.
	c.must("pki", "import", "--data-dir", c.dir(1), sealed, "--passphrase-file", secret)
	c.must("token", "--data-dir", c.dir(1))
	refused(2, where+c.name(1)+", https://127.23.40.11:7801", "the server of https://127.23.40.11:7801")
	first.end(syscall.SIGTERM)
	key := filepath.Join(c.dir(1), "pki", "authority.pem")
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	first = c.start("127.23.40.11", 1)
	eventually(t, "the log says which file is missing", func() bool {
		return strings.Contains(first.log.String(), key+" is missing: restore the file from a backup, or bring the key back")
	})
	refused(1, key+" is missing", key+" is missing")
	if got := c.must("pki", "status", "--data-dir", c.dir(1)); !strings.Contains(got, key+" is missing") {
		t.Errorf("the status: %s", got)
	}
	c.must("pki", "import", "--data-dir", c.dir(1), sealed, "--passphrase-file", secret)
	c.must("token", "--data-dir", c.dir(1))
	// Without the manager, and without another one, nobody knows whether lines are missing here.
	for _, d := range []*daemon{first, second, third} {
		d.end(syscall.SIGTERM)
	}
	_, errors, status := c.command("pki", "import", "--data-dir", c.dir(3), sealed, "--passphrase-file", secret)
	if status != exitError || !strings.Contains(errors, "lines of it may be missing here") {
		t.Errorf("import beside other members that are not heard: %d, %s", status, errors)
	}
}

func TestExport_Refusals(t *testing.T) {
	t.Parallel()
	c := newSecured(t)
	for n, cluster := range []string{"prod", "prod", "test"} {
		c.must("init", "--cluster", cluster, "--data-dir", c.dir(n+1), "--no-serve", "--credential-out", filepath.Join(c.root, fmt.Sprint(n, ".pem")))
	}
	secret, short, open := c.file("passphrase", passphrase), c.file("short", "secret\n"), c.file("open", passphrase)
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	sealed, wrong := filepath.Join(c.root, "authority.age"), c.file("wrong", "another passphrase")
	c.must("pki", "export", "--data-dir", c.dir(1), "--out", sealed, "--passphrase-file", secret)
	text, err := os.ReadFile(sealed)
	if err != nil {
		t.Fatal(err)
	}
	middle := len(text) / 2
	damaged := c.file("damaged", string(text[:middle])+string(text[middle+1:]))
	garbage := c.file("garbage", "secret key")
	export := func(more ...string) []string {
		return append([]string{"pki", "export", "--data-dir", c.dir(1)}, more...)
	}
	imports := func(n int, more ...string) []string {
		return append([]string{"pki", "import", "--data-dir", c.dir(n)}, more...)
	}
	for _, r := range []struct {
		args   []string
		status int
		want   string // in the error
	}{
		{export("--out", sealed, "--passphrase-file", secret), 1, "authority.age exists: name a new file"},
		{export("--passphrase-file", secret), 2, "--out FILE is missing"},
		{export("--out", filepath.Join(c.root, "none", "x"), "--passphrase-file", secret), 1, "no such file or directory"},
		{export("--out", filepath.Join(c.root, "x"), "--passphrase-file", short), 1, "the passphrase has 6 characters: want at least 12"},
		{export("--out", filepath.Join(c.root, "x"), "--passphrase-file", open), 1, "run chmod 600"},
		{export("--out", filepath.Join(c.root, "x")), 1, "give --passphrase-file FILE"}, // there is no terminal
		{export("--out", filepath.Join(c.root, "x"), "y"), 2, `"y" is too much`},
		{imports(1), 2, "want pki import FILE"},
		{imports(1, sealed, "--out", "x"), 2, "not for pki import"},
		{imports(1, sealed, "--passphrase-file", wrong), 1, "authority.age can't be decrypted: the passphrase is wrong"},
		{imports(1, damaged, "--passphrase-file", secret), 1, "or is damaged"},
		{imports(1, garbage, "--passphrase-file", secret), 1, "it is no export of an authority, or is damaged"},
		{imports(1, filepath.Join(c.root, "none"), "--passphrase-file", secret), 1, "no such file"},
		{imports(2, sealed, "--passphrase-file", secret), 1, "an authority that cluster prod does not trust"},
		{imports(3, sealed, "--passphrase-file", secret), 1, "of cluster prod, this manager is of cluster test"},
	} {
		cmd := exec.Command(os.Args[0], r.args...)
		cmd.Env, cmd.SysProcAttr = c.environment(), &syscall.SysProcAttr{Setsid: true}
		said, _ := cmd.CombinedOutput()
		if status := cmd.ProcessState.ExitCode(); status != r.status || !strings.Contains(string(said), r.want) {
			t.Errorf("dkvmanager %s: %d, %s want %d, %s", strings.Join(r.args, " "), status, said, r.status, r.want)
		}
		if bytes.Count(said, []byte("\n")) != 1 {
			t.Errorf("dkvmanager %s: the error is not one line: %s", strings.Join(r.args, " "), said)
		}
		if bytes.Contains(said, []byte(passphrase)) {
			t.Errorf("the passphrase is shown: %s", said)
		}
	}
	if _, err := os.Stat(filepath.Join(c.root, "x")); !os.IsNotExist(err) {
		t.Errorf("a refused export leaves a file: %v", err)
	}
}

// At a terminal the passphrase is asked for twice, and not shown.
func TestExport_AsksForThePassphrase(t *testing.T) {
	t.Parallel()
	c := newSecured(t)
	c.must("init", "--cluster", "prod", "--data-dir", c.dir(1), "--no-serve")
	sealed := filepath.Join(c.root, "authority.age")
	if said, status := c.atTerminal("two passphrases\nthat differ\n", "pki", "export", "--data-dir", c.dir(1), "--out", sealed); status != exitError ||
		!strings.Contains(said, "the two passphrases differ: nothing was exported") || strings.Contains(said, "that differ\r") {
		t.Errorf("two passphrases: %d, %q", status, said)
	}
	said, status := c.atTerminal(passphrase+"\n"+passphrase+"\n", "pki", "export", "--data-dir", c.dir(1), "--out", sealed)
	if status != exitOK || strings.Contains(said, passphrase) || !strings.Contains(said, "The same passphrase again: ") {
		t.Errorf("export: %d, %q", status, said)
	}
	said, status = c.atTerminal(passphrase+"\n", "pki", "import", "--data-dir", c.dir(1), sealed)
	if status != exitOK || strings.Contains(said, passphrase) || !strings.Contains(said, "this server has the key of the authority of cluster prod") {
		t.Errorf("import: %d, %q", status, said)
	}
}

// Ctrl-C ends a command that asks for a passphrase, and leaves nothing that is in the way of the next one. Nor is the
// empty file of a command in the way that was killed.
func TestExport_InterruptedWhileItAsks(t *testing.T) {
	t.Parallel()
	c := newSecured(t)
	c.must("init", "--cluster", "prod", "--data-dir", c.dir(1), "--no-serve")
	sealed := filepath.Join(c.root, "authority.age")
	for _, lines := range []string{ctrlC, passphrase + "\n" + ctrlC} {
		said, status := c.atTerminal(lines, "pki", "export", "--data-dir", c.dir(1), "--out", sealed)
		if status != exitError || !strings.Contains(said, "interrupted, and nothing was changed") {
			t.Errorf("after Ctrl-C: %d, %q", status, said)
		}
		if _, err := os.Stat(sealed); !os.IsNotExist(err) {
			t.Errorf("after Ctrl-C: a file is left: %v", err)
		}
	}
	if err := os.WriteFile(sealed, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if said, status := c.atTerminal(passphrase+"\n"+passphrase+"\n", "pki", "export", "--data-dir", c.dir(1), "--out", sealed); status != exitOK {
		t.Errorf("after a killed export: %d, %q", status, said)
	}
	if said, status := c.atTerminal(ctrlC, "pki", "import", "--data-dir", c.dir(1), sealed); status != exitError ||
		!strings.Contains(said, "interrupted, and nothing was changed") {
		t.Errorf("import after Ctrl-C: %d, %q", status, said)
	}
}

// ctrlC is the character with which a terminal interrupts the process.
const ctrlC = "\x03"

// atTerminal runs a command at a new terminal, types the lines, each when the command asks, and returns what the
// terminal shows and the status.
func (c *securedCluster) atTerminal(lines string, args ...string) (shown string, status int) {
	c.t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		c.t.Fatal(err)
	}
	defer master.Close()
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		c.t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		c.t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		c.t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env, cmd.SysProcAttr = c.environment(), &syscall.SysProcAttr{Setsid: true, Setctty: true}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	err = cmd.Start()
	_ = slave.Close()
	if err != nil {
		c.t.Fatal(err)
	}
	var out output
	read := make(chan struct{})
	go func() {
		defer close(read)
		buffer := make([]byte, 1024)
		for {
			n, err := master.Read(buffer) // fails when the command has ended
			_, _ = out.Write(buffer[:n])
			if err != nil {
				return
			}
		}
	}()
	for asked, line := range strings.SplitAfter(strings.TrimSuffix(lines, "\n"), "\n") {
		eventually(c.t, "the command asks", func() bool {
			flags, err := unix.IoctlGetTermios(int(master.Fd()), unix.TCGETS)
			return err == nil && flags.Lflag&unix.ECHO == 0 && strings.Count(out.String(), ": ") > asked
		})
		if line = strings.TrimSuffix(line, "\n"); line != ctrlC {
			line += "\n"
		}
		if _, err := master.WriteString(line); err != nil {
			c.t.Fatal(err)
		}
	}
	_ = cmd.Wait()
	if flags, err := unix.IoctlGetTermios(int(master.Fd()), unix.TCGETS); err != nil || flags.Lflag&unix.ECHO == 0 {
		c.t.Errorf("%v: the terminal does not show what is typed any more (%v)", args, err)
	}
	<-read
	return out.String(), cmd.ProcessState.ExitCode()
}
