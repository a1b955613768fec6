package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"dkvrun/cmd/dkvmanager/internal/engine"
	"dkvrun/runtime/wire"
)

// Client queries the instance in a folder over its socket. It keeps no connection and may be used from any goroutine.
type Client struct {
	http http.Client
}

// Dial returns the client of the instance in folder, whether or not it runs.
func Dial(folder string) *Client {
	return &Client{http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return engine.DialSocket(ctx, folder, engine.SocketFile)
		},
	}}}
}

// State returns the instance's state. An error means that it doesn't run, or doesn't respond.
func (c *Client) State(ctx context.Context) (engine.State, error) {
	var state engine.State
	err := c.get(ctx, statePath, &state)
	return state, err
}

// Metrics returns the instance's metrics, with rates over window: 1 s to 60 s.
func (c *Client) Metrics(ctx context.Context, window time.Duration) ([]wire.Metric, error) {
	query := url.Values{windowParam: {strconv.FormatFloat(window.Seconds(), 'f', -1, 64)}}
	var metrics []wire.Metric
	err := c.get(ctx, metricsPath+"?"+query.Encode(), &metrics)
	return metrics, err
}

func (c *Client) get(ctx context.Context, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://instance"+path, nil)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		var request *url.Error // its text contains a URL that the caller does not know
		if errors.As(err, &request) {
			err = request.Err
		}
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1024))
		return fmt.Errorf("instance answered %s: %s", resp.Status, strings.TrimSpace(string(text)))
	}
	return json.NewDecoder(resp.Body).Decode(into)
}
