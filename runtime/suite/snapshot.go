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

// snapshots are the saved values of a suite. They are in FILE.snap beside it, each after a line "=== NAME [N]" with the
// test's name and the number of the value in the test.
type snapshots struct {
	mu      sync.Mutex
	read    bool
	saved   map[string]string
	changed bool
	path    string
	test    string
	line    int
	count   int
	lines   map[string]int  // the line of the test that compared a value, by the value's name
	pending map[string]bool // the names of pending tests, which compare nothing
	failed  bool            // a test failed, perhaps before it compared its values
}

// heading begins the line before a value.
const heading = "=== "

// begin makes r the test that compares values.
func (s *snapshots) begin(r Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.path, s.test, s.line, s.count = r.File+".snap", testName(r), r.Line, 0
}

// testName returns a test's name on one line.
func testName(r Result) string { return strings.ReplaceAll(r.FullName(), "\n", `\n`) }

// ended records the result of a test.
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

// next returns the name of the test's next value, and the saved value, if there is one.
func (s *snapshots) next() (name, saved string, known bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.test == "" {
		return "", "", false, errors.New("matches_snapshot is only for tests")
	}
	if err := s.load(); err != nil {
		return "", "", false, err
	}
	s.count++
	name = fmt.Sprintf("%s [%d]", s.test, s.count)
	if line, taken := s.lines[name]; taken && line != s.line {
		return "", "", false, fmt.Errorf("matches_snapshot: the tests in lines %d and %d have the same name: rename one of them", line, s.line)
	}
	s.lines[name] = s.line
	saved, known = s.saved[name]
	return name, saved, known, nil
}

func (s *snapshots) load() error {
	if s.read {
		return nil
	}
	s.saved, s.lines = map[string]string{}, map[string]int{}
	text, err := os.ReadFile(s.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	s.read = true
	for part := range strings.SplitSeq("\n"+strings.TrimSuffix(string(text), "\n"), "\n"+heading) {
		if name, value, ok := strings.Cut(part, "\n"); ok && name != "" {
			s.saved[name] = unescape(value)
		}
	}
	return nil
}

func (s *snapshots) set(name, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed = s.changed || s.saved[name] != value
	s.saved[name] = value
}

// drop removes the values that no test compares any more, after all tests of a suite have run. It removes nothing if a
// test failed, because that test may have ended before it compared its values.
func (s *snapshots) drop(suite string) error {
	s.path = suite + ".snap"
	if err := s.load(); err != nil || s.failed {
		return err
	}
	for name := range s.saved {
		_, compared := s.lines[name]
		if test := name[:max(0, strings.LastIndex(name, " ["))]; !compared && !s.pending[test] {
			delete(s.saved, name)
			s.changed = true
		}
	}
	return nil
}

// save writes the file atomically if values have changed, or removes it if there are no values.
func (s *snapshots) save() error {
	if !s.changed {
		return nil
	}
	if len(s.saved) == 0 {
		return os.Remove(s.path)
	}
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(s.saved)) {
		fmt.Fprintf(&out, "%s%s\n%s\n", heading, name, escape(s.saved[name]))
	}
	return durable.Replace(s.path, []byte(out.String()), durable.Options{Mode: 0o644})
}

// escape puts a backslash before each line that begins with a heading or a backslash.
func escape(value string) string {
	lines := strings.Split(value, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, heading) || strings.HasPrefix(line, `\`) {
			lines[i] = `\` + line
		}
	}
	return strings.Join(lines, "\n")
}

// unescape reverses escape.
func unescape(value string) string {
	lines := strings.Split(value, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimPrefix(line, `\`)
	}
	return strings.Join(lines, "\n")
}

// snapshot returns the saved value, or nil if there is none, and the current one.
func (f *file) snapshot(c *runtime.Call) (any, error) {
	got := runtime.Format(c.Value("value"))
	name, saved, known, err := f.snapshots.next()
	if err != nil {
		return nil, err
	}
	if f.options.UpdateSnapshots {
		f.snapshots.set(name, got)
		known, saved = true, got
	}
	values := map[string]any{"got": got}
	if known {
		values["saved"] = saved
	}
	return values, nil
}

// saveSnapshots writes the snapshots that have changed. If whole is set, the whole file has run, and it removes those
// of tests that no longer exist.
func (f *file) saveSnapshots(whole bool) error {
	if f.options.UpdateSnapshots && whole && f.options.Select.all() {
		if err := f.snapshots.drop(f.path); err != nil {
			return err
		}
	}
	return f.snapshots.save()
}
