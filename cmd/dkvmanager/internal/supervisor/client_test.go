package supervisor

import (
	"bytes"
	"context"
	"encoding/base64"
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

// call posts to the engine's JSON API of a node.
func call(n wire.Node, path string, body, answer any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	url := "http://" + net.JoinHostPort(n.Host, strconv.Itoa(n.ClientPort)) + path
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(text))
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err = io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s %s", path, resp.Status, text)
	}
	return json.Unmarshal(text, answer)
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func put(t *testing.T, n wire.Node, key, value string) {
	t.Helper()
	if err := call(n, "/v3/kv/put", map[string]string{"key": b64(key), "value": b64(value)}, &struct{}{}); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, n wire.Node, key string) string {
	t.Helper()
	var answer struct {
		KVs []struct{ Value []byte } `json:"kvs"`
	}
	if err := call(n, "/v3/kv/range", map[string]string{"key": b64(key)}, &answer); err != nil {
		t.Fatal(err)
	}
	if len(answer.KVs) == 0 {
		return ""
	}
	return string(answer.KVs[0].Value)
}

// members are the names of a store's members as a node tells them, learners in brackets.
func members(t *testing.T, n wire.Node) string {
	t.Helper()
	var answer struct {
		Members []struct {
			Name      string `json:"name"`
			IsLearner bool   `json:"isLearner"`
		} `json:"members"`
	}
	if err := call(n, "/v3/cluster/member/list", struct{}{}, &answer); err != nil {
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
