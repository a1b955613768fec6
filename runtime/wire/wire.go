// Package wire is the admin protocol between the runner and the managers: paths, types, codes, and
// the rules that both sides must apply alike (names, topologies, roles, digests).
//
// It imports the standard library only, since both programs link it.
package wire

import (
	"net/http"
	"net/url"
)

// Version is the version of dkvrun and dkvmanager, which are built from one tree.
const Version = "0.1.0"

// Default ports.
const (
	DefaultManagerPort  = 7801
	DefaultClustronPort = 7811
	DefaultClientPort   = 7861
)

// Prefix is the prefix of every path of the admin API.
const Prefix = "/admin/v1"

// ManagerHeader is the header with which a manager states its identity in every response, also in a refusal. A response
// without it comes from another server.
const ManagerHeader = "Dkv-Manager"

// SetManager sets the headers that every response of the manager with this identity has. A response that is not JSON
// sets another Content-Type.
func SetManager(h http.Header, identity string) {
	h.Set(ManagerHeader, identity)
	h.Set("Content-Type", "application/json")
}

// MaxBody is the maximum size of a request's body in bytes, before and after decompression.
const MaxBody = 8 << 20

// StoresPath returns the path that lists and creates stores.
func StoresPath() string { return Prefix + "/stores" }

// StorePath returns the path of one store.
func StorePath(store string) string { return Prefix + "/stores/" + url.PathEscape(store) }

// InstancesPath returns the path that adds instances to a store.
func InstancesPath(store string) string { return StorePath(store) + "/instances" }

// InstancePath returns the path of one instance.
func InstancePath(store, instance string) string {
	return InstancesPath(store) + "/" + url.PathEscape(instance)
}

// InfoPath returns the path of the manager's Info.
func InfoPath() string { return Prefix + "/info" }

// HealthPath returns the path of the health check.
func HealthPath() string { return Prefix + "/health" }

// MetricsPath returns the path of rates and totals.
func MetricsPath() string { return Prefix + "/metrics" }
