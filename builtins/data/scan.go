package data

import "dkvrun/runtime"

// scanPage is the number of keys that a scan reads with one request.
const scanPage = 500

var storeScan = runtime.Builtin{
	Name: "scan", Positional: 1,
	Doc: "Iterates over the keys in order, a page at a time; all pages are read at the same revision: `for key, value in store:scan{prefix = \"order/\"} do … end`.",
	Params: []runtime.Param{
		{Name: "prefix", Type: runtime.String, Default: "", Doc: "only keys with this prefix"},
		{Name: "limit", Type: runtime.Integer, Min: runtime.Bound(1), Doc: "the largest number of keys; all by default"},
		{Name: "keys_only", Type: runtime.Boolean, Default: false, Doc: "without the values"},
	},
	Returns: "an iterator over keys and values, or with `keys_only` over keys",
	Example: `for key, value in store:scan{prefix = "order/"} do print(key, value) end`,
	Impl: func(c *runtime.Call) (any, error) {
		sc := &scan{store: c.Self.(*store), call: c, keysOnly: c.Bool("keys_only"), left: -1}
		prefix := []byte(c.String("prefix"))
		sc.request = rangeRequest{Key: prefix, End: after(prefix), KeysOnly: sc.keysOnly}
		if len(prefix) == 0 {
			sc.request.Key = []byte{0}
		}
		if c.Has("limit") {
			sc.left = c.Int("limit")
		}
		return runtime.Iterator(sc.next), nil
	},
}

// after returns the first key after all keys with the prefix, or \x00 for "no end".
func after(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i] < 0xff {
			end[i]++
			return end[:i+1]
		}
	}
	return []byte{0}
}

// scan iterates over the keys of a store.
type scan struct {
	store    *store
	call     *runtime.Call
	request  rangeRequest
	keysOnly bool
	left     int // -1 for no limit
	page     []kv
	done     bool
}

// next returns a key and its value, or nothing at the end.
func (s *scan) next() ([]any, error) {
	if s.left == 0 {
		return nil, nil
	}
	if len(s.page) == 0 && !s.done {
		if err := s.fetch(); err != nil {
			return nil, err
		}
	}
	if len(s.page) == 0 {
		return nil, nil
	}
	kv := s.page[0]
	s.page = s.page[1:]
	s.left--
	if s.keysOnly {
		return []any{string(kv.Key)}, nil
	}
	return []any{string(kv.Key), string(kv.Value)}, nil
}

// fetch reads the next page, at the revision of the first page.
func (s *scan) fetch() error {
	s.request.Limit = scanPage
	if s.left > 0 {
		s.request.Limit = min(scanPage, s.left)
	}
	var out rangeAnswer
	if err := s.store.call(s.call, rangePath, s.request, &out); err != nil {
		return err
	}
	s.page, s.done = out.KVs, !out.More
	if s.request.Revision == 0 {
		s.request.Revision = out.Header.Revision
	}
	if n := len(s.page); n > 0 {
		s.request.Key = append(append([]byte(nil), s.page[n-1].Key...), 0)
	}
	return nil
}
