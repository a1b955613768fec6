package local

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"dkvrun/runtime/credential"
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/printable"
	"dkvrun/runtime/wire"
)

// Grant says whose credential Issue makes: a user's with a Role, or an application's of a Store.
type Grant struct {
	// Name is the user's or the application's; empty for one that no credential of the cluster had.
	Name  string
	Role  string // viewer, operator or admin
	Store string
	// ReadOnly is for an application that may only read.
	ReadOnly bool
	// Token makes a bearer token instead of a certificate, for a user.
	Token bool
}

// issueTime is the time limit for a credential to be made and known everywhere.
const issueTime = 20 * time.Second

// Issue makes a credential, as dkvmanager credential does on the first server, and returns its file, which ends with
// the cluster. When it returns, all managers and running instances know it, except those of servers that are paused,
// cut off or killed.
func (c *Cluster) Issue(ctx context.Context, g Grant) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !c.secured:
		return "", errors.New("the cluster is not secured: nobody needs a credential for it")
	case c.paused[0] != nil:
		return "", errors.New("server 1 makes credentials, and it is paused: resume it first")
	}
	folder := filepath.Join(c.data(0), "credentials")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", err
	}
	file := ""
	for exists := true; exists; { // an earlier run of a kept cluster may have made some
		c.issued++
		file = filepath.Join(folder, strconv.Itoa(c.issued)+".pem")
		_, err := os.Lstat(file)
		exists = err == nil
	}
	if g.Name == "" {
		g.Name = fmt.Sprintf("%s%d", g.Role, c.issued)
		if g.Store != "" {
			g.Name = fmt.Sprintf("app%d", c.issued)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, issueTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.program, append(g.arguments(), "--data-dir", c.data(0), "--out", file)...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Dir = &said, &said, "/"
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("the credential is not made (%w): %s", err, printable.Line(said.String()))
	}
	return file, c.known(ctx, g, file)
}

// arguments returns the command line for a grant.
func (g Grant) arguments() []string {
	args := []string{"credential"}
	if g.Store != "" {
		args = append(args, "--app", g.Name, "--store", g.Store)
	} else {
		args = append(args, "--name", g.Name, "--role", g.Role)
	}
	if g.ReadOnly {
		args = append(args, "--read-only")
	}
	if g.Token {
		args = append(args, "--token")
	}
	return args
}

// known returns when the managers and the running instances that can be reached accept a new credential. The caller
// holds the lock.
func (c *Cluster) known(ctx context.Context, g Grant, file string) error {
	source := &credential.Source{File: file}
	if g.Token {
		source = &credential.Source{TokenFile: file}
	}
	admin, client := fanout.New(fanout.Config{Security: c.security()}), fanout.New(fanout.Config{Security: source})
	defer admin.Close()
	defer client.Close()
	managers, err := fanout.ParseEndpoints(c.reachable(), wire.DefaultManagerPort)
	if err != nil {
		return err
	}
	path := wire.InfoPath()
	if g.Store != "" {
		path = wire.EndpointsPath(g.Store)
	}
	late := ""
	err = until(ctx, issueTime, func() bool {
		requests := requestsTo(managers, path)
		if !g.Token { // instances take certificates alone
			requests = append(requests, requestsTo(instancesOf(ctx, admin, managers, g.Store), "/version")...)
		}
		late = ""
		for _, a := range client.Do(ctx, requests, fanout.Options{}) {
			if a.Err != nil || a.Status == http.StatusUnauthorized || a.Status == http.StatusForbidden {
				late = requests[a.Index].Endpoint.String()
			}
		}
		return late == ""
	})
	if errors.Is(err, errLate) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s does not accept the new credential of %s within %s", late, g.Name, issueTime)
	}
	return err
}

// reachable returns the managers of the servers that run and can be reached. The caller holds the lock.
func (c *Cluster) reachable() []string {
	var out []string
	for i, m := range c.managers {
		select {
		case <-m.done:
			continue
		default:
		}
		if c.paused[i] == nil && !c.cut[i] {
			out = append(out, c.endpoints[i])
		}
	}
	return out
}

func requestsTo(servers []fanout.Endpoint, path string) []fanout.Request {
	var out []fanout.Request
	for _, e := range servers {
		out = append(out, fanout.Request{Endpoint: e, Method: http.MethodGet, Path: path, Timeout: time.Second})
	}
	return out
}

// instancesOf returns the client ports of the instances that managers run, of one store, or of all if it is empty.
func instancesOf(
	ctx context.Context, client *fanout.Client, managers []fanout.Endpoint, store string,
) []fanout.Endpoint {
	var out []fanout.Endpoint
	for _, a := range client.Do(ctx, requestsTo(managers, wire.StoresPath()), fanout.Options{}) {
		var stores []wire.Store
		if a.Err != nil || a.Status != http.StatusOK || json.Unmarshal(a.Body, &stores) != nil {
			continue
		}
		for _, s := range stores {
			for _, in := range s.Instances {
				if in.Own && in.Status == wire.Running && (store == "" || s.Name == store) {
					out = append(out, fanout.Endpoint{Scheme: "https", Host: in.Host, Port: in.ClientPort, Store: s.Name})
				}
			}
		}
	}
	return out
}
