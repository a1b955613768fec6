package catalog

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"dkvrun/cmd/dkvmanager/internal/storetest"
	"dkvrun/runtime/wire"
)

// everyByte makes TestTwin_EachByteFlipped flip each bit of each file, instead of a sample.
var everyByte = flag.Bool("every-byte", false, "flip each bit of each file of the catalog")

// folderOf writes the files of a catalog, and an identity, into a new folder. Empty texts are missing files.
func folderOf(t testing.TB, main, twin, previous []byte) string {
	t.Helper()
	dir := t.TempDir()
	fill(t, dir, main, twin, previous)
	return dir
}

func fill(t testing.TB, dir string, main, twin, previous []byte) {
	t.Helper()
	texts := map[string][]byte{mainFile: main, twinFile: twin, previousFile: previous,
		identityFile: []byte("0198f0a0-0000-7000-8000-00000000000a\n")}
	for name, text := range texts {
		path := filepath.Join(dir, name)
		err := os.Remove(path)
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		if text != nil {
			err = errors.Join(err, os.WriteFile(path, text, 0o600))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// history returns the texts of the files after each of five generations. Generation n has OrdersStore at epoch n.
func history(t testing.TB) (main, twin [6][]byte) {
	t.Helper()
	c, err := Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for n := 2; n <= 5; n++ {
		if err := c.Update(func(d *Data) error {
			s := orders()
			s.Epoch = uint64(n)
			d.Stores[s.Name] = s
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		for name, into := range map[string]*[6][]byte{mainFile: &main, twinFile: &twin} {
			if into[n], err = os.ReadFile(filepath.Join(c.Dir(), name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return main, twin
}

// outcome is how a catalog opens: with its latest state, suspect, lost or refused.
type outcome string

const (
	same    outcome = "the same state"
	doubt   outcome = "doubt"
	refusal outcome = "refusal"
)

// reopen opens a folder whose latest generation is 5, and says how. It fails the test if the catalog shows another
// state without a doubt, if a state with a doubt has not its marks on disk, or if the pair is not whole afterwards.
func reopen(t *testing.T, what, dir string) outcome {
	t.Helper()
	c, err := Open(dir, nil)
	if err != nil {
		return refusal
	}
	defer c.Close()
	if c.Lost() != "" {
		return refusal
	}
	d := c.Snapshot()
	s := d.Stores["OrdersStore"]
	if s == nil {
		t.Fatalf("%s: the store is gone", what)
	}
	for _, name := range []string{mainFile, twinFile} {
		f, written, err := read(filepath.Join(dir, name))
		if err != nil || f.Generation != c.Generation() || f.Twin != (name == twinFile) || f.HeaderChecksum == "" ||
			!reflect.DeepEqual(written.Stores, d.Stores) || written.SuspectNames != d.SuspectNames {
			t.Fatalf("%s: %s is not whole: %v", what, name, err)
		}
	}
	if c.Repaired() != "" {
		if !d.SuspectNames || !reflect.DeepEqual(d.SuspectStores, []string{"ordersstore"}) || c.Generation() < 3 {
			t.Fatalf("%s: in doubt (%s), and the marks are %+v", what, c.Repaired(), d)
		}
		return doubt
	}
	if s.Epoch != 5 || c.Generation() != 5 || d.SuspectNames {
		t.Fatalf("%s: it shows epoch %d of generation %d without a doubt", what, s.Epoch, c.Generation())
	}
	return same
}

// TestTwin_OneFileDamaged damages each of the files: what the others say is certain.
func TestTwin_OneFileDamaged(t *testing.T) {
	main, twin := history(t)
	for name, damage := range map[string]func([]byte) []byte{
		"missing":       func([]byte) []byte { return nil },
		"empty":         func([]byte) []byte { return []byte{} },
		"cut":           func(text []byte) []byte { return text[:len(text)/2] },
		"zeros":         func(text []byte) []byte { return make([]byte, len(text)) },
		"other JSON":    func([]byte) []byte { return []byte(`{"stores":{}}`) },
		"a bit flipped": func(text []byte) []byte { return bytes.Replace(text, []byte("7811"), []byte("7911"), 1) },
		"an epoch":      func(text []byte) []byte { return bytes.Replace(text, []byte(`"epoch":5`), []byte(`"epoch":7`), 1) },
		"a generation": func(text []byte) []byte {
			return bytes.Replace(text, []byte(`"generation":5`), []byte(`"generation":9`), 1)
		},
		"no mark": func(text []byte) []byte { return bytes.Replace(text, []byte(`"twin":true,`), nil, 1) },
	} {
		for i, file := range []string{"main file", "twin", "previous"} {
			texts := [3][]byte{main[5], twin[5], main[4]}
			texts[i] = damage(texts[i])
			what := file + ": " + name
			dir := folderOf(t, texts[0], texts[1], texts[2])
			if got := reopen(t, what, dir); got != same {
				t.Errorf("%s: %s", what, got)
			}
			if got := reopen(t, what+", again", dir); got != same {
				t.Errorf("%s, again: %s", what, got)
			}
		}
	}
}

// TestTwin_Outcomes opens combinations of files: what a crash leaves is the latest state; a state that may lack a write
// is in doubt.
func TestTwin_Outcomes(t *testing.T) {
	main, twin := history(t)
	broken := []byte("{")
	for _, c := range []struct {
		name                 string
		main, twin, previous []byte
		want                 outcome
	}{
		{"a crash before the twin was renamed", main[5], twin[4], main[4], same},
		{"a crash whose rename of the main file was lost", main[4], twin[5], main[3], same},
		{"a crash after the previous file was renamed", main[5], twin[5], main[5], same},
		{"an old main file put back", main[2], twin[5], main[4], same},
		{"an old twin put back", main[5], twin[2], main[4], same},
		{"the main file damaged, the twin older by one", broken, twin[4], main[4], doubt},
		{"the main file damaged, the twin older by two", broken, twin[3], main[4], doubt},
		{"the twin damaged, the main file older by one", main[4], broken, main[4], doubt},
		{"the twin damaged, the main file older by two", main[3], broken, main[4], doubt},
		{"both older", main[3], twin[3], main[4], doubt},
		{"only the main file", main[5], nil, nil, doubt},
		{"only the twin", nil, twin[5], nil, doubt},
		{"only the previous file", nil, nil, main[4], doubt},
		{"main file and twin damaged", broken, broken, main[4], doubt},
		{"main file and previous file damaged", broken, twin[5], broken, doubt},
		{"an older version's files, the main file damaged", broken, main[4], nil, doubt},
		{"all damaged", broken, broken, broken, refusal},
		{"no files", nil, nil, nil, refusal},
	} {
		dir := folderOf(t, c.main, c.twin, c.previous)
		if got := reopen(t, c.name, dir); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		if c.want == refusal {
			continue
		}
		again := open(t, dir)
		if again.Repaired() != "" || len(again.Mended()) != 0 || again.Snapshot().SuspectNames != (c.want == doubt) {
			t.Errorf("%s: opened again: %q, %q, suspect names %t", c.name, again.Repaired(), again.Mended(), again.Snapshot().SuspectNames)
		}
	}
}

// TestTwin_EachByteFlipped flips bits of each file, and of two files at once.
func TestTwin_EachByteFlipped(t *testing.T) {
	main, twin := history(t)
	dir := t.TempDir()
	count := map[outcome]int{}
	flip := func(text []byte, bit int) []byte {
		out := bytes.Clone(text)
		out[bit/8] ^= 1 << (bit % 8)
		return out
	}
	try := func(what string, m, w, p []byte) outcome {
		fill(t, dir, m, w, p)
		for _, kept := range []string{mainFile, twinFile} {
			_ = os.Remove(filepath.Join(dir, kept+damagedSuffix))
		}
		got := reopen(t, what, dir)
		count[got]++
		return got
	}
	texts := [3][]byte{main[5], twin[5], main[4]}
	for i := range texts {
		bits := len(texts[i]) * 8
		step := 1
		if !*everyByte {
			step = bits / 25
		}
		for bit := rand.IntN(step); bit < bits; bit += step {
			with := texts
			with[i] = flip(texts[i], bit)
			what := fmt.Sprintf("bit %d of file %d", bit, i)
			// A flipped bit of the format may make the file one of a newer version.
			if got := try(what, with[0], with[1], with[2]); got == doubt || got == refusal && !newer(with[i]) {
				t.Errorf("%s: %s", what, got)
			}
			// The other file of the pair is older or damaged as well: doubt or refusal, or a state that is the same.
			switch i {
			case 0:
				try(what+", the twin older", with[0], twin[4], with[2])
				try(what+", the previous file damaged", with[0], with[1], flip(main[4], bit%(len(main[4])*8)))
			case 1:
				try(what+", the main file older", main[4], with[1], with[2])
			}
		}
	}
	t.Logf("%v", count)
	if count[same] == 0 || count[doubt] == 0 {
		t.Errorf("outcomes: %v", count)
	}
}

// newer reports whether a text claims to have a format that this version doesn't know.
func newer(text []byte) bool {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		return false
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "f")
	_ = os.WriteFile(path, text, 0o600)
	_, _, err = read(path)
	return errors.Is(err, errNewer)
}

// TestTwin_UnwritableStartIsReadOnly opens a catalog that has to be made whole on a disk that refuses it.
func TestTwin_UnwritableStartIsReadOnly(t *testing.T) {
	if !storetest.Alone(t) {
		return
	}
	main, _ := history(t)
	dir := folderOf(t, main[5], nil, main[4])
	heal := storetest.LimitFiles(t, 100)
	c := open(t, dir)
	heal()
	if r := c.ReadOnly(); r == nil || r.Code != wire.CodeReadOnly || !strings.Contains(r.Message, dir) || c.Lost() != "" {
		t.Fatalf("read-only: %v, lost %q", r, c.Lost())
	}
	if got := c.Snapshot().Stores["OrdersStore"]; got == nil || got.Epoch != 5 {
		t.Errorf("it shows %+v", got)
	}
	var refused *wire.Result
	if err := c.Update(func(d *Data) error { delete(d.Stores, "OrdersStore"); return nil }); !errors.As(err, &refused) ||
		refused.Code != wire.CodeReadOnly {
		t.Errorf("a change: %v", err)
	}
	_ = c.Close()
	if got := reopen(t, "once the disk is well again", dir); got != same {
		t.Errorf("once the disk is well again: %s", got)
	}
}

// TestTwin_OlderVersionsFiles opens what a version without the twin leaves: its previous generation is in the twin's
// place.
func TestTwin_OlderVersionsFiles(t *testing.T) {
	old := func(generation uint64, payload []byte) []byte {
		return fmt.Appendf(nil, `{"format":2,"generation":%d,"checksum":%q,"payload":%s}`+"\n", generation, checksum(payload), payload)
	}
	main, twin := history(t)
	payload := func(text []byte) []byte {
		dir := folderOf(t, text, nil, nil)
		f, _, err := read(filepath.Join(dir, mainFile))
		if err != nil {
			t.Fatal(err)
		}
		return f.Payload
	}
	four, five := old(4, payload(main[4])), old(5, payload(main[5]))
	for name, c := range map[string]struct {
		main, twin, previous []byte
		want                 outcome
	}{
		"whole":                           {five, four, nil, same},
		"its first write":                 {five, main[4], main[3], same},
		"it fell back to the twin before": {five, twin[4], main[3], same},
		"only the main file":              {five, nil, nil, same},
		"the main file damaged":           {[]byte("{"), four, nil, doubt},
		"the first write, then damage":    {[]byte("{"), main[4], main[3], doubt},
	} {
		dir := folderOf(t, c.main, c.twin, c.previous)
		if got := reopen(t, name, dir); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	// What it has is the generation before, in the twin's place.
	dir := folderOf(t, five, four, nil)
	reopen(t, "upgrade", dir)
	if f, _, err := read(filepath.Join(dir, previousFile)); err != nil || f.Generation != 4 {
		t.Errorf("the generation before: %+v, %v", f, err)
	}
}

// TestTwin_FormatIsTheLowest checks that only a catalog with the new mark has the new format, which older versions
// refuse.
func TestTwin_FormatIsTheLowest(t *testing.T) {
	c := open(t, t.TempDir())
	for _, suspect := range []bool{false, true, false} {
		if err := c.Update(func(d *Data) error { d.SuspectNames = suspect; d.DroppedEpoch++; return nil }); err != nil {
			t.Fatal(err)
		}
		want := formatOperations
		if suspect {
			want = formatSuspect
		}
		for _, name := range []string{mainFile, twinFile} {
			if f, _, err := read(filepath.Join(c.Dir(), name)); err != nil || f.Format != want {
				t.Errorf("%s with suspect names %t: %+v, %v", name, suspect, f, err)
			}
		}
	}
}

// BenchmarkCatalog_Update measures a change of a small catalog, most of which is the wait for the disk.
func BenchmarkCatalog_Update(b *testing.B) {
	dir := os.Getenv("DKV_BENCH_DIR") // a disk, if the usual temporary folder is in memory
	if dir == "" {
		dir = b.TempDir()
	}
	c, err := Open(filepath.Join(dir, "catalog"), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	times := make([]time.Duration, 0, b.N)
	for n := range b.N {
		began := time.Now()
		if err := c.Update(func(d *Data) error {
			s := orders()
			s.Epoch = uint64(n) + 2
			d.Stores[s.Name] = s
			return nil
		}); err != nil {
			b.Fatal(err)
		}
		times = append(times, time.Since(began))
	}
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Microseconds()), "p50-µs")
}
