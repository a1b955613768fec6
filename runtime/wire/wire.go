// Package wire is the admin protocol between the runner and the managers: paths, types, codes, and
// the rules that both sides must apply alike (names, topologies, roles, digests).
//
// It imports the standard library only, so that either side can use it at no cost.
package wire

import "net/url"

// Version of dkvrun and dkvmanager; both are built from one tree and carry one version.
const Version = "0.1.0"

// Defaults of the original page.
const (
	DefaultManagerPort  = 7801
	DefaultClustronPort = 7811
	DefaultClientPort   = 7861
)

// Prefix stands before every path of the admin API.
const Prefix = "/admin/v1"

// MaxBody is the most bytes that a manager reads of a request, also after it is inflated.
const MaxBody = 8 << 20

// StoresPath lists or creates stores.
func StoresPath() string { return Prefix + "/stores" }

// StorePath is one store.
func StorePath(store string) string { return Prefix + "/stores/" + url.PathEscape(store) }

// InstancesPath widens a store.
func InstancesPath(store string) string { return StorePath(store) + "/instances" }

// InstancePath is one instance.
func InstancePath(store, instance string) string {
	return InstancesPath(store) + "/" + url.PathEscape(instance)
}

// InfoPath says who the manager is.
func InfoPath() string { return Prefix + "/info" }

// HealthPath reports whether the manager lives.
func HealthPath() string { return Prefix + "/health" }

// MetricsPath gives rates and totals.
func MetricsPath() string { return Prefix + "/metrics" }
