package tests

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dkvrun/runtime/identity/identitytest"
)

// organisation has an own authority, and the files that a manager is started with.
type organisation struct {
	*securedRun
	ca *identitytest.External
}

func newOrganisation(t *testing.T) *organisation {
	t.Helper()
	ca, err := identitytest.NewExternal("Example")
	if err != nil {
		t.Fatal(err)
	}
	o := &organisation{newSecuredRun(t), ca}
	o.write("ca.pem", identitytest.ExternalRoot(ca))
	return o
}

func (o *organisation) path(name string) string { return filepath.Join(o.dir, name) }

// write replaces a file.
func (o *organisation) write(name string, content []byte) string {
	o.t.Helper()
	path := o.path(name)
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		o.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		o.t.Fatal(err)
	}
	return path
}

// server writes the certificate of a server for an address, and returns the flags for it.
func (o *organisation) server(host string) []string {
	o.t.Helper()
	cert, key, err := identitytest.IssueExternal(o.ca, x509.Certificate{
		Subject: pkix.Name{CommonName: host}, IPAddresses: []net.IP{net.ParseIP(host)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return []string{"--tls-cert", o.write(host+".crt", cert), "--tls-key", o.write(host+".key", key),
		"--tls-ca", o.path("ca.pem"), "--tls-identities", o.path("identities")}
}

// client writes the credential of a client with a name.
func (o *organisation) client(name string) string {
	o.t.Helper()
	text, err := identitytest.ExternalCredential(o.ca, x509.Certificate{
		Subject: pkix.Name{Organization: []string{"Example"}, CommonName: name}, DNSNames: []string{name + ".example.org"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return o.write(name+".pem", text)
}

// run runs an expression with a credential at managers.
func (o *organisation) run(credential, managers, code string) (string, bool) {
	cmd := o.command("stranger", "dkvrun", "-m", managers, "--credential", credential, "-e", code)
	said, err := cmd.CombinedOutput()
	return string(said), err == nil
}

// eventually waits until ok is true.
func (o *organisation) eventually(what string, ok func() (string, bool)) {
	o.t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		said, done := ok()
		if done {
			return
		}
		if time.Now().After(end) {
			o.t.Fatalf("not yet: %s: %s", what, said)
		}
	}
}

// People and applications use a cluster with certificates of an organisation's own authority, as docs/security.md says;
// managers and instances use the cluster's among each other.
func TestExternal_Cluster(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t)
	hosts := []string{"127.46.3.11", "127.46.3.12", "127.46.3.13"}
	all := strings.Join(hosts, ",")
	const people = "subject:CN=ann,O=Example -> dkv://user.prod/ann admin\n" +
		"dns:bob.example.org -> dkv://user.prod/bob viewer\n" +
		"dns:web.example.org -> dkv://app.prod/S/web\n" +
		"dns:report.example.org -> dkv://app.prod/S/report app-readonly\n"
	o.write("identities", []byte(people))
	line := strings.Fields(o.serve(hosts[0], append([]string{"init", "--cluster", "prod"}, o.server(hosts[0])...)...))
	for _, host := range hosts[1:] {
		o.serve(host, append(line[1:], o.server(host)...)...)
	}
	ann, bob, eve := o.client("ann"), o.client("bob"), o.client("eve")
	const use = `new_store{name = "S", instance_prefix = "s"}; start_store("S"); wait_ready("S")
		local s = connect_store("S"); s:put("k", "v"); return s:get("k")`
	if said, ok := o.run(ann, all, use); !ok || !strings.HasSuffix(said, "\nv\n") {
		t.Fatalf("an admin's certificate: %s", said)
	}
	for _, c := range []struct{ credential, code, want string }{
		{bob, `return "sees " .. #get_store()`, "sees 3\n"},
		{bob, `stop_store("S")`, "viewer bob may not "},
		{eve, `get_store()`, `no line of the file of identities names it: its subject is "CN=eve,O=Example"`},
		{ann, `return "knows " .. #managers()`, "knows 3\n"},
	} {
		if said, _ := o.run(c.credential, all, c.code); !strings.Contains(said, c.want) {
			t.Errorf("%s, %s: %s, want %q", filepath.Base(c.credential), c.code, said, c.want)
		}
	}
	// The cluster's own credential goes on working, at the same managers.
	said, err := o.command("home", "dkvrun", "-m", all, "-e", `return connect_store("S"):get("k")`).CombinedOutput()
	if err != nil || !strings.HasSuffix(string(said), "\nv\n") {
		t.Errorf("the cluster's own credential: %v, %s", err, said)
	}
	endpoint := o.endpoint(ann, all)
	if said, err := o.etcdctl(endpoint, o.client("web"), "put", "k", "w"); err != nil || said != "OK\n" {
		t.Errorf("an application: %v, %s", err, said)
	}
	report := o.client("report")
	const write = `local s = connect_store("S"); s:put("k", "u"); s:put("k", "w"); return s:get("k")`
	for _, c := range []struct{ credential, code, want string }{
		{o.path("web.pem"), write, "\nw\n"},
		{report, `return connect_store("S"):get("k")`, "\nw\n"},
		{report, `connect_store("S"):put("k", "x")`, "app-readonly report may not "},
		{o.path("web.pem"), `connect_store("T")`, "only for its own store"},
		{ann, `grant_access{name = "x", role = "viewer", out = "x.pem"}`, "ann.pem is not of the authority of cluster prod"},
	} {
		if said, _ := o.run(c.credential, all, c.code); !strings.Contains(said, c.want) {
			t.Errorf("%s, %s: %s, want %q", filepath.Base(c.credential), c.code, said, c.want)
		}
	}
	if said, err := o.etcdctl(endpoint, report, "get", "k", "--print-value-only"); err != nil || said != "w\n" {
		t.Errorf("a read-only application: %v, %s", err, said)
	}
	if said, err := o.etcdctl(endpoint, report, "put", "k", "x"); err == nil {
		t.Errorf("a read-only application writes: %s", said)
	}
	if said, err := o.etcdctl(endpoint, eve, "get", "k"); err == nil {
		t.Errorf("a certificate without an identity reads: %s", said)
	}
	// A damaged file is told, and changes nothing.
	o.write("identities", []byte(people+"ann -> admin\n"))
	o.eventually("the damage is told", func() (string, bool) {
		status := o.command("home", "dkvmanager", "pki", "status", "--data-dir", o.path(hosts[0]))
		said, _ := status.CombinedOutput()
		return string(said), strings.Contains(string(said), "identities:5: has the unknown kind of name ")
	})
	if said, ok := o.run(bob, all, `get_store()`); !ok {
		t.Errorf("while the file is damaged: %s", said)
	}
	// A removed line ends it, at the managers and at the instances.
	o.write("identities", []byte("subject:CN=ann,O=Example -> dkv://user.prod/ann admin\n"))
	o.eventually("bob is refused", func() (string, bool) {
		said, ok := o.run(bob, all, `get_store()`)
		return said, !ok && strings.Count(said, "no line of the file of identities names it") > 0
	})
	o.eventually("the application is refused", func() (string, bool) {
		said, err := o.etcdctl(endpoint, report, "get", "k")
		return said, err != nil
	})
	if said, ok := o.run(ann, all, `return connect_store("S"):get("k")`); !ok || !strings.HasSuffix(said, "\nw\n") {
		t.Errorf("whose line is still there: %s", said)
	}
}

// endpoint returns a client port of store S.
func (o *organisation) endpoint(credential, managers string) string {
	o.t.Helper()
	said, ok := o.run(credential, managers, `return connect_store("S").endpoints[1]`)
	words := strings.Fields(said)
	if !ok || len(words) == 0 {
		o.t.Fatalf("the endpoints: %s", said)
	}
	return words[len(words)-1]
}

// etcdctl runs etcdctl with the credential of a client of the organisation.
func (o *organisation) etcdctl(endpoint, credential string, args ...string) (string, error) {
	args = append([]string{"--endpoints", endpoint, "--cert", credential, "--key", credential, "--cacert", o.path("ca.pem"),
		"--command-timeout", "3s", "--dial-timeout", "3s"}, args...)
	said, err := exec.Command(program("etcdctl"), args...).CombinedOutput()
	return string(said), err
}

// What a run says about servers and credentials of an own authority that don't fit, and what a manager says about its
// files when it starts.
func TestExternal_Refusals(t *testing.T) {
	t.Parallel()
	o := newOrganisation(t)
	const host, plain = "127.46.4.11", "127.46.4.12"
	o.write("identities", []byte("subject:CN=ann,O=Example -> dkv://user.prod/ann admin\n"))
	flags := o.server(host)
	line := strings.Fields(o.serve(host, append([]string{"init", "--cluster", "prod"}, flags...)...))
	o.serve(plain, line[1:]...)
	ann, foreign := o.client("ann"), newOrganisation(t)
	other := foreign.client("ann")
	old, err := identitytest.ExternalCredential(o.ca, x509.Certificate{
		Subject: pkix.Name{CommonName: "ann"}, NotAfter: time.Now().Add(-time.Minute),
	})
	if err != nil {
		t.Fatal(err)
	}
	lonely, _, err := identitytest.IssueExternal(o.ca, x509.Certificate{Subject: pkix.Name{CommonName: "ann"}})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(ann)
	if err != nil {
		t.Fatal(err)
	}
	mixed := strings.Replace(string(text), string(text[:strings.Index(string(text), "-----BEGIN PRIVATE")]), string(lonely), 1)
	for _, c := range []struct{ credential, manager, want string }{
		{ann, plain, "answers there with a certificate of its cluster alone"},
		{other, host, "was signed by an authority that your credential does not know"},
		{ann, "localhost:7801", "localhost"},
		{o.write("old.pem", old), host, "your certificate is valid from "},
		{o.write("mixed.pem", []byte(mixed)), host, "has a key that can't be read, or that is not that of its first certificate"},
	} {
		if said, ok := o.run(c.credential, c.manager, `get_store()`); ok || !strings.Contains(said, c.want) {
			t.Errorf("%s at %s: %v, %s, want %q", filepath.Base(c.credential), c.manager, ok, said, c.want)
		}
	}
	for name, c := range map[string]struct {
		files []string
		want  string
	}{
		"half":    {flags[:2], "--tls-cert and --tls-key belong together"},
		"pair":    {[]string{"--tls-cert", flags[1], "--tls-key", foreign.server(host)[3]}, "is not the key of the certificate in "},
		"plain":   {flags, "are for a secured manager"},
		"mapping": {append(flags[:6:6], "--tls-identities", o.write("bad", []byte("\n\nann -> admin\n"))), "bad:3: "},
	} {
		dir := o.path(plain)
		if name == "plain" {
			dir = o.path("unsecured")
		} else if name != "half" {
			dir = o.path("copy")
			if _, err := os.Stat(dir); err != nil {
				if said, err := o.command("home", "dkvmanager", "init", "--cluster", "prod", "--data-dir", dir, "--no-serve",
					"--credential-out", o.path("copy.pem")).CombinedOutput(); err != nil {
					t.Fatalf("%v, %s", err, said)
				}
			}
		}
		args := append([]string{"--listen", "127.46.4.19:7801", "--data-dir", dir}, c.files...)
		said, err := o.command("home", "dkvmanager", args...).CombinedOutput()
		if err == nil || !strings.Contains(string(said), c.want) || strings.Count(string(said), "\n") != 1 {
			t.Errorf("%s: %v, %s, want %q", name, err, said, c.want)
		}
		if name == "plain" { // before init or join the same settings are right
			continue
		}
		said, err = o.command("home", "dkvmanager", append([]string{"check-config"}, args...)...).CombinedOutput()
		if err == nil || !strings.Contains(string(said), c.want) || strings.Count(string(said), "\n") != 1 {
			t.Errorf("check-config: %s: %v, %s, want %q", name, err, said, c.want)
		}
	}
}
