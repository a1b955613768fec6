package etcd

import (
	"encoding/base64"
	"net"
	"strconv"

	clientv3 "go.etcd.io/etcd/client/v3"

	"dkvrun/cmd/dkvmanager/internal/storetest"
	"dkvrun/runtime/wire"
)

func (in *instance) endpoint() string {
	return net.JoinHostPort(in.spec.Host, strconv.Itoa(clientPort))
}

// client returns a gRPC client of this instance only.
func (in *instance) client() *clientv3.Client {
	in.t.Helper()
	client, err := dial("", []string{in.endpoint()}, nil)
	if err != nil {
		in.t.Fatal(err)
	}
	in.t.Cleanup(func() { _ = client.Close() })
	return client
}

// node returns the instance as a node of a topology, for package storetest.
func (in *instance) node() wire.Node {
	return wire.Node{Name: in.spec.Instance, Host: in.spec.Host, ClientPort: clientPort}
}

// post calls a JSON route and returns the answer, decoded.
func (in *instance) post(path string, body any) (answer map[string]any, err error) {
	err = storetest.Call(in.node(), path, body, &answer)
	return answer, err
}

// mustPost calls post and fails the test on an error.
func (in *instance) mustPost(path string, body any) map[string]any {
	in.t.Helper()
	out, err := in.post(path, body)
	if err != nil {
		in.t.Fatalf("%s: %v", in.spec.Instance, err)
	}
	return out
}

func (in *instance) put(key, value string) {
	in.t.Helper()
	storetest.Put(in.t, in.node(), key, value)
}

func (in *instance) get(key string) string {
	in.t.Helper()
	return storetest.Get(in.t, in.node(), key)
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
