package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"strings"
	"testing"
	"time"

	"dkvrun/runtime/suite"
)

// results has a result of each kind.
func results() []suite.Result {
	failed := suite.Attempt{Status: suite.Failed, Duration: 2 * time.Millisecond, Output: "printed \x1b[1m]]> here", Actions: []string{"start_store: a FAILED"},
		Problems: []*suite.Problem{{Assertion: true, Message: "expected <1>", Difference: "- 1\n+ 2\n", File: "b_test.lua", Line: 3, Source: "> 3  x\n"}, {Message: "and then"}}}
	return []suite.Result{
		{File: "b_test.lua", Blocks: []string{"orders"}, Name: "pass", Round: 1, Attempts: []suite.Attempt{{Status: suite.Passed}}},
		{File: "b_test.lua", Blocks: []string{"orders"}, Name: "fail #tag", Round: 1, Tags: []string{"tag"}, Attempts: []suite.Attempt{failed}},
		{File: "a_test.lua", Name: "flaky", Round: 2, Attempts: []suite.Attempt{failed, {Status: suite.Passed}}},
		{File: "a_test.lua", Name: "hangs", Round: 1,
			Attempts: []suite.Attempt{{Status: suite.Errored, Problems: []*suite.Problem{{Timeout: true, Message: "not done after 1s"}}}}},
		{File: "a_test.lua", Name: "waits", Round: 1, Attempts: []suite.Attempt{{Status: suite.Pending, Reason: "not\ntoday"}}},
	}
}

func tell(t *testing.T, r suite.Report) {
	t.Helper()
	for _, result := range results() {
		if err := r.Test(result); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.End(suite.Summary{Files: 2, Passed: 2, Failed: 1, Errors: 1, Pending: 1, Flaky: 1, Seed: 7}); err != nil {
		t.Fatal(err)
	}
}

func TestTAP_Report(t *testing.T) {
	var out bytes.Buffer
	r, err := TAP(&out, 14)
	if err != nil {
		t.Fatal(err)
	}
	tell(t, r)
	var lines []string
	for line := range strings.Lines(out.String()) {
		if !strings.HasPrefix(line, "  ") {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	want := []string{
		"TAP version 14",
		"ok 1 - b_test.lua: orders pass",
		`not ok 2 - b_test.lua: orders fail \#tag`,
		"ok 3 - a_test.lua: flaky (round 2)",
		"not ok 4 - a_test.lua: hangs",
		"ok 5 - a_test.lua: waits # SKIP not today",
		"1..5",
		"# seed 7",
	}
	if strings.Join(lines, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s", strings.Join(lines, "\n"))
	}
}

// The document has only the elements, and their order, that Jenkins' schema allows.
func TestJUnit_Report(t *testing.T) {
	var out bytes.Buffer
	r := JUnit(&out, "seed", "7")
	failed, errored := results()[1].Last(), results()[3].Last()
	errored.Output = "printed by the first"
	if err := r.Test(suite.Result{File: "a_test.lua", Name: "fails again", Round: 1,
		Attempts: []suite.Attempt{errored, failed, errored}}); err != nil {
		t.Fatal(err)
	}
	tell(t, r)
	inside := map[string]string{
		"testsuites": "testsuite", "testsuite": "properties testcase system-out system-err", "properties": "property",
		"testcase":     "skipped error failure flakyFailure flakyError rerunFailure rerunError system-out system-err",
		"flakyFailure": "system-out system-err", "flakyError": "system-out system-err",
		"rerunFailure": "system-out system-err", "rerunError": "system-out system-err",
	}
	var open []string
	counts := map[string]int{}
	var text strings.Builder
	decoder := xml.NewDecoder(&out)
	for {
		token, err := decoder.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("not well-formed: %v", err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			name := token.Name.Local
			if len(open) > 0 && !strings.Contains(" "+inside[open[len(open)-1]]+" ", " "+name+" ") {
				t.Errorf("%s within %s", name, open[len(open)-1])
			}
			counts[name]++
			open = append(open, name)
			for _, a := range token.Attr {
				counts[name+" "+a.Name.Local+"="+a.Value]++
			}
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			text.Write(token)
		}
	}
	if !strings.Contains(text.String(), "printed \ufffd[1m]]> here") {
		t.Errorf("the output is not there, or not as XML can hold it:\n%s", text.String())
	}
	for what, want := range map[string]int{
		"testsuite": 2, "testcase": 6, "failure": 1, "error": 2, "skipped": 1, "flakyFailure": 1, "rerunFailure": 1, "rerunError": 1, "property": 2,
		"system-out": 5, "system-err": 3,
		"testsuites tests=5": 1, "testsuite name=a_test.lua": 1, "testsuite errors=2": 1, "testsuite failures=1": 1, "testcase name=flaky (round 2)": 1,
		"testcase classname=b_test.orders": 2, "failure message=expected <1>": 1, "error type=timeout": 2, "rerunError type=timeout": 1, "rerunFailure message=expected <1>": 1, "skipped message=not\ntoday": 1,
	} {
		if counts[what] != want {
			t.Errorf("%d × %q, want %d", counts[what], what, want)
		}
	}
}

func TestJSONLines_Report(t *testing.T) {
	var out bytes.Buffer
	tell(t, JSONLines(&out))
	var lines []map[string]any
	for line := range strings.Lines(out.String()) {
		var object map[string]any
		if err := json.Unmarshal([]byte(line), &object); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		lines = append(lines, object)
	}
	if len(lines) != 6 {
		t.Fatalf("%d lines", len(lines))
	}
	flaky := lines[2]
	if flaky["flaky"] != true || flaky["status"] != "passed" || len(flaky["attempts"].([]any)) != 2 {
		t.Errorf("flaky: %v", flaky)
	}
	problem := lines[1]["attempts"].([]any)[0].(map[string]any)["problems"].([]any)[0].(map[string]any)
	if problem["kind"] != "failure" || problem["difference"] != "- 1\n+ 2\n" || problem["line"] != 3.0 {
		t.Errorf("problem: %v", problem)
	}
	if last := lines[5]; last["type"] != "summary" || last["ok"] != false || last["flaky"] != 1.0 || last["seed"] != 7.0 {
		t.Errorf("summary: %v", last)
	}
}
