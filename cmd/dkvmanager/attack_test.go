package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"dkvrun/runtime/wire"
)

// dialFrom opens a connection to a manager from a loopback address, and sends text.
func dialFrom(t *testing.T, from, ip, text string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.Dial("tcp", ip+":7801")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_, _ = io.WriteString(c, text) // the manager may have closed the connection already
	return c
}

// A client that holds as many connections as a manager serves, silent or with bodies that never end, shuts out neither
// other clients nor other connections from its address.
func TestAttack_ConnectionsKeepNobodyOut(t *testing.T) {
	const ip, stranger = "127.23.7.11", "127.23.7.99"
	startDaemon(t, ip, filepath.Join(t.TempDir(), "data"))
	slow := "POST " + wire.StoresPath() + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"
	for _, sends := range []string{"", slow, "GET " + wire.HealthPath() + " HTTP/1.1\r\nHost:"} {
		for range 1024 {
			dialFrom(t, stranger, ip, sends)
		}
		for _, client := range []string{"127.23.7.12", stranger} {
			c := dialFrom(t, client, ip, "GET "+wire.HealthPath()+" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
			if err := c.SetReadDeadline(time.Now().Add(4 * time.Second)); err != nil { // silent ones would be closed after 5 s
				t.Fatal(err)
			}
			if got, err := io.ReadAll(c); !strings.HasPrefix(string(got), "HTTP/1.1 200 ") {
				t.Errorf("beside 1,024 connections that sent %.30q, %s gets %q, %v", sends, client, got, err)
			}
		}
	}
}

// A body that is too large, or not expected, is refused by the request's header, without waiting for the body.
func TestAttack_AnnouncedBodiesAreNotWaitedFor(t *testing.T) {
	const ip = "127.23.7.21"
	startDaemon(t, ip, filepath.Join(t.TempDir(), "data"))
	for request, code := range map[string]string{
		"POST " + wire.StoresPath() + " HTTP/1.1\r\nContent-Length: 8388609":                 wire.CodeBodyTooLarge,
		"GET " + wire.StoresPath() + " HTTP/1.1\r\nContent-Length: 100":                      wire.CodeBadRequest,
		"POST /nowhere HTTP/1.1\r\nContent-Length: 100":                                      wire.CodeNotFound,
		"POST " + wire.StoresPath() + "?x=1 HTTP/1.1\r\nContent-Length: 9223372036854775807": wire.CodeBadRequest,
	} {
		c := dialFrom(t, "127.23.7.99", ip, request+"\r\nHost: localhost\r\n\r\n")
		if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil { // a body may take 30 s
			t.Fatal(err)
		}
		if got, err := io.ReadAll(c); err != nil || !strings.Contains(string(got), fmt.Sprintf(`"code":%q`, code)) {
			t.Errorf("%q: got %q, %v; want %s", request, got, err, code)
		}
	}
}

// Large bodies that arrive slowly keep no slot from another client's.
func TestAttack_SlowLargeBodiesKeepNobodyOut(t *testing.T) {
	const ip = "127.23.7.25"
	startDaemon(t, ip, filepath.Join(t.TempDir(), "data"))
	head := "POST " + wire.StoresPath() + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 100000\r\n\r\n"
	list := "[" + strings.Repeat(`"0123456789",`, 8000)
	var slow []net.Conn
	for range 20 {
		slow = append(slow, dialFrom(t, "127.23.7.99", ip, head+list[:80000]))
	}
	c := dialFrom(t, "127.23.7.12", ip, head+list[:99995]+`"0"]}`)
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil { // slow bodies may take 30 s
		t.Fatal(err)
	}
	if got, err := io.ReadAll(c); err != nil || !strings.Contains(string(got), `"code":"bad_request"`) {
		t.Errorf("a body beside slow ones: got %q, %v", got, err)
	}
	// The connection of one that gave way is told why.
	busy := 0
	for _, c := range slow {
		if err := c.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(c) // others are still waited for
		if strings.Contains(string(got), `"code":"too_busy"`) {
			busy++
		}
	}
	if busy == 0 {
		t.Error("no slow body was refused")
	}
}

// identity returns the identity of the manager.
func (d *daemon) identity() string {
	d.t.Helper()
	var info wire.Info
	d.get(wire.InfoPath(), &info)
	return info.Identity
}

// memory returns the resident memory of the manager's process in bytes.
func (d *daemon) memory() int {
	d.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", d.cmd.Process.Pid))
	if err != nil {
		d.t.Fatal(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	if err != nil {
		d.t.Fatal(err)
	}
	return pages * os.Getpagesize()
}

// Requests that are refused leave nothing behind, however much they would inflate to.
func TestAttack_RefusedRequestsLeaveNothing(t *testing.T) {
	const ip, requests = "127.23.7.31", 10_000
	d := startDaemon(t, ip, filepath.Join(t.TempDir(), "data"))
	d.must("POST", wire.StoresPath(), orders(1, ip), "Created")
	to, huge := "?to="+d.identity(), strings.Repeat("x", 8<<20)
	node := `{"name":"a-1","host":"` + ip + `","clustronPort":7811,"clientPort":7861,"manager":"%s"}`
	post := func(path, body string) string {
		var zipped bytes.Buffer
		w := gzip.NewWriter(&zipped)
		if _, err := io.WriteString(w, body); err != nil || w.Close() != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s",
			path, zipped.Len(), &zipped)
	}
	attacks := []string{
		post(wire.FencePath("n0")+to, `{"survivors":[],"lost":"`+huge+`"}`),
		post(wire.StoresPath(), `{"name":"S","nodes":[`+fmt.Sprintf(node, huge)+`]}`),
		post(wire.StoresPath(), `{"name":"S","nodes":[`+fmt.Sprintf(node, "x")+`],"managers":[{"identity":"a","url":"http://x/`+huge+`"}]}`),
		post(wire.OperationsPath()+to, `{"owner":"`+huge+`"}`),
		post(wire.OperationPath("0198f0a0-5d2e-7c41-9d0f-2f6f8f3f7a11")+"/abort"+to, `{"store":"`+huge+`"}`),
		post(wire.DecidePath("n0")+to, `{"lost":"`+strings.Repeat(" ", 65)+`","home":"a"}`),
		post(wire.StoresPath(), strings.Repeat("[", 8<<20)),
		post(wire.StoresPath(), strings.Repeat(" ", 8<<20)),
	}
	send := func(attack string) {
		if got := exchange(t, ip, attack); !strings.HasPrefix(got, "HTTP/1.1 400 ") {
			t.Fatalf("%.60q: got %.300q", attack, got)
		}
	}
	for range 100 { // lets the process allocate what it needs in any case
		send(attacks[0])
	}
	file := filepath.Join(d.dir, "catalog.json")
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	had := d.memory()
	for i := range requests {
		send(attacks[i%len(attacks)])
	}
	if grown := d.memory() - had; grown > 64<<20 {
		t.Errorf("%d refused requests took %d MiB for good", requests, grown>>20)
	} else {
		t.Logf("%d refused requests: %d KiB more resident memory", requests, grown>>10)
	}
	if after, err := os.ReadFile(file); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the catalog changed (%v):\n%.2000s", err, after)
	}
}

// A client that declares managers lost for a free name does not prevent the creation of a store of that name.
func TestAttack_FenceOfAFreeName(t *testing.T) {
	const ip = "127.23.7.41"
	d := startDaemon(t, ip, filepath.Join(t.TempDir(), "data"))
	status, text := d.call("POST", wire.FencePath("OrdersStore")+"?to="+d.identity(), wire.FenceRequest{Lost: "x", Survivors: []string{}})
	if status != 200 {
		t.Fatalf("%d %s", status, text)
	}
	d.must("POST", wire.StoresPath(), orders(1, ip), "Created")
}

// A manager connects to no address because a client says so, unless the client is at that address itself.
func TestAttack_ResolveConnectsToNobody(t *testing.T) {
	const ip, target = "127.23.7.51", "127.23.7.52"
	d := startDaemon(t, ip, filepath.Join(t.TempDir(), "data"))
	listener, err := net.Listen("tcp", target+":0")
	if err != nil {
		t.Fatal(err)
	}
	connected := make(chan struct{}, 10)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		connected <- struct{}{}
		http.Error(w, "answer of the peer", http.StatusTeapot)
	})}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	resolve := func(from, home string) string {
		c := dialFrom(t, from, ip, "POST "+wire.ResolvePath("Z")+"?"+url.Values{"to": {d.identity()}, "home": {home}}.Encode()+
			" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
		got, err := io.ReadAll(c)
		if err != nil {
			t.Fatal(err)
		}
		return string(got)
	}
	home := "http://" + listener.Addr().String()
	if got := resolve("127.23.7.99", home); !strings.HasPrefix(got, "HTTP/1.1 200 ") || len(connected) > 0 {
		t.Errorf("another's address: connected %d times, and %q", len(connected), got)
	}
	for _, url := range []string{home + "/any/path?x=", home + "/", "http://user@" + target + ":1", "ftp://" + target} {
		if got := resolve(target, url); !strings.Contains(got, `"code":"bad_request"`) || len(connected) > 0 {
			t.Errorf("%s: connected %d times, and %q", url, len(connected), got)
		}
	}
	// The client is the manager at that address. Its answers are not passed on to any client.
	if got := resolve(target, home); len(connected) != 1 || !strings.Contains(got, `"code":"home_silent"`) ||
		strings.Contains(got, "answers 418") || strings.Contains(got, "answer of the peer") {
		t.Errorf("its own address: connected %d times, and %q", len(connected), got)
	}
}

// hostilePeer serves a manager's address by answer until the test ends, and returns its URL.
func hostilePeer(t *testing.T, ip string, answer http.HandlerFunc) string {
	t.Helper()
	listener, err := net.Listen("tcp", ip+":0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: answer}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return "http://" + listener.Addr().String()
}

// resolveAt returns a request that makes a manager query another one.
func (d *daemon) resolveAt(store, home string) string {
	return "POST " + wire.ResolvePath(store) + "?" + url.Values{"to": {d.identity()}, "home": {home}}.Encode() +
		" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
}

// Requests that wait for managers which don't answer leave connections for other clients, however many there are, and
// also if a store names those managers.
func TestAttack_SilentPeersKeepNobodyOut(t *testing.T) {
	const ip = "127.23.7.71"
	d := startDaemon(t, ip, filepath.Join(t.TempDir(), "data"))
	silent := hostilePeer(t, "127.23.7.79", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	store := orders(1, ip)
	store.Operation = "0198f0a0-5d2e-7c41-9d0f-2f6f8f3f7a11"
	store.Managers = []wire.Manager{{Identity: "0", URL: silent}, {Identity: d.identity(), URL: "http://" + ip + ":7801"}}
	d.must("POST", wire.StoresPath(), store, "Created")
	for _, name := range []string{"Z", store.Name} {
		attack := d.resolveAt(name, silent)
		for i := range 800 {
			dialFrom(t, fmt.Sprintf("127.23.7.%d", 78+i%2), ip, attack)
		}
		c := dialFrom(t, "127.23.7.12", ip, "GET "+wire.HealthPath()+" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
		if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(c); !strings.HasPrefix(string(got), "HTTP/1.1 200 ") {
			t.Errorf("beside 800 requests about %s, another client gets %q, %v", name, got, err)
		}
	}
}

// Large answers of other managers are read one after the other, and one that talks nonsense does not fill the log.
func TestAttack_AnswersOfPeersAreBounded(t *testing.T) {
	const ip, peer, requests = "127.23.7.81", "127.23.7.82", 300
	d := startDaemon(t, ip, filepath.Join(t.TempDir(), "data"))
	large := []byte(`{"manager":"x","store":"Z","fenced":["` + strings.Repeat(`","`, 180_000) + `"]}`)
	var answers atomic.Int64
	home := hostilePeer(t, peer, func(w http.ResponseWriter, r *http.Request) {
		if n := answers.Add(1); n%2 == 0 {
			_, _ = w.Write(large)
		} else {
			w.WriteHeader(int(200 + n%300))
		}
	})
	store := orders(1, ip)
	store.Operation = "0198f0a0-5d2e-7c41-9d0f-2f6f8f3f7a11"
	store.Managers = []wire.Manager{{Identity: "0", URL: home}, {Identity: d.identity(), URL: "http://" + ip + ":7801"}}
	d.must("POST", wire.StoresPath(), store, "Created")
	had := d.memory()
	attack := d.resolveAt(store.Name, home)
	var all sync.WaitGroup
	for range requests {
		c := dialFrom(t, peer, ip, attack)
		all.Go(func() { _, _ = io.ReadAll(c) })
	}
	all.Wait()
	if grown := d.memory() - had; grown > 256<<20 {
		t.Errorf("%d answers of another manager took %d MiB", requests, grown>>20)
	}
	if lines := strings.Count(d.log.String(), "no answer of"); lines > 2*(maxLogged+1) { // the test may take over a minute
		t.Errorf("%d lines in the log", lines)
	}
	if n := answers.Load(); n < 100 {
		t.Errorf("only %d answers were requested", n)
	}
}

// Clients that ask for all stores of a large catalog, and don't read the answers, cost little memory and keep no answer
// from others.
func TestAttack_SlowReadersOfALargeCatalog(t *testing.T) {
	const ip, readers = "127.23.7.85", 20
	d := startDaemon(t, ip, filepath.Join(t.TempDir(), "data"))
	var managers []wire.Manager
	for i := range 16_000 {
		managers = append(managers, wire.Manager{Identity: fmt.Sprintf("m-%060d", i), URL: "http://" + strings.Repeat("x", 200) + ":1"})
	}
	for _, name := range []string{"A", "B", "C"} { // of 5 MiB each; no instance is on this server
		store := orders(1, "127.23.7.86")
		store.Name, store.Managers, store.Operation = name, managers, "0198f0a0-5d2e-7c41-9d0f-2f6f8f3f7a11"
		d.must("POST", wire.StoresPath(), store, "Created")
	}
	had := d.memory()
	request := "GET " + wire.StoresPath() + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
	var begun sync.WaitGroup
	for range readers {
		c := dialFrom(t, "127.23.7.99", ip, "")
		if err := c.(*net.TCPConn).SetReadBuffer(4096); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, request); err != nil {
			t.Fatal(err)
		}
		begun.Go(func() { _, _ = c.Read(make([]byte, 1)) })
	}
	c := dialFrom(t, "127.23.7.12", ip, request)
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil { // an answer may take 2 min
		t.Fatal(err)
	}
	got, err := io.ReadAll(c)
	if !bytes.HasPrefix(got, []byte("HTTP/1.1 200 ")) || !bytes.HasSuffix(got, []byte("]\n")) {
		t.Errorf("beside slow readers: got %d bytes, %.200q, %v", len(got), got, err)
	}
	begun.Wait()
	if grown := d.memory() - had; grown > 512<<20 {
		t.Errorf("%d slow readers took %d MiB", readers, grown>>20)
	} else {
		t.Logf("%d slow readers: %d MiB more resident memory", readers, grown>>20)
	}
}

// A manager answers to its own names only, and not to web pages.
func TestAttack_WebPages(t *testing.T) {
	const ip = "127.23.7.61"
	startDaemon(t, ip, filepath.Join(t.TempDir(), "data"), "--advertise", "db1.example", "--also-known-as", "db1,db1.other.example")
	for header, ok := range map[string]bool{
		"Host: " + ip + ":7801": true, "Host: db1.example": true, "Host: db1:7801": true, "Host: DB1.other.example": true,
		"Host: evil.example": false, "Host: db1.example.evil.example": false, "Host: localhost\r\nOrigin: http://evil.example": false,
		"Host: localhost\r\nSec-Fetch-Site: cross-site": false, "Host: localhost\r\nSec-Fetch-Site: none": true,
	} {
		got := exchange(t, ip, "GET "+wire.StoresPath()+" HTTP/1.1\r\n"+header+"\r\nConnection: close\r\n\r\n")
		if strings.HasPrefix(got, "HTTP/1.1 200 ") != ok {
			t.Errorf("%q: got %.200q", header, got)
		}
		got = exchange(t, ip, "GET /nowhere HTTP/1.1\r\n"+header+"\r\nConnection: close\r\n\r\n")
		if strings.HasPrefix(got, "HTTP/1.1 404 ") != ok {
			t.Errorf("%q on a path that does not exist: got %.300q", header, got)
		}
	}
}
