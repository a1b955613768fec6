package tests

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// secretsIn returns the secrets of a file of keys or of a credential: a bearer token, and the lines of private keys.
func secretsIn(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	private := false
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "-----BEGIN"):
			private = strings.Contains(line, "PRIVATE KEY") || strings.Contains(line, "TOKEN")
		case strings.HasPrefix(line, "-----END"):
			private = false
		case private && len(line) >= 24, strings.Contains(line, "dkvb1-"):
			out = append(out, line)
		}
	}
	return out
}

// A cluster is set up and used with every command; then no secret, which are join tokens, bearer tokens and private
// keys, is in the command line of a process, in a log, an audit log, or what a command that fails says.
func TestSecured_SecretsStayInTheirFiles(t *testing.T) {
	t.Parallel()
	a := &accessRun{newSecuredRun(t), []string{"127.46.7.11", "127.46.7.12"}}
	first, second := filepath.Join(a.dir, a.hosts[0]), filepath.Join(a.dir, a.hosts[1])
	var said bytes.Buffer // by commands that fail, and by those whose output is no secret
	command := func(fails bool, home, name string, args ...string) {
		t.Helper()
		text, err := a.command(home, name, args...).CombinedOutput()
		if said.Write(text); (err != nil) != fails {
			t.Errorf("%s %q: %v, %s", name, args, err, text)
		}
	}
	printed := strings.Fields(a.serve(a.hosts[0], "init", "--cluster", "prod"))
	token := printed[len(printed)-1]
	if err := os.WriteFile(a.file("join.token"), []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	a.serve(a.hosts[1], "join", a.hosts[0], "--token-file", a.file("join.token"))
	secrets := []string{token}

	more, err := a.command("home", "dkvmanager", "token", "--data-dir", first).Output()
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Fields(string(more))
	secrets = append(secrets, words[len(words)-1])
	credential := func(out string, flags ...string) {
		t.Helper()
		command(false, "home", "dkvmanager", append([]string{"credential", "--data-dir", first, "--out", a.file(out)}, flags...)...)
		found := secretsIn(t, a.file(out))
		if len(found) == 0 {
			t.Fatalf("no secret is found in %s", out)
		}
		secrets = append(secrets, found...)
	}
	credential("ci.pem", "--name", "ci", "--role", "operator")
	credential("job.token", "--name", "job", "--role", "viewer", "--token")
	credential("web.pem", "--app", "web", "--store", "S")
	for _, folder := range []string{first, second} {
		files, err := filepath.Glob(filepath.Join(folder, "pki", "*.pem"))
		if err != nil || len(files) < 2 {
			t.Fatalf("got the keys %q, %v", files, err)
		}
		for _, file := range files {
			secrets = append(secrets, secretsIn(t, file)...)
		}
	}
	if len(secrets) < 15 {
		t.Fatalf("only %d secrets are found", len(secrets))
	}

	a.must("home", `new_store{"S", instance_prefix = "s"}:check(); start_store("S"):check(); wait_ready("S")
		connect_store("S"):put("k", "v")`)
	everywhere := "-m=" + strings.Join(a.hosts, ",")
	for _, flags := range [][]string{{"--token-file", a.file("job.token")}, {"--credential", a.file("ci.pem")}} {
		if err := poll(10*time.Second, func() error { // the second server learns of it
			if text, ok := a.run("stranger", "get_store()", flags...); !ok {
				return errors.New(text)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		command(true, "stranger", "dkvrun", append(flags, everywhere, "-v", "--trace", "-e", `remove_store{"S", confirm = "S"}`)...)
		command(false, "stranger", "dkvrun", append(flags, everywhere, "-o", "json", "-e", "get_store()")...)
	}
	command(true, "stranger", "dkvrun", everywhere, "-e", "get_store()")
	command(true, "stranger", "dkvrun", "--credential", a.file("job.token"), "--token-file", a.file("job.token"), "-e", "1")
	command(true, "home", "dkvmanager", "credential", "--data-dir", first, "--name", "ci", "--role", "king")
	command(true, "home", "dkvmanager", "credential", "--data-dir", second, "--name", "ci", "--role", "viewer")
	command(true, "home", "dkvmanager", "join", a.hosts[0], "--token-file", a.file("job.token"), "--data-dir", filepath.Join(a.dir, "new"))
	command(true, "home", "dkvmanager", "join", a.hosts[1], "--token-file", a.file("join.token"), "--listen", "127.46.7.13:7801",
		"--data-dir", filepath.Join(a.dir, "new"))
	command(false, "home", "dkvmanager", "pki", "status", "--data-dir", first)
	for _, out := range []string{"ops.pem", "ops.token", "shop.pem"} {
		grant := map[string]string{
			"ops.pem": `name = "ops", role = "operator"`, "ops.token": `name = "nightly", role = "viewer", token = true`,
			"shop.pem": `app = "shop", store = "S"`,
		}[out]
		command(false, "home", "dkvrun", everywhere, "-v", "-e", `grant_access{`+grant+`, out = "`+a.file(out)+`"}`)
		found := secretsIn(t, a.file(out))
		if len(found) == 0 {
			t.Fatalf("no secret is found in %s", out)
		}
		secrets = append(secrets, found...)
	}
	command(true, "home", "dkvrun", everywhere, "-v", "--trace", "-e", `grant_access{name = "ops", role = "operator", out = "`+a.file("ops.pem")+`"}`)
	command(true, "stranger", "dkvrun", "--token-file", a.file("ops.token"), everywhere, "-v", "--trace", "-e", `revoke_access("ops")`)
	command(false, "home", "dkvrun", everywhere, "-o", "json", "-e", "list_access()")
	command(false, "home", "dkvrun", everywhere, "-v", "-e", `revoke_access("ops")`)
	command(true, "home", "dkvrun", everywhere, "-v", "-e", `revoke_access("ops")`)

	const passphrase, wrong = "correct horse battery", "another horse battery"
	secrets = append(secrets, passphrase, wrong)
	for file, text := range map[string]string{"passphrase": passphrase, "wrong": wrong} {
		if err := os.WriteFile(a.file(file), []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sealed := a.file("authority.age")
	command(false, "home", "dkvmanager", "pki", "export", "--data-dir", first, "--out", sealed, "--passphrase-file", a.file("passphrase"))
	command(true, "home", "dkvmanager", "pki", "export", "--data-dir", second, "--out", a.file("no.age"), "--passphrase-file", a.file("passphrase"))
	command(true, "home", "dkvmanager", "pki", "import", "--data-dir", second, sealed, "--passphrase-file", a.file("wrong"))
	for _, log := range []string{"show", "verify"} {
		command(false, "home", "dkvmanager", "audit", log, "--data-dir", first)
	}
	command(false, "home", "dkvmanager", "revoke", "--data-dir", first, "ci")
	command(true, "stranger", "dkvrun", "--credential", a.file("ci.pem"), everywhere, "-e", "get_store()")

	// The second server takes the place of the first, with the key of the authority and one of its own for credentials of
	// users.
	command(false, "home", "dkvmanager", "pki", "import", "--data-dir", second, sealed, "--passphrase-file", a.file("passphrase"))
	for _, file := range []string{"authority.pem", "user-issuer.pem"} {
		found := secretsIn(t, filepath.Join(second, "pki", file))
		if len(found) == 0 {
			t.Fatalf("no secret is found in %s", file)
		}
		secrets = append(secrets, found...)
	}
	command(false, "home", "dkvmanager", "credential", "--data-dir", second, "--name", "late", "--role", "viewer", "--out", a.file("late.pem"))
	secrets = append(secrets, secretsIn(t, a.file("late.pem"))...)
	command(false, "home", "dkvmanager", "audit", "show", "--data-dir", second)

	for _, secret := range secrets {
		if strings.Contains(said.String(), secret) {
			t.Errorf("a command says the secret %.12s…", secret)
		}
		for pid, line := range commandLines(t) {
			if strings.Contains(line, secret) {
				t.Errorf("the secret %.12s… is on the command line of process %d", secret, pid)
			}
		}
	}
	logs := 0
	err = filepath.WalkDir(a.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() || !strings.Contains(e.Name(), "log") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		logs++
		for _, secret := range secrets {
			if bytes.Contains(text, []byte(secret)) {
				t.Errorf("the secret %.12s… is in %s", secret, path)
			}
		}
		return nil
	})
	if err != nil || logs < 6 { // of managers, of changes, of access and of instances
		t.Errorf("%d logs were read, %v", logs, err)
	}
}
