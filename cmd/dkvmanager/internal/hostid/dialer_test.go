package hostid

import (
	"net"
	"testing"
)

func TestDialer_SourceAddress(t *testing.T) {
	listener, err := net.Listen("tcp", "127.41.20.11:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	for bind, want := range map[string]string{
		"127.41.20.12": "127.41.20.12",
		"127.41.20.11": "127.41.20.11",
		"127.0.0.1":    "127.0.0.1", // chosen by the system
		"":             "127.0.0.1",
	} {
		dialed, err := Dialer(bind).Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatalf("%q: %v", bind, err)
		}
		taken, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if from, ok := taken.RemoteAddr().(*net.TCPAddr); !ok || from.IP.String() != want {
			t.Errorf("bound to %q, a connection comes from %s, want %s", bind, taken.RemoteAddr(), want)
		}
		dialed.Close()
		taken.Close()
	}
	for _, bind := range []string{"127.0.0.1", "::1", ""} {
		if local := Dialer(bind).LocalAddr; local != nil {
			t.Errorf("bound to %q, connections are bound to %s: other machines can't be reached", bind, local)
		}
	}
}
