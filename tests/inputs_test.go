package tests

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// input is an input of dkvrun and its right answer. It is run here, or shown by a transcript or another test.
type input struct {
	name   string
	args   []string          // of dkvrun
	files  map[string]string // written to the folder in which it runs
	status int
	stdout string // a regular expression for all of it, without the last line end
	stderr string // likewise
	shown  *shown
}

// shown is a place that drives an input: a file that has the input, and after it the answer.
type shown struct {
	file   string // in the repository
	test   string // the name of the test; empty for a transcript
	input  string
	answer string
}

// run runs dkvrun with an input's arguments in a folder, and compares what it says.
func (in input) run(t *testing.T, folder string, env ...string) {
	t.Helper()
	for name, text := range in.files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(program("dkvrun"), in.args...)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), append([]string{"NO_COLOR=1"}, env...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	status := 0
	var exit *exec.ExitError
	if err := cmd.Run(); errors.As(err, &exit) {
		status = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	if status != in.status {
		t.Errorf("status %d, want %d", status, in.status)
	}
	for _, stream := range []struct{ name, got, want string }{
		{"standard output", stdout.String(), in.stdout}, {"standard error", stderr.String(), in.stderr},
	} {
		if got := strings.TrimSuffix(stream.got, "\n"); !regexp.MustCompile(`\A(?:` + stream.want + `)\z`).MatchString(got) {
			t.Errorf("%s:\n%s\nwant\n%s", stream.name, got, stream.want)
		}
	}
}

// problem reports what is wrong with a place; empty if it has its input and the answer, outside of comments.
func (s shown) problem(root string) string {
	text, err := os.ReadFile(filepath.Join(root, s.file))
	if err != nil {
		return err.Error()
	}
	comment := "//"
	switch {
	case s.test == "" && !regexp.MustCompile(`^tests/(transcripts|suites|bench)/`).MatchString(s.file):
		return s.file + " is neither a transcript nor a suite nor a measurement, and no test is named"
	case s.test != "" && !regexp.MustCompile(`(?m)^func `+s.test+`\(t \*testing\.T\)`).Match(text):
		return s.file + " has no test " + s.test
	case strings.HasSuffix(s.file, ".txtar"):
		comment = "#"
	case strings.HasSuffix(s.file, ".lua"):
		comment = "--"
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(strings.TrimSpace(line), comment) {
			lines = append(lines, line)
		}
	}
	_, after, found := strings.Cut(strings.Join(lines, ""), s.input)
	switch {
	case s.input == "" || s.answer == "":
		return "the input or the answer is not given"
	case !found:
		return s.file + " does not have the input " + s.input
	case !strings.Contains(after, s.answer):
		return s.file + " does not have the answer " + s.answer + " after the input"
	}
	return ""
}

// checkInputs runs the inputs, in their order, and checks that the others are shown where they should be.
func checkInputs(t *testing.T, inputs []input, env ...string) {
	t.Helper()
	folder, names := t.TempDir(), map[string]bool{}
	for _, in := range inputs {
		if names[in.name] {
			t.Errorf("two inputs have the name %s", in.name)
		}
		names[in.name] = true
		t.Run(in.name, func(t *testing.T) {
			switch {
			case in.shown == nil:
				in.run(t, folder, env...)
			case in.args != nil:
				t.Error("it is run here and shown elsewhere")
			default:
				if problem := in.shown.problem(".."); problem != "" {
					t.Error(problem)
				}
			}
		})
	}
}

// TestInputs_PlacesAreChecked gives places that don't show their input.
func TestInputs_PlacesAreChecked(t *testing.T) {
	const transcript = "tests/transcripts/absent.txtar"
	for _, s := range []shown{
		{file: "tests/transcripts/missing.txtar", input: "a", answer: "b"},
		{file: transcript},
		{file: transcript, input: "OrderStore", answer: "no such answer"},
		{file: transcript, input: "no such input", answer: "SUCCESS"},
		{file: transcript, input: "a mistyped name gets a suggestion", answer: "SUCCESS"}, // in a comment
		{file: transcript, input: "#get_store", answer: "OrderStore"},                     // the answer precedes the input
		{file: "docs/stores.md", input: "Topology", answer: "Roles"},
		{file: "tests/inputs_test.go", test: "TestInputs_Missing", input: "package", answer: "import"},
	} {
		if s.problem("..") == "" {
			t.Errorf("%+v is accepted", s)
		}
	}
	if problem := (shown{file: transcript, input: "OrderStore", answer: "RemoveStore +SUCCESS"}).problem(".."); problem != "" {
		t.Error(problem)
	}
}
