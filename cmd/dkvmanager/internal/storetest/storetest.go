// Package storetest helps tests of stores: it waits for conditions, uses a running store through the client port of one
// instance, and limits the size of a process's files.
package storetest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"dkvrun/runtime/wire"
)

// Wait polls until look reports ok. After limit the test fails with the text that look returned last.
func Wait(t *testing.T, limit time.Duration, look func() (ok bool, otherwise string)) {
	t.Helper()
	end := time.Now().Add(limit)
	for {
		ok, otherwise := look()
		if ok {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("after %v: %s", limit, otherwise)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Eventually polls until try succeeds. After limit the test fails with the description of the condition and the last
// error.
func Eventually(t *testing.T, limit time.Duration, what string, try func() error) {
	t.Helper()
	Wait(t, limit, func() (bool, string) {
		err := try()
		return err == nil, fmt.Sprintf("not yet: %s: %v", what, err)
	})
}

// client keeps no connections: instances come and go under the same address.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}

// Call posts to the engine's JSON API of a node, and decodes the answer.
func Call(n wire.Node, path string, body, answer any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	url := "http://" + net.JoinHostPort(n.Host, strconv.Itoa(n.ClientPort)) + path
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url, bytes.NewReader(text))
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if text, err = io.ReadAll(resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s %s", path, resp.Status, text)
	}
	return json.Unmarshal(text, answer)
}

// TryPut writes a key through an instance, or returns why that is not possible now.
func TryPut(n wire.Node, key, value string) error {
	return Call(n, "/v3/kv/put", map[string][]byte{"key": []byte(key), "value": []byte(value)}, &struct{}{})
}

// Put writes a key through an instance.
func Put(t *testing.T, n wire.Node, key, value string) {
	t.Helper()
	if err := TryPut(n, key, value); err != nil {
		t.Fatalf("put through %s: %v", n.Name, err)
	}
}

// Get reads a key through an instance. It returns "" for a key that does not exist.
func Get(t *testing.T, n wire.Node, key string) string {
	t.Helper()
	var answer struct {
		KVs []struct{ Value []byte } `json:"kvs"`
	}
	if err := Call(n, "/v3/kv/range", map[string][]byte{"key": []byte(key)}, &answer); err != nil {
		t.Fatalf("get through %s: %v", n.Name, err)
	}
	if len(answer.KVs) == 0 {
		return ""
	}
	return string(answer.KVs[0].Value)
}

// Members returns the names of a store's members in order, as one instance reports them; learners are in brackets.
func Members(t *testing.T, n wire.Node) string {
	t.Helper()
	var answer struct {
		Members []struct {
			Name      string `json:"name"`
			IsLearner bool   `json:"isLearner"`
		} `json:"members"`
	}
	if err := Call(n, "/v3/cluster/member/list", struct{}{}, &answer); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range answer.Members {
		name := m.Name
		if m.IsLearner {
			name = "[" + name + "]"
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}
