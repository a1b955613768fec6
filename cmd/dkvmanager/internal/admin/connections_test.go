package admin

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/runtime/wire"
)

// closedConn records that it was closed.
type closedConn struct {
	net.Conn
	closed bool
}

func (c *closedConn) Close() error { c.closed = true; return nil }

// crowd gives slots to connections of named clients.
type crowd struct {
	t   *testing.T
	all *slots
}

// enter opens a connection of a client and sets its state. It fails the test unless the connection gets a slot and
// exactly gone is closed for it; nil means no connection.
func (c crowd) enter(client string, in connState, gone *slot) *slot {
	c.t.Helper()
	p, victim, refusal := c.try(client)
	if refusal != nil || victim != gone {
		c.t.Fatalf("%s: closes %v and is refused with %v, want %v", client, victim, refusal, gone)
	}
	p.enter(in)
	return p
}

func (c crowd) try(client string) (p, victim *slot, refusal *wire.Result) {
	from := netip.MustParseAddr(client)
	p = &slot{Conn: &closedConn{}, in: c.all, from: from, known: c.all.known(from), state: fresh, taken: true}
	victim, refusal = c.all.take(p)
	return p, victim, refusal
}

func newCrowd(t *testing.T, most int) crowd {
	all := newSlots(nil, most, func(a netip.Addr) bool { return a == netip.MustParseAddr("10.0.0.11") }, "m-1")
	all.perAddress = 4
	return crowd{t, all}
}

func TestPlaces_AClientGivesUpItsOwn(t *testing.T) {
	c := newCrowd(t, 16)
	other := c.enter("10.0.0.1", idle, nil)
	c.enter("10.0.0.2", serving, nil)
	slow := c.enter("10.0.0.2", answering, nil)
	silent := c.enter("10.0.0.2", fresh, nil)
	waits := c.enter("10.0.0.2", idle, nil)
	for _, gone := range []*slot{waits, silent, slow} {
		c.enter("10.0.0.2", serving, gone)
	}
	if _, _, refusal := c.try("10.0.0.2"); refusal == nil || refusal.Code != wire.CodeTooBusy ||
		!strings.Contains(refusal.Message, "4 requests from 10.0.0.2") {
		t.Errorf("a fifth request: %v", refusal)
	}
	if !other.taken {
		t.Error("another client lost its slot")
	}
}

func TestPlaces_ShortageClosesTheGreediest(t *testing.T) {
	c := newCrowd(t, 16) // 12 for unknown clients
	lone := c.enter("10.0.0.1", idle, nil)
	var greedy []*slot
	for i := range 4 {
		greedy = append(greedy, c.enter("10.0.0.2", reading, nil))
		if i < 3 {
			c.enter("10.0.0.3", serving, nil)
			c.enter("10.0.0.4", serving, nil)
		}
	}
	c.enter("10.0.0.5", serving, nil)
	for i, gone := range greedy[:3] {
		c.enter(fmt.Sprintf("10.0.1.%d", i), serving, gone)
	}
	if !lone.taken {
		t.Error("a client with one connection lost its slot to one with many")
	}
	if c.all.all != 12 || c.all.strangers != 12 {
		t.Errorf("%d slots are taken, %d by strangers", c.all.all, c.all.strangers)
	}
}

func TestPlaces_AreKeptForKnownClients(t *testing.T) {
	c := newCrowd(t, 16)
	manager := c.enter("10.0.0.11", idle, nil)
	for i := range 12 {
		c.enter(fmt.Sprintf("10.0.1.%d", i), serving, nil)
	}
	if _, _, refusal := c.try("10.0.2.1"); refusal == nil || refusal.Code != wire.CodeTooBusy {
		t.Errorf("a stranger without a slot: %v", refusal)
	}
	for range 3 {
		c.enter("10.0.0.11", serving, nil)
	}
	if !manager.taken {
		t.Error("a stranger took the slot of a manager")
	}
	if err := manager.Close(); err != nil || !manager.Conn.(*closedConn).closed || c.all.all != 15 {
		t.Errorf("closed: %v, %d slots are taken", err, c.all.all)
	}
	_ = manager.Close() // closed twice, it gives up one slot
	if c.all.all != 15 || c.all.strangers != 12 {
		t.Errorf("%d slots are taken, %d by strangers", c.all.all, c.all.strangers)
	}
}

func TestPlaces_KnownClientsAreManagersOfTheCatalogAndMembers(t *testing.T) {
	var k knownClients
	at := netip.MustParseAddr
	if k.has(at("10.0.0.11")) || !k.has(at("127.9.9.9")) || !k.has(at("::1")) {
		t.Error("before the catalog was read")
	}
	k.refresh(t.Context(), &catalog.Data{
		Stores: map[string]*catalog.Store{"S": {Managers: []wire.Manager{{URL: "http://10.0.0.11:7801"}, {URL: "http://[fd00::1]:7801"}}}},
		Names: map[string]*catalog.Name{"t": {Prepared: &catalog.PreparedRecord{
			Operation: wire.Operation{Managers: []wire.Manager{{URL: "http://10.0.0.12:7801"}, {URL: "http://localhost:7801"}}}}}},
	}, []wire.Manager{{URL: "https://10.0.0.14:7801"}})
	for address, want := range map[string]bool{"10.0.0.11": true, "fd00::1": true, "10.0.0.12": true, "10.0.0.13": false, "10.0.0.14": true} {
		if k.has(at(address)) != want {
			t.Errorf("%s: known is %v", address, !want)
		}
	}
}

// A client with as many requests in progress as one address may have gets a refusal that says so.
func TestServe_RefusesMoreRequestsOfOneAddress(t *testing.T) {
	b, l := serveHarness(t, "127.58.2.5:0", func(a *API) { a.limits.connections = 4 })
	b.must("POST", wire.StoresPath(), orders(2, ownHost), wire.CodeOK, "Created")
	b.sup.enter, b.sup.leave = make(chan struct{}), make(chan struct{})
	for i := range 2 { // half of the slots
		say(t, l, "POST "+wire.InstancePath("OrdersStore", fmt.Sprintf("orders-%d", i+1))+"/start HTTP/1.1\r\nHost: localhost\r\n\r\n")
		<-b.sup.enter
	}
	got, err := io.ReadAll(say(t, l, ""))
	if err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 503 ") || !strings.Contains(string(got), "2 requests from 127.0.0.1") {
		t.Errorf("got %q, %v", got, err)
	}
	for range 2 {
		b.sup.leave <- struct{}{}
	}
}

// A client that sends requests and does not read the responses does not shut out others.
func TestServe_UnreadResponsesGiveWay(t *testing.T) {
	_, l := serveHarness(t, "127.58.2.6:0", func(a *API) { a.limits.connections = 4 })
	requests := strings.Repeat("GET "+wire.Prefix+"/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n", 1000)
	for range 2 { // half of the slots
		c := say(t, l, "")
		for blocked := false; !blocked; { // until the manager, which waits for the client to read, reads no more
			if err := c.SetWriteDeadline(time.Now().Add(500 * time.Millisecond)); err != nil {
				t.Fatal(err)
			}
			_, err := io.WriteString(c, requests)
			blocked = err != nil
		}
	}
	c := say(t, l, "GET "+wire.HealthPath()+" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
	if got, err := io.ReadAll(c); !strings.HasPrefix(string(got), "HTTP/1.1 200 ") {
		t.Errorf("got %q, %v", got, err)
	}
}
