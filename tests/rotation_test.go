package tests

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	credentials "dkvrun/runtime/identity"
)

// rotationLoad is an application that puts keys into the store of a secured cluster all the time, through the next
// instance after a failure, and reads its file anew for each connection.
type rotationLoad struct {
	file    atomic.Value // of the credential
	servers []string
	acked   atomic.Int64
	failed  atomic.Int64 // requests that no instance took
	last    atomic.Value // the last error
}

func (l *rotationLoad) client() *http.Client {
	config := &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true} // VerifyConnection checks the chain
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		b, err := credentials.Load(l.file.Load().(string))
		if err != nil {
			return nil, err
		}
		return b.TLS(false), nil
	}
	config.VerifyConnection = func(state tls.ConnectionState) error {
		b, err := credentials.Load(l.file.Load().(string))
		if err != nil {
			return err
		}
		o := x509.VerifyOptions{Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool()}
		for _, c := range b.Roots {
			o.Roots.AddCert(c)
		}
		for _, c := range state.PeerCertificates[1:] {
			o.Intermediates.AddCert(c)
		}
		_, err = state.PeerCertificates[0].Verify(o)
		return err
	}
	transport := &http.Transport{TLSClientConfig: config, IdleConnTimeout: time.Second}
	return &http.Client{Timeout: 5 * time.Second, Transport: transport}
}

// put writes a key, through one instance after the other.
func (l *rotationLoad) put(c *http.Client, n int64) error {
	var err error
	for try := range 3 * len(l.servers) {
		key := base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "k%d", n))
		body := strings.NewReader(fmt.Sprintf(`{"key":%q,"value":%q}`, key, key))
		var resp *http.Response
		resp, err = c.Post("https://"+l.servers[(int(n)+try)%len(l.servers)]+"/v3/kv/put", "application/json", body)
		if err != nil {
			continue
		}
		text, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return nil
		}
		err = fmt.Errorf("%d: %s", resp.StatusCode, text)
	}
	return err
}

func (l *rotationLoad) run(ctx context.Context) {
	c := l.client()
	defer c.CloseIdleConnections()
	file := l.file.Load()
	for n := int64(1); ctx.Err() == nil; n++ {
		if now := l.file.Load(); now != file {
			c.CloseIdleConnections() // the next request connects with the new file
			file = now
		}
		if err := l.put(c, n); err != nil {
			l.failed.Add(1)
			l.last.Store(err.Error())
			continue
		}
		l.acked.Store(n)
	}
}

// The authority of a cluster is replaced while an application writes: no request of it fails, no write is lost, and
// what only the old authority vouches for is refused at the end.
func TestRotation_UnderLoad(t *testing.T) {
	t.Parallel()
	s := newSecuredRun(t)
	hosts := []string{"127.57.7.11", "127.57.7.12", "127.57.7.13"}
	line := strings.Fields(s.serve(hosts[0], "init", "--cluster", "prod"))
	s.serve(hosts[1], line[1:]...)
	s.serve(hosts[2], line[1:]...)
	folder := filepath.Join(s.dir, hosts[0])
	do := func(want bool, name string, args ...string) string {
		t.Helper()
		said, err := s.command("home", name, args...).CombinedOutput()
		if (err == nil) != want {
			t.Fatalf("%s %q: %v\n%s", name, args, err, said)
		}
		return string(said)
	}
	run := func(want bool, code ...string) string {
		t.Helper()
		return do(want, "dkvrun", append([]string{"-q", "-m", strings.Join(hosts, ",")}, code...)...)
	}
	run(true, "-e", `new_store{"S", instance_prefix = "s"}:check() start_store{"S", parallel = true}:check() wait_ready("S")`)
	file := func(name string) string { return filepath.Join(s.dir, name) }
	do(true, "dkvmanager", "credential", "--data-dir", folder, "--app", "web", "--store", "S", "--out", file("web.pem"))

	load := &rotationLoad{}
	load.file.Store(file("web.pem"))
	for _, h := range hosts {
		load.servers = append(load.servers, h+":7861")
	}
	// A new credential works at an instance when its manager has the line of the access log.
	for _, server := range load.servers {
		one := &rotationLoad{servers: []string{server}}
		one.file.Store(file("web.pem"))
		c := one.client()
		for end := time.Now().Add(20 * time.Second); one.put(c, 0) != nil; {
			if time.Now().After(end) {
				t.Fatalf("the application can't write: %v", one.put(c, 0))
			}
		}
		c.CloseIdleConnections()
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { load.run(ctx) })
	defer running.Wait()
	defer stop()

	script := "../scripts/rotate_authority.lua"
	if said := run(true, script); !strings.Contains(said, "All servers and instances trust authority") {
		t.Errorf("before: %s", said)
	}
	do(true, "dkvmanager", "pki", "rotate", "--data-dir", folder)
	if said := do(true, "dkvmanager", "pki", "rotate", "--data-dir", folder); !strings.Contains(said, "being replaced already") {
		t.Errorf("begun twice: %s", said)
	}
	if said := do(false, "dkvmanager", "pki", "rotate", "--end", "--data-dir", folder); !strings.Contains(said, "dkv://app.prod/S/web") {
		t.Errorf("the refusal doesn't name the application: %s", said)
	}
	if said := run(true, script); !strings.Contains(said, "vouches for all managers and instances") {
		t.Errorf("the runbook: %s", said)
	}
	admin := filepath.Join(s.dir, "home", ".config", "dkvrun", "prod.pem")
	old := file("old.pem")
	if err := os.Rename(admin, old); err != nil {
		t.Fatal(err)
	}
	do(true, "dkvmanager", "credential", "--data-dir", folder, "--update", old, "--out", admin)
	do(true, "dkvmanager", "credential", "--data-dir", folder, "--update", file("web.pem"), "--out", file("web2.pem"))
	load.file.Store(file("web2.pem"))
	err := poll(30*time.Second, func() error { // the application's connections with its old file end within a moment
		said, err := s.command("home", "dkvmanager", "pki", "rotate", "--end", "--data-dir", folder).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, said)
		}
		return nil
	})
	if err != nil {
		t.Fatalf("not retired: %v", err)
	}
	if said := do(true, "dkvmanager", "pki", "rotate", "--end", "--data-dir", folder); !strings.Contains(said, "No rotation of the authority") {
		t.Errorf("ended twice: %s", said)
	}
	if said := run(true, script); !strings.Contains(said, "alone") {
		t.Errorf("after: %s", said)
	}
	stop()
	running.Wait()
	if n := load.failed.Load(); n > 0 || load.acked.Load() < 10 {
		t.Errorf("%d requests failed of %d, the last with %v", n, load.acked.Load(), load.last.Load())
	}
	t.Logf("%d writes were acknowledged", load.acked.Load())
	lost := fmt.Sprintf(`local s, lost = connect_store("S"), 0
for n = 1, %d do if s:get("k" .. n) ~= "k" .. n then lost = lost + 1 end end return lost`, load.acked.Load())
	if said := run(true, "-e", lost); strings.TrimSpace(said) != "0" {
		t.Errorf("lost writes: %s", said)
	}
	if said := run(false, "--credential", old, "-e", "get_store()"); !strings.Contains(said, "authority") {
		t.Errorf("the old file: %s", said)
	}
}
