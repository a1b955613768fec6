package suite

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"

	"dkvrun/runtime"
	"dkvrun/runtime/durable"
)

// snapshots are the kept values of one suite, in FILE.snap beside it: a line "=== NAME" before each,
// where the name is the test's and the value's number in it.
type snapshots struct {
	mu      sync.Mutex
	read    bool
	kept    map[string]string
	changed bool
	path    string
	test    string
	line    int
	count   int
	lines   map[string]int  // where the test stands that a value was compared in, by the value's name
	pending map[string]bool // tests that compared nothing this time
	failed  bool            // so did others, perhaps
}

// heading begins a kept value.
const heading = "=== "

// begin makes a test the one whose values are compared.
func (s *snapshots) begin(r Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.path, s.test, s.line, s.count = r.File+".snap", testName(r), r.Line, 0
}

// testName is a test's name on one line.
func testName(r Result) string { return strings.ReplaceAll(r.FullName(), "\n", `\n`) }

// ended notes what came of a test.
func (s *snapshots) ended(r Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = s.failed || r.Bad()
	if r.Status() == Pending {
		if s.pending == nil {
			s.pending = map[string]bool{}
		}
		s.pending[testName(r)] = true
	}
}

// next gives the name of the test's next value, and the kept value.
func (s *snapshots) next() (name, kept string, known bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.test == "" {
		return "", "", false, errors.New("matches_snapshot is for tests")
	}
	if err := s.load(); err != nil {
		return "", "", false, err
	}
	s.count++
	name = fmt.Sprintf("%s [%d]", s.test, s.count)
	if line, taken := s.lines[name]; taken && line != s.line {
		return "", "", false, fmt.Errorf("matches_snapshot: the tests in lines %d and %d have one name: give each a name of its own", line, s.line)
	}
	s.lines[name] = s.line
	kept, known = s.kept[name]
	return name, kept, known, nil
}

func (s *snapshots) load() error {
	if s.read {
		return nil
	}
	s.kept, s.lines = map[string]string{}, map[string]int{}
	text, err := os.ReadFile(s.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	s.read = true
	for part := range strings.SplitSeq("\n"+strings.TrimSuffix(string(text), "\n"), "\n"+heading) {
		if name, value, ok := strings.Cut(part, "\n"); ok && name != "" {
			s.kept[name] = unescape(value)
		}
	}
	return nil
}

func (s *snapshots) set(name, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed = s.changed || s.kept[name] != value
	s.kept[name] = value
}

// drop forgets the values of a suite that nothing compares with any more, once all of its tests have run.
// A test that failed may have ended before it compared its values: then all are kept.
func (s *snapshots) drop(suite string) error {
	s.path = suite + ".snap"
	if err := s.load(); err != nil || s.failed {
		return err
	}
	for name := range s.kept {
		_, compared := s.lines[name]
		if test := name[:max(0, strings.LastIndex(name, " ["))]; !compared && !s.pending[test] {
			delete(s.kept, name)
			s.changed = true
		}
	}
	return nil
}

// save writes what has changed, in one step; no file stays for no values.
func (s *snapshots) save() error {
	if !s.changed {
		return nil
	}
	if len(s.kept) == 0 {
		return os.Remove(s.path)
	}
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(s.kept)) {
		fmt.Fprintf(&out, "%s%s\n%s\n", heading, name, escape(s.kept[name]))
	}
	return durable.Replace(s.path, []byte(out.String()), durable.Options{Mode: 0o644})
}

// A line of a value that begins like a heading, or with a backslash, gets one in front.
func escape(value string) string {
	lines := strings.Split(value, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, heading) || strings.HasPrefix(line, `\`) {
			lines[i] = `\` + line
		}
	}
	return strings.Join(lines, "\n")
}

func unescape(value string) string {
	lines := strings.Split(value, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimPrefix(line, `\`)
	}
	return strings.Join(lines, "\n")
}

// snapshot gives the kept value, nil where there is none, and the present one.
func (f *file) snapshot(c *runtime.Call) (any, error) {
	got := runtime.Format(c.Value("value"))
	name, kept, known, err := f.snapshots.next()
	if err != nil {
		return nil, err
	}
	if f.options.UpdateSnapshots {
		f.snapshots.set(name, got)
		known, kept = true, got
	}
	values := map[string]any{"got": got}
	if known {
		values["kept"] = kept
	}
	return values, nil
}

// keepSnapshots writes the snapshots that have changed, and forgets those of tests that are gone, where
// the whole file has been run.
func (f *file) keepSnapshots(whole bool) error {
	if f.options.UpdateSnapshots && whole && f.options.Select.all() {
		if err := f.snapshots.drop(f.path); err != nil {
			return err
		}
	}
	return f.snapshots.save()
}
