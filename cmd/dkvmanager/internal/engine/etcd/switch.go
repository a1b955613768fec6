package etcd

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	etcdmembers "go.etcd.io/etcd/server/v3/etcdserver/api/membership"
	"go.etcd.io/etcd/server/v3/storage/backend"
	"go.etcd.io/etcd/server/v3/storage/datadir"
	"go.etcd.io/etcd/server/v3/storage/schema"
	"go.uber.org/zap"
)

// The members of a store know each other by the URLs of their cluster ports, and the scheme of a URL decides whether
// etcd speaks TLS to it. The URLs are in the data of each member, and a change of them by a request needs a majority,
// which can't come together while some ports are plain and others are not. So when a store is switched to TLS, each
// instance changes the URLs of all members in its own data, at its first start with TLS. The ids of the members stay.

// plainCheckEvery is the interval in which an instance looks for plain URLs of members.
const plainCheckEvery = 2 * time.Second

// errPlainMember ends an instance that has read an old line of its log with a plain URL after its start, which can be
// of a member that its data did not have yet. The URL is in the data now, and the next start changes it.
var errPlainMember = errors.New("the instance restarts, because it has read from its log that the cluster port of a member is plain")

// secureMembers changes the URLs of the members in the data of an instance from http to https. It must be called while
// etcd doesn't run. The change is one transaction of the database; it can be repeated.
func secureMembers(dataDir string, logger *zap.Logger) error {
	path := datadir.ToBackendFileName(dataDir)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil // it has not run yet
	} else if err != nil {
		return err
	}
	db := backend.NewDefaultBackend(logger, path)
	defer db.Close()
	store := schema.NewMembershipBackend(logger, db)
	members, _ := store.MustReadMembersFromBackend()
	changed := false
	for _, m := range members {
		if !isPlainMember(m) {
			continue
		}
		for i, url := range m.PeerURLs {
			m.PeerURLs[i] = secureURL(url)
		}
		store.MustSaveMemberToBackend(m)
		changed = true
	}
	if changed {
		db.ForceCommit()
		logger.Info("the cluster ports of the store speak TLS from now on", zap.String("data", filepath.Base(dataDir)))
	}
	return nil
}

func secureURL(url string) string {
	if rest, plain := strings.CutPrefix(url, "http://"); plain {
		return "https://" + rest
	}
	return url
}

// isPlainMember reports whether a member has a plain URL.
func isPlainMember(m *etcdmembers.Member) bool {
	return slices.ContainsFunc(m.PeerURLs, func(url string) bool { return secureURL(url) != url })
}
