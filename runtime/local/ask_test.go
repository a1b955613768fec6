package local

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	"dkvrun/runtime/wire"
)

// askerVariable makes the test binary send one request from the server that it names: a process of a
// server reaches that one also when it is cut off, and isn't told of cuts.
const askerVariable = "LOCAL_TEST_ASKER"

// asker sends its standard input, if there is any, to a URL, and gives back the answer. A path of the engine's
// gRPC service, which members serve to themselves also when nobody else gets through, is spoken to in that.
func asker(own, url string) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(own)}}
	transport := &http.Transport{DialContext: dialer.DialContext}
	client := http.Client{Timeout: 2 * time.Second, Transport: transport}
	body, err := io.ReadAll(os.Stdin)
	if err != nil {
		fail(err)
	}
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err == nil && len(body) > 0 {
		request, err = http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	}
	if err != nil {
		fail(err)
	}
	grpc := strings.HasPrefix(request.URL.Path, "/etcdserverpb.")
	if grpc {
		transport.Protocols = new(http.Protocols)
		transport.Protocols.SetUnencryptedHTTP2(true)
		request.Header.Set("Content-Type", "application/grpc")
		request.Header.Set("TE", "trailers")
	}
	answer, err := client.Do(request)
	if err != nil {
		fail(err)
	}
	if _, err := io.Copy(os.Stdout, answer.Body); err != nil {
		fail(err)
	}
	if answer.StatusCode != http.StatusOK || grpc && answer.Trailer.Get("Grpc-Status") != "0" {
		fail(answer.Status, answer.Trailer)
	}
	os.Exit(0)
}

func fail(why ...any) {
	fmt.Println(why...)
	os.Exit(1)
}

// putFrom writes through an instance, asked from its own server.
func putFrom(n wire.Node, key, value string) (string, error) {
	message := fmt.Appendf(nil, "\n%c%s\x12%c%s", len(key), key, len(value), value)
	frame := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
	return askFrom(n.Host, fmt.Sprintf("http://%s:%d/etcdserverpb.KV/Put", n.Host, n.ClientPort), string(frame))
}

// askFrom asks from a server itself.
func askFrom(own, url, body string) (string, error) {
	cmd := exec.Command(os.Args[0], url)
	cmd.Env = append(os.Environ(), askerVariable+"="+own)
	cmd.Stdin = strings.NewReader(body)
	out, err := cmd.CombinedOutput()
	return string(out), err
}
