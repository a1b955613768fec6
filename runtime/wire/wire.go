// Package wire is the admin protocol between the runner and the managers: paths, types, codes, and
// the rules that both sides must apply alike (names, topologies, roles, digests).
//
// It imports the standard library only, since both programs link it.
package wire

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Version is the version of dkvrun and dkvmanager, which are built from one tree.
const Version = "0.1.0"

// commit is the commit of the source tree that the program was built from. The Makefile sets it; it stays empty where
// there is no git.
var commit string

// Commit returns the commit that this program was built from, with "-dirty" after it if files were changed since; or
// "unknown".
func Commit() string { return cmp.Or(commit, "unknown") }

// Build returns the version and the commit of this program, as a semantic version with build metadata, for example
// 0.1.0+2d64b17e41aa.
func Build() string { return Version + "+" + Commit() }

// maxBuild is the maximum length of a build in an answer, in bytes.
const maxBuild = 100

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

// ReasonHeader is the header with which a request states why it is made, as EncodeReason writes it. A secured manager
// keeps it in its audit log.
const ReasonHeader = "Dkv-Reason"

// MaxReason is the maximum length of a reason, in bytes of UTF-8.
const MaxReason = 200

// EncodeReason returns a reason for ReasonHeader, percent-encoded. It refuses an empty one, one that is too long, and
// characters that can't be printed.
func EncodeReason(reason string) (string, error) {
	if err := checkReason(reason); err != nil {
		return "", err
	}
	return url.PathEscape(reason), nil
}

// DecodeReason reads what EncodeReason wrote.
func DecodeReason(header string) (string, error) {
	if len(header) > 3*MaxReason {
		return "", fmt.Errorf("has %d bytes: at most %d are allowed", len(header), 3*MaxReason)
	}
	reason, err := url.PathUnescape(header)
	if err != nil {
		return "", errors.New("is not percent-encoded")
	}
	return reason, checkReason(reason)
}

func checkReason(reason string) error {
	switch {
	case strings.TrimSpace(reason) == "":
		return errors.New("is empty")
	case len(reason) > MaxReason:
		return fmt.Errorf("has %d bytes: at most %d are allowed", len(reason), MaxReason)
	case !utf8.ValidString(reason) || strings.ContainsFunc(reason, func(r rune) bool { return !unicode.IsPrint(r) }):
		return errors.New("has a character that can't be printed")
	}
	return nil
}

// SenderHeader is the header with which a manager states its identity in its requests to other managers. It gives no
// rights.
const SenderHeader = "Dkv-Sender"

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
