package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"dkvrun/cmd/dkvmanager/internal/audit"
	"dkvrun/cmd/dkvmanager/internal/catalog"
	"dkvrun/cmd/dkvmanager/internal/engine"
	"dkvrun/cmd/dkvmanager/internal/security"
	"dkvrun/runtime/identity"
	"dkvrun/runtime/wire"
)

// controlSocket is the socket in the data folder over which commands reach the manager that serves, which alone writes
// the access log. Whoever can enter the data folder may use it.
const controlSocket = "control.sock"

const (
	// controlTimeout bounds one command at a serving manager.
	controlTimeout = 30 * time.Second
	// maxControl is the largest request and answer over the socket, in bytes.
	maxControl = 16 << 20
)

// controlRequest is a command, for example token, credential, revoke, status and heard.
type controlRequest struct {
	Command  string        `json:"command"`
	Name     string        `json:"name,omitempty"`  // of a user, or for a token the manager that joins again
	Count    int           `json:"count,omitempty"` // of servers that may use a token
	Role     identity.Role `json:"role,omitempty"`
	Store    string        `json:"store,omitempty"`  // the credential is for an application of this store
	Bearer   bool          `json:"bearer,omitempty"` // a bearer token instead of a certificate
	Lifetime time.Duration `json:"lifetime,omitempty"`
	Key      string        `json:"key,omitempty"`   // the authority with its key, of import
	Chain    string        `json:"chain,omitempty"` // the certificates of the credential to update, PEM; empty for a token's
}

// controlAnswer is the answer: the text for the command's output, or the error.
type controlAnswer struct {
	Text  string `json:"text,omitempty"`
	Error string `json:"error,omitempty"`
}

// execute carries out a command. Survey is nil if the manager doesn't serve.
func execute(m *security.Member, r controlRequest, survey surveyor) (string, error) {
	switch r.Command {
	case "token":
		token, err := m.Token(r.Count, r.Lifetime, r.Name)
		if err != nil {
			return "", err
		}
		line := joinLine(m.URL(), token.Text())
		if r.Name != "" {
			line += " --again"
		}
		return line + "\n", nil
	case "credential":
		issue := m.Credential
		switch {
		case r.Bearer:
			issue = m.Bearer
		case r.Store != "":
			issue = func(name string, role identity.Role, lifetime time.Duration) (*identity.Bundle, error) {
				return m.AppCredential(r.Store, name, role, lifetime)
			}
		}
		b, err := issue(r.Name, r.Role, r.Lifetime)
		if err != nil {
			return "", err
		}
		text, err := b.Encode()
		return string(text), err
	case "revoke":
		id, err := m.Revoke(r.Name)
		return "revoked " + id.Describe() + "\n", err
	case "status":
		return m.Status(), nil
	case "export":
		b, err := m.Export()
		if err != nil {
			return "", err
		}
		text, err := b.Encode()
		return string(text), err
	case "settle":
		number, err := m.Settle(r.Name)
		return fmt.Sprintf("branch %s counts nothing any more, from line %d on\n", r.Name, number), err
	case "import":
		return importKey(m, r.Key)
	case "rotate":
		return rotate(m)
	case endRotationCommand:
		return endRotation(m, survey)
	case "abort":
		return abortRotation(m)
	case "update":
		return update(m, r.Chain)
	}
	return "", fmt.Errorf("unknown command %.40q: the serving manager is of another version", r.Command)
}

// importKey makes a server the holder of the authority.
func importKey(m *security.Member, key string) (string, error) {
	b, err := identity.Decode([]byte(key))
	if err != nil {
		return "", fmt.Errorf("the exported key %w", err)
	}
	earlier, moved, err := m.Import(b)
	if err != nil {
		return "", err
	}
	text := "this server has the key of the authority of cluster " + m.Identity().Cluster + "\n"
	if moved {
		text += "the server of " + earlier.Describe() + " makes no tokens and credentials any more; if it was lost, revoke it:\n" +
			"dkvmanager revoke --data-dir DIR " + earlier.String() + "\n"
	}
	return text, nil
}

// control lets the manager of a data folder carry out a command: over its socket if it serves, else here.
func control(ctx context.Context, dataDir string, r controlRequest) (string, error) {
	switch secured, err := security.IsSecured(dataDir); {
	case err != nil:
		return "", err
	case !secured && missing(dataDir):
		return "", fmt.Errorf("there is no folder %s: --data-dir names the folder that the manager of this server was started with", dataDir)
	case !secured:
		return "", fmt.Errorf("the manager of %s is not secured: dkvmanager init makes a cluster, dkvmanager join makes the manager a member", dataDir)
	}
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	conn, err := engine.DialSocket(ctx, dataDir, controlSocket)
	if err == nil {
		defer conn.Close()
		text, err := callControl(ctx, conn, r)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = noAnswer(ctx, dataDir, r.Command)
		}
		return text, err
	}
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ECONNREFUSED) {
		return "", err
	}
	cat, err := openCatalog(dataDir)
	if err != nil {
		return "", err
	}
	defer cat.Close()
	m, err := security.Open(cat.Dir(), cat.Identity(), nil, time.Now)
	if err != nil {
		return "", err
	}
	defer m.Close()
	c := controller{member: m, pulls: newPuller(m, "", m.URL(), func() []wire.Manager { return managersOf(cat.Snapshot()) },
		nil, slog.New(slog.DiscardHandler)), stores: cat.Snapshot}
	if mutates(r.Command) {
		if c.changes, err = audit.Open(cat.Dir(), nil); err != nil {
			return "", err
		}
		defer c.changes.Close()
	}
	return c.execute(ctx, r)
}

// endRotationCommand is pki rotate --end.
const endRotationCommand = "end rotation"

// missing reports whether nothing has a path.
func missing(path string) bool {
	_, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// noAnswer says that the serving manager of a data folder has given no answer, and what to do.
func noAnswer(ctx context.Context, dataDir, command string) error {
	what := "interrupted: the manager of " + dataDir + " gave no answer before"
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		what = fmt.Sprintf("the manager of %s runs, and gave no answer for %s: it may be stopped or hang, see its log; "+
			"without it the command works on the folder itself", dataDir, controlTimeout)
	}
	if mutates(command) {
		what += "; it may carry out the command later: dkvmanager pki status shows what was made"
	}
	return errors.New(what)
}

// endpointsCommand asks for the client ports of a store, for the line that a new credential of an application prints.
const endpointsCommand = "endpoints"

// endpoints returns the URLs of the client ports of a store, with commas between them, or "" if the catalog doesn't
// have the store.
func endpoints(d *catalog.Data, store string) string {
	s := d.Stores[store]
	if s == nil {
		return ""
	}
	var out []string
	for _, n := range s.Nodes {
		out = append(out, "https://"+net.JoinHostPort(n.Host, strconv.Itoa(n.ClientPort)))
	}
	return strings.Join(out, ",")
}

// callControl sends a command to a serving manager.
func callControl(ctx context.Context, conn net.Conn, r controlRequest) (string, error) {
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })()
	if err := json.NewEncoder(conn).Encode(r); err != nil {
		return "", fmt.Errorf("the manager takes no command: %w", err)
	}
	var answer controlAnswer
	if err := json.NewDecoder(io.LimitReader(conn, maxControl)).Decode(&answer); err != nil {
		return "", fmt.Errorf("the manager gives no answer: %w", err)
	}
	if answer.Error != "" {
		return "", errors.New(answer.Error)
	}
	return answer.Text, nil
}

// listenControl opens the socket. The data folder is locked, so a socket that is there belongs to a process that ended.
func listenControl(dataDir string) (net.Listener, error) {
	if err := os.Remove(filepath.Join(dataDir, controlSocket)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	dir, err := os.Open(dataDir)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	// By way of the folder's descriptor, as engine.DialSocket does.
	listener, err := net.Listen("unix", fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), controlSocket))
	if err != nil {
		return nil, err
	}
	listener.(*net.UnixListener).SetUnlinkOnClose(false) // the descriptor is closed by then
	return listener, nil
}

// controller carries out commands.
type controller struct {
	member  *security.Member
	pulls   *puller
	changes *audit.Log
	log     *slog.Logger
	stores  func() *catalog.Data // the content of the catalog

	changing sync.Mutex // is held by a command that changes something: two that are given at once come one after the other
}

// mutates reports whether a command changes who may do what, so that the audit log has a line of it.
func mutates(command string) bool {
	return command != "status" && command != heardCommand && command != endpointsCommand
}

// execute carries out a command, and adds it to the audit log.
func (c *controller) execute(ctx context.Context, r controlRequest) (string, error) {
	if r.Command == heardCommand {
		text, err := json.Marshal(c.pulls.heardOf(ctx))
		return string(text), err
	}
	if r.Command == endpointsCommand {
		return endpoints(c.stores(), r.Store), nil
	}
	if mutates(r.Command) {
		c.changing.Lock()
		defer c.changing.Unlock()
	}
	var survey surveyor
	if c.log != nil { // the manager serves
		survey = c.pulls.survey(ctx)
	}
	text, err := execute(c.member, r, survey)
	if !mutates(r.Command) {
		return text, err
	}
	line := audit.Line{Time: time.Now().UTC(), From: "command", Action: r.Command, Subject: r.Name, Store: r.Store,
		Role: string(r.Role), Outcome: wire.CodeOK}
	if err != nil {
		return text, err // it was refused, and changed nothing
	}
	if failed := c.changes.Append(line); failed != nil && c.log != nil {
		c.log.Error("a line of the audit log is missing", "error", failed, "action", r.Command, "subject", r.Name)
	}
	return text, nil
}

// serve carries out commands until ctx is done.
func (c *controller) serve(ctx context.Context, listener net.Listener) {
	defer context.AfterFunc(ctx, func() { _ = listener.Close() })()
	for {
		conn, err := listener.Accept()
		if err != nil {
			if ctx.Err() == nil {
				c.log.Error("commands are no longer taken", "why", err)
			}
			return
		}
		go c.answer(ctx, conn)
	}
}

func (c *controller) answer(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(controlTimeout)) // fails only on a closed connection
	var r controlRequest
	if err := json.NewDecoder(io.LimitReader(conn, maxControl)).Decode(&r); err != nil {
		return
	}
	var answer controlAnswer
	text, err := c.execute(ctx, r)
	if err != nil {
		answer.Error = err.Error()
	} else {
		answer.Text = text
	}
	if mutates(r.Command) {
		c.log.Info("command", "command", r.Command, "name", r.Name, "role", r.Role, "error", answer.Error)
	}
	_ = json.NewEncoder(conn).Encode(answer) // the command may be gone
}
