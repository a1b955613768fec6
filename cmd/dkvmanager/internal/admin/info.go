package admin

import (
	_ "embed"
	"time"

	"dkvrun/runtime/wire"
)

// Limits of the window for rates, in seconds.
const (
	maxWindow     = 60
	defaultWindow = 5
)

func (a *API) getMetrics(req *request) (any, error) {
	window, err := req.number("windowSec", defaultWindow, 1, maxWindow)
	if err != nil {
		return nil, err
	}
	store := req.query.Get("store")
	if req.query.Has("store") {
		if err := wire.CheckName(store); err != nil {
			return nil, wire.Refuse(wire.CodeBadName, "parameter store: %w", err)
		}
		if _, err := find(a.Catalog.Snapshot(), store); err != nil {
			return nil, err
		}
	}
	metrics := a.Supervisor.Metrics(req.ctx, store, time.Duration(window)*time.Second)
	return wire.Metrics{WindowSec: float64(window), Metrics: append([]wire.Metric{}, metrics...)}, nil
}

// capabilities lists the features that a runner may use beyond the first version's routes.
var capabilities = []string{"gzip"}

func (a *API) getInfo(*request) (any, error) {
	return wire.Info{
		Identity:      a.Catalog.Identity(),
		Host:          a.Host,
		Listen:        a.Listen,
		Version:       wire.Version,
		Boot:          a.Boot,
		CatalogDigest: a.Catalog.Snapshot().Digest(),
		Capabilities:  capabilities,
	}, nil
}

func (a *API) getHealth(*request) (any, error) { return success("Alive"), nil }

//go:generate go run ./openapigen ../../../../docs/openapi.yaml openapi.json

//go:embed openapi.json
var openAPI []byte

func (a *API) getOpenAPI(*request) (any, error) { return document(openAPI), nil }
