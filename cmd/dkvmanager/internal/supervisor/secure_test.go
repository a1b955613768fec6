package supervisor

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/cmd/dkvmanager/internal/instancekeys"
	"dkvrun/cmd/dkvmanager/internal/security"
	"dkvrun/cmd/dkvmanager/internal/storetest"
	"dkvrun/runtime/identity"
	"dkvrun/runtime/wire"
)

// newSecuredCluster makes a cluster of managers that are secured: the first one made it, the others joined.
func newSecuredCluster(t *testing.T, servers int) *cluster {
	t.Helper()
	return newClusterOf(t, servers, func(s *server) *security.Member {
		t.Helper()
		secured, err := security.IsSecured(s.dir)
		if err == nil && !secured {
			if others := s.cluster.servers; len(others) == 0 {
				err = security.Create(s.dir, "prod", s.identity, "root", time.Now())
			} else {
				err = s.join(others[0])
			}
		}
		var m *security.Member
		if err == nil {
			m, err = security.Open(s.dir, s.identity, []string{s.host}, time.Now)
		}
		if err != nil {
			t.Fatal(err)
		}
		return m
	})
}

// join lets the server join the cluster of the first one.
func (s *server) join(first *server) error {
	token, err := first.member.Token(1, time.Hour, "")
	if err != nil {
		return err
	}
	j, err := security.BeginJoin(s.dir, s.identity, token, false)
	if err != nil {
		return err
	}
	request, err := j.Request("https://" + s.host + ":7801")
	if err != nil {
		return err
	}
	answer, err := first.member.Join(request)
	if err != nil {
		return err
	}
	return j.Complete(answer, "https://"+first.host+":7801", time.Now())
}

// spreadAccess brings the access log of the first server to the others, as managers do every 2 seconds.
func (c *cluster) spreadAccess() {
	c.t.Helper()
	first := c.servers[0].member
	for _, s := range c.servers[1:] {
		if err := s.member.Pull(first.Access(), first.Lines); err != nil {
			c.t.Fatal(err)
		}
	}
}

// call makes a JSON request to an instance and returns the body of its answer, or an error with it. The client checks
// nothing but the address, as curl does.
func (c *cluster) call(b *identity.Bundle, n wire.Node, path string, body any) (string, error) {
	c.t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(c.servers[0].member.Policy().Roots[0])
	secure := &tls.Config{RootCAs: roots}
	if b != nil {
		secure.Certificates = []tls.Certificate{*b.TLS(false)}
	}
	text, err := json.Marshal(body)
	if err != nil {
		c.t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: secure, DisableKeepAlives: true}
	web := http.Client{Timeout: 5 * time.Second, Transport: transport}
	address := net.JoinHostPort(n.Host, strconv.Itoa(n.ClientPort))
	resp, err := web.Post("https://"+address+path, "application/json", bytes.NewReader(text))
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if text, err = io.ReadAll(resp.Body); err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, text)
	}
	return string(text), err
}

func (c *cluster) putAs(b *identity.Bundle, n wire.Node) error {
	_, err := c.call(b, n, "/v3/kv/put", map[string]any{"key": "aw==", "value": "dg=="})
	return err
}

// A store of secured managers starts, grows by a data instance and a gateway, shrinks, and restarts; its ports take its
// own applications alone.
func TestSecured_StoreGrowsAndShrinks(t *testing.T) {
	t.Parallel()
	c := newSecuredCluster(t, 3)
	web, err := c.servers[0].member.AppCredential("Orders", "web", identity.AppRole, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	c.spreadAccess()
	c.create("Orders", c.spread("orders", 1, 1))
	c.start("Orders")
	c.waitAllReady("Orders", 30*time.Second)
	c.widen("Orders", wire.DesiredRunning, c.spread("orders", 2, 3)...)
	c.waitAllReady("Orders", 60*time.Second)
	gateway := c.servers[1].node("orders-g", 5)
	gateway.Role = wire.Gateway
	c.widen("Orders", wire.DesiredRunning, gateway)
	c.waitAllReady("Orders", 30*time.Second)
	for _, n := range c.nodes["Orders"] {
		if err := c.putAs(web, n); err != nil {
			t.Errorf("%s: a write of an application: %v", n.Name, err)
		}
		if err := c.putAs(nil, n); err == nil || !strings.Contains(err.Error(), "401") {
			t.Errorf("%s: a write of nobody: %v", n.Name, err)
		}
		if resp, err := http.Get("http://" + clusterAddress(n) + "/members"); err == nil {
			resp.Body.Close()
			if resp.StatusCode != http.StatusBadRequest {
				t.Errorf("%s answers without TLS on its cluster port", n.Name)
			}
		}
	}
	c.removeFromTopology("Orders", "orders-2", false)
	storetest.Wait(t, 60*time.Second, func() (bool, string) {
		return c.allReady("Orders"), describe(c.instances("Orders"))
	})
	list, err := c.call(web, c.node("Orders", "orders-1"), "/v3/cluster/member/list", struct{}{})
	if err != nil || strings.Count(list, `"ID"`) != 3 || strings.Contains(list, "orders-2") || strings.Contains(list, "http:") {
		t.Errorf("members after orders-g has taken the place of orders-2: %s, %v", list, err)
	}
	// The keys stay as they are over a restart.
	in := c.node("Orders", "orders-1")
	s := c.at(in)
	path := filepath.Join(s.folder(place{"Orders", in.Name}), instancekeys.CertificateFile)
	before, err := identity.Load(path) // which checks the mode
	if err != nil {
		t.Fatal(err)
	}
	if names := before.Chain[0].DNSNames; len(names) != 2 || names[0] != "orders.example" || !strings.HasSuffix(names[1], ".store.dkv.internal") {
		t.Errorf("names %q", names)
	}
	s.mustStop("Orders", in.Name, false)
	s.mustStart("Orders", in.Name)
	c.waitAllReady("Orders", 30*time.Second)
	if after, err := identity.Load(path); err != nil || !after.Chain[0].Equal(before.Chain[0]) {
		t.Errorf("another certificate after a restart: %v", err)
	}
}

// A revocation reaches the instances of every server within seconds, and a new grant too.
func TestSecured_FollowsTheAccessLog(t *testing.T) {
	t.Parallel()
	c := newSecuredCluster(t, 2)
	c.create("Orders", c.spread("orders", 1, 2))
	c.start("Orders")
	c.waitAllReady("Orders", 30*time.Second)
	first := c.servers[0].member
	web, err := first.AppCredential("Orders", "web", identity.AppRole, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	report, err := first.AppCredential("Orders", "report", identity.ReadOnlyApp, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	c.spreadAccess()
	for _, n := range c.nodes["Orders"] {
		storetest.Eventually(t, 3*time.Second, "the application may write", func() error { return c.putAs(web, n) })
		if err := c.putAs(report, n); err == nil || !strings.Contains(err.Error(), "app-readonly report may not call") {
			t.Errorf("%s: a write of a reader: %v", n.Name, err)
		}
	}
	if _, err := first.Revoke("dkv://app.prod/Orders/web"); err != nil {
		t.Fatal(err)
	}
	c.spreadAccess()
	for _, n := range c.nodes["Orders"] {
		storetest.Wait(t, 3*time.Second, func() (bool, string) {
			err := c.putAs(web, n)
			return err != nil && strings.Contains(err.Error(), "revoked"), fmt.Sprintf("a revoked application: %v", err)
		})
	}
}

// A manager whose store was made before it was secured doesn't start: its ports would stay open, or the store down.
func TestSecured_RefusesPlainInstances(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	s := c.servers[0]
	c.create("Orders", c.spread("orders", 1, 1))
	c.start("Orders")
	c.waitAllReady("Orders", 30*time.Second)
	s.mustStop("Orders", "orders-1", false)
	s.close()
	if err := security.Create(s.dir, "prod", s.identity, "root", time.Now()); err != nil {
		t.Fatal(err)
	}
	m, err := security.Open(s.dir, s.identity, nil, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	cat, err := catalog.Open(s.dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	options := s.opts
	options.Catalog, options.Security = cat, m
	_, err = New(options)
	if err == nil || !strings.Contains(err.Error(), "orders-1 of store Orders was started before this manager was secured") {
		t.Errorf("a secured manager with a plain store: %v", err)
	}
	if err := cat.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(s.dir, "pki"), filepath.Join(s.dir, "away")); err != nil {
		t.Fatal(err)
	}
	s.open() // as the message says
}
