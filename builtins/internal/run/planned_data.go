package run

import (
	"bytes"
	"maps"
	"slices"
	"sync"
)

// PlannedData holds the writes of a dry run to one store.
type PlannedData struct {
	mu     sync.Mutex
	values map[string][]byte // nil for a key that would be deleted
	// whole is true if the store itself is only planned, so that it has no other keys.
	whole bool
}

// KeyValue is one key with its value.
type KeyValue struct{ Key, Value []byte }

// Put sets a key.
func (d *PlannedData) Put(key, value []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.values[string(key)] = append([]byte{}, value...)
}

// Delete removes a key and reports whether the dry run had set it.
func (d *PlannedData) Delete(key []byte) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	was := d.values[string(key)] != nil
	d.values[string(key)] = nil
	return was
}

// Get returns the value of a key, nil if there is none. It returns false if the store itself has to be read.
func (d *PlannedData) Get(key []byte) (value []byte, known bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	value, known = d.values[string(key)]
	return value, known || d.whole
}

// Range returns the keys from first up to but not including end, and whether there are more. It returns at most limit
// keys, or all if limit is 0. An end of one zero byte means no end. Range returns false if the store exists: a scan
// then reads the store and does not show planned writes.
func (d *PlannedData) Range(first, end []byte, limit int) (pairs []KeyValue, more, known bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.whole {
		return nil, false, false
	}
	for _, key := range slices.Sorted(maps.Keys(d.values)) {
		inside := key >= string(first) && (bytes.Equal(end, []byte{0}) || key < string(end))
		if value := d.values[key]; inside && value != nil {
			if limit > 0 && len(pairs) == limit {
				return pairs, true, true
			}
			pairs = append(pairs, KeyValue{[]byte(key), value})
		}
	}
	return pairs, false, true
}
