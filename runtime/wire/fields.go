package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"unicode"
)

// knownFields lists the keys of all answers. encoding/json takes a key in any upper and lower case, and of a key that
// is given twice the last one. Other readers do otherwise, so an answer with such keys means different things to
// different readers.
var knownFields = [...]string{
	fieldSuccess: "success", fieldStatusCode: "statusCode",
	fieldOther: "operation", "code", "message", "hint", "epoch", "operationId", "manager",
	"id", "state", "action", "store", "digest", "owner", "home", "managers", "since", "claims",
	"identity", "url", "change", "revision", "founders", "nodes",
	"configuration", "removed", "pending", "decided", "fenced", "repairing", "suspect",
	"asks", "step", "node", "member", "members", "audit", "number", "hash", "generation", "heard",
	"name", "host", "clustronPort", "clientPort", "role",
	"own", "status", "desired", "ready", "leader", "pid", "startedAt", "restarts", "lastError", "started",
	"bootstrapped", "cluster", "engine", "instances", "leaving", "orphans",
	"listen", "version", "build", "condition", "health", "next", "boot", "catalogDigest", "capabilities",
	"security", "tls", "clientTls", "clusterTls", "certificateEnds", "issuerEnds", "authorityEnds", "warnings", "accessStaleSince",
	"otherBuild", "strays", "folder", "doubt", "why", "content", "creation", "baseRevision", "baseOperation", "drop", "founding", "loseData", "dryRun",
	"instance", "category", "metric", "rate", "total", "windowSec", "metrics",
}

const (
	fieldSuccess = iota
	fieldStatusCode
	fieldOther // the first of those that are not named
)

// fieldIndex returns the index of each known field.
var fieldIndex = sync.OnceValue(func() map[string]uint8 {
	index := make(map[string]uint8, len(knownFields))
	for i, name := range knownFields {
		index[name] = uint8(i)
	}
	return index
})

// foldedFields returns the folded names of the known fields.
var foldedFields = sync.OnceValue(func() map[string]bool {
	folded := make(map[string]bool, len(knownFields))
	for _, name := range knownFields {
		folded[fold(name)] = true
	}
	return folded
})

// fold returns a key with every letter in one case, as encoding/json folds keys.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			least = min(least, next)
		}
		return least
	}, name)
}

// fieldSet is a set of known fields, by their index.
type fieldSet [2]uint64

func (s fieldSet) has(i uint8) bool { return s[i>>6]>>(i&63)&1 == 1 }
func (s *fieldSet) add(i uint8)     { s[i>>6] |= 1 << (i & 63) }

// keys holds the keys of one object that were passed.
type keys struct {
	known fieldSet
	last  uint8           // the known field that was passed last
	other map[string]bool // folded; nil while all are known
}

// following predicts known fields: for each, the one that followed it last. Objects of one type have their keys in one
// order, and a comparison takes a fifth of the time of a look-up.
type following [len(knownFields)]uint8

// errKey is the error of a key that an object has twice, or that is a known one in other upper and lower case.
var errKey = errors.New("ambiguous key")

// add adds a key as it stands between its quotes, and returns it without escapes.
func (k *keys) add(name []byte, next *following) ([]byte, error) {
	if i := next[k.last]; string(name) == knownFields[i] && !k.known.has(i) {
		k.known.add(i)
		k.last = i
		return name, nil
	}
	if bytes.IndexByte(name, '\\') >= 0 {
		var plain string
		if err := json.Unmarshal([]byte(`"`+string(name)+`"`), &plain); err != nil {
			return nil, err
		}
		name = []byte(plain)
	}
	if i, known := fieldIndex()[string(name)]; known {
		if k.known.has(i) {
			return nil, fmt.Errorf("%w: %q is given twice", errKey, name)
		}
		k.known.add(i)
		next[k.last], k.last = i, i
		return name, nil
	}
	folded := fold(string(name))
	switch {
	case foldedFields()[folded]:
		return nil, fmt.Errorf("%w: %.60q in other upper and lower case", errKey, name)
	case k.other[folded]:
		return nil, fmt.Errorf("%w: %.60q is given twice", errKey, name)
	}
	if k.other == nil {
		k.other = map[string]bool{}
	}
	k.other[folded] = true
	return name, nil
}
