package builtins

import (
	"bytes"
	"maps"
	"slices"
	"sync"
)

// imagined is what a dry run would have written to one store: nil for a key that would be gone.
type imagined struct {
	mu     sync.Mutex
	values map[string][]byte
	// whole says that the store itself is only planned: there is nothing beneath.
	whole bool
}

// imagine gives the store's writes that the dry run imagines; nil where writes are real.
func (r *Run) imagine(store string) *imagined {
	_, planned := r.foreseen(store)
	if !planned && !r.DryRun {
		return nil
	}
	r.foresight.mu.Lock()
	defer r.foresight.mu.Unlock()
	if r.foresight.data == nil {
		r.foresight.data = map[string]*imagined{}
	}
	i := r.foresight.data[store]
	if i == nil {
		i = &imagined{values: map[string][]byte{}}
		r.foresight.data[store] = i
	}
	i.whole = i.whole || planned
	return i
}

// answer does what a request would do. done is false for a read of what is beneath.
func (i *imagined) answer(in, out any) (done bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	switch out := out.(type) {
	case *putAnswer:
		pair := in.(kv)
		i.values[string(pair.Key)] = append([]byte{}, pair.Value...)
	case *deleteAnswer:
		key := string(in.(rangeRequest).Key)
		if i.values[key] != nil {
			out.Deleted = 1
		}
		i.values[key] = nil
	case *rangeAnswer:
		return i.read(in.(rangeRequest), out)
	}
	return true
}

func (i *imagined) read(in rangeRequest, out *rangeAnswer) bool {
	if in.End == nil {
		value, known := i.values[string(in.Key)]
		if known && value != nil {
			out.KVs = []kv{{in.Key, value}}
		}
		return known || i.whole
	}
	if !i.whole {
		return false // a scan shows what is there
	}
	for _, key := range slices.Sorted(maps.Keys(i.values)) {
		inside := key >= string(in.Key) && (bytes.Equal(in.End, []byte{0}) || key < string(in.End))
		if value := i.values[key]; inside && value != nil {
			if in.Limit > 0 && len(out.KVs) == in.Limit {
				out.More = true
				break
			}
			out.KVs = append(out.KVs, kv{[]byte(key), value})
		}
	}
	return true
}
