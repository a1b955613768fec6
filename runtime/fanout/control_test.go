package fanout

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// Control is called before each connection is made, and can prevent it.
func TestClient_Control(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	endpoints, err := ParseEndpoints([]string{strings.TrimPrefix(server.URL, "http://")}, 7801)
	if err != nil {
		t.Fatal(err)
	}
	var seen atomic.Int32
	refuse := errors.New("not this one")
	client := New(Config{Control: func(_, address string, _ syscall.RawConn) error {
		if _, _, err := net.SplitHostPort(address); err != nil {
			t.Error(err)
		}
		if seen.Add(1) == 1 {
			return nil
		}
		return refuse
	}})
	defer client.Close()
	get := func() Answer {
		return client.Do(context.Background(), []Request{{Endpoint: endpoints[0], Method: http.MethodGet, Path: "/"}},
			Options{})[0]
	}
	if a := get(); a.Err != nil || seen.Load() != 1 {
		t.Fatalf("asked %d times: %v", seen.Load(), a.Err)
	}
	if a := get(); a.Err != nil || seen.Load() != 1 { // the connection is reused
		t.Fatalf("asked %d times: %v", seen.Load(), a.Err)
	}
	server.CloseClientConnections()
	if a := get(); a.Err == nil || !errors.Is(a.Err, refuse) {
		t.Errorf("a connection that was refused: %v", a.Err)
	}
}
