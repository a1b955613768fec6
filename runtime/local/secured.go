package local

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"dkvrun/runtime/credential"
	"dkvrun/runtime/fanout"
	"dkvrun/runtime/wire"
)

const (
	// securedName is the name of each secured cluster of this package.
	securedName = "local"
	// adminFile is the file of the admin's credential. It is in the data folder of the first server, as all that belongs
	// to the cluster, so that it ends with it: also if this process is killed.
	adminFile = "admin.pem"
	// maxLine bounds the line that init prints, in bytes.
	maxLine = 4 << 10
)

// Credential returns the source of the admin's credential, or nil if the cluster is not secured.
func (c *Cluster) Credential() *credential.Source {
	if !c.secured {
		return nil
	}
	return &credential.Source{File: filepath.Join(c.data(0), adminFile)}
}

// security returns how to connect to the managers of the cluster.
func (c *Cluster) security() fanout.Security {
	if source := c.Credential(); source != nil {
		return source
	}
	return nil
}

// secure makes a secured cluster: the first server makes it, and the others join it. What an interrupted attempt has
// left of a kept cluster, which nobody has used, is removed.
func (c *Cluster) secure(ctx context.Context) error {
	for i := range c.endpoints {
		if err := os.RemoveAll(c.data(i)); err != nil {
			return err
		}
	}
	token, err := c.create(ctx)
	if err != nil {
		return err
	}
	for i := 1; i < len(c.endpoints); i++ {
		cmd := c.command(i, "join", c.endpoints[0], "-")
		cmd.Stdin = strings.NewReader(token + "\n") // all users of the machine can see a command line
		m, err := spawn(cmd, c.data(i), c.endpoints[i], c.died)
		if err != nil {
			return err
		}
		c.managers = append(c.managers, m)
	}
	if err := healthy(ctx, c.managers, c.security()); err != nil {
		return err
	}
	if err := c.acquainted(ctx); err != nil || c.keep == "" {
		return err
	}
	return c.record(made)
}

// create lets the first server make the cluster, and returns the token for the others when it serves.
func (c *Cluster) create(ctx context.Context) (token string, err error) {
	read, write, err := os.Pipe()
	if err != nil {
		return "", err
	}
	defer read.Close()
	cmd := c.command(0, "init", "--cluster", securedName, "--credential-out", filepath.Join(c.data(0), adminFile),
		"--count", strconv.Itoa(max(1, len(c.endpoints)-1)))
	cmd.Stdout = write
	m, err := spawn(cmd, c.data(0), c.endpoints[0], c.died)
	write.Close()
	if err != nil {
		return "", err
	}
	c.managers = append(c.managers, m)
	limited, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	defer context.AfterFunc(limited, func() { _ = read.SetReadDeadline(time.Now()) })()
	line, err := bufio.NewReader(io.LimitReader(read, maxLine)).ReadString('\n')
	words := strings.Fields(line)
	switch {
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "", fmt.Errorf("the manager on %s did not make the cluster within %s%s", m.endpoint, startTime, m.logTail())
	case err != nil: // its standard output has ended
		<-m.done
		return "", m.endedAtStart()
	case len(words) == 0:
		return "", fmt.Errorf("the manager on %s printed no line with which others join", m.endpoint)
	}
	return words[len(words)-1], healthy(ctx, c.managers, c.security())
}

// acquainted returns when every manager knows all members: before, managers and instances of one server would refuse
// those of another.
func (c *Cluster) acquainted(ctx context.Context) error {
	servers, err := fanout.ParseEndpoints(c.endpoints, wire.DefaultManagerPort)
	if err != nil {
		return err
	}
	client := fanout.New(fanout.Config{Security: c.security()})
	defer client.Close()
	var requests []fanout.Request
	for _, e := range servers {
		requests = append(requests, fanout.Request{Endpoint: e, Method: "GET", Path: wire.AccessPath(), Timeout: time.Second})
	}
	var late string
	err = until(ctx, startTime, func() bool {
		late = ""
		newest := int64(0)
		for _, a := range client.Do(ctx, requests, fanout.Options{}) {
			var access wire.Access
			if a.Err != nil || wire.DecodeAnswer(a.Body, &access) != nil || len(access.Heads) != 1 {
				late = c.endpoints[a.Index]
				continue
			}
			number := access.Heads[0].Number
			if a.Index == 0 {
				newest = number
			}
			if number < newest {
				late = c.endpoints[a.Index]
			}
		}
		return late == ""
	})
	if errors.Is(err, errLate) {
		return fmt.Errorf("the manager on %s did not know the others within %s", late, startTime)
	}
	return err
}
