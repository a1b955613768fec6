package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"dkvrun/runtime/suite"
)

// junit collects all results, because all files of a run go into one document.
type junit struct {
	w          io.Writer
	properties []property
	began      time.Time
	suites     map[string]*testSuite
}

// JUnit returns a report that writes JUnit XML in Jenkins' schema at the end of the run: a suite for each file, a case
// for each test. A failed assertion is a failure, everything else an error. properties are alternating names and
// values; every suite has them.
func JUnit(w io.Writer, properties ...string) suite.Report {
	j := &junit{w: w, began: time.Now(), suites: map[string]*testSuite{}}
	for pair := range slices.Chunk(properties, 2) {
		j.properties = append(j.properties, property{pair[0], pair[1]})
	}
	return j
}

type testSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Time     string       `xml:"time,attr"`
	Suites   []*testSuite `xml:"testsuite"`
}

type testSuite struct {
	Name       string     `xml:"name,attr"`
	Tests      int        `xml:"tests,attr"`
	Failures   int        `xml:"failures,attr"`
	Errors     int        `xml:"errors,attr"`
	Skipped    int        `xml:"skipped,attr"`
	Time       string     `xml:"time,attr"`
	Timestamp  string     `xml:"timestamp,attr"`
	Properties []property `xml:"properties>property"`
	Cases      []testCase `xml:"testcase"`

	took time.Duration
}

type property struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type testCase struct {
	Name      string   `xml:"name,attr"`
	ClassName string   `xml:"classname,attr"`
	Time      string   `xml:"time,attr"`
	Skipped   *skipped `xml:"skipped"`
	Error     *fault   `xml:"error"`
	Failure   *fault   `xml:"failure"`
	Earlier   []attempt
	Output    *text `xml:"system-out"`
	Log       *text `xml:"system-err"`
}

type skipped struct {
	Message string `xml:"message,attr,omitempty"`
}

type fault struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",cdata"`
}

// attempt is an attempt before the last: flakyFailure or flakyError if the test passed in the end, else rerunFailure or
// rerunError.
type attempt struct {
	XMLName xml.Name
	fault
	Output *text `xml:"system-out"`
	Log    *text `xml:"system-err"`
}

// text is an element with only text.
type text struct {
	Text string `xml:",cdata"`
}

func (j *junit) Test(r suite.Result) error {
	s := j.suites[r.File]
	if s == nil {
		s = &testSuite{Name: r.File, Timestamp: j.began.UTC().Format("2006-01-02T15:04:05"), Properties: j.properties}
		j.suites[r.File] = s
	}
	s.Tests++
	s.took += r.Duration()
	last := r.Last()
	c := testCase{Name: r.FullName(), ClassName: className(r), Time: inSeconds(r.Duration()), Output: textOf(last.Output),
		Log: logOf(last)}
	if r.Round > 1 {
		c.Name += fmt.Sprintf(" (round %d)", r.Round)
	}
	switch r.Status() {
	case suite.Pending:
		s.Skipped++
		c.Skipped = &skipped{last.Reason}
	case suite.Failed:
		s.Failures++
		c.Failure = faultOf(last)
	case suite.Errored:
		s.Errors++
		c.Error = faultOf(last)
	}
	for _, a := range r.Attempts[:len(r.Attempts)-1] {
		c.Earlier = append(c.Earlier, earlier(a, r.Flaky()))
	}
	s.Cases = append(s.Cases, c)
	return nil
}

func earlier(a suite.Attempt, flaky bool) attempt {
	name := "rerun"
	if flaky {
		name = "flaky"
	}
	if a.Status == suite.Failed {
		name += "Failure"
	} else {
		name += "Error"
	}
	return attempt{XMLName: xml.Name{Local: name}, fault: *faultOf(a), Output: textOf(a.Output), Log: logOf(a)}
}

// logOf returns the actions of a test.
func logOf(a suite.Attempt) *text { return textOf(strings.Join(a.Actions, "\n")) }

// className returns the file and the blocks, because readers group the tests by it.
func className(r suite.Result) string {
	return strings.Join(append([]string{strings.TrimSuffix(r.File, ".lua")}, r.Blocks...), ".")
}

func inSeconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }

// textOf returns an element with a text, or nil if there is none.
func textOf(s string) *text {
	if s == "" {
		return nil
	}
	return &text{legal(s)}
}

// legal replaces control characters, for which XML has no escape.
func legal(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == '\ufffe' || r == '\uffff' {
			return '\ufffd'
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
}

// faultOf returns one element for all problems of an attempt, because the schema allows only one.
func faultOf(a suite.Attempt) *fault {
	f := &fault{Message: a.Problems[0].Message, Type: kind(a.Problems[0])}
	for i, p := range a.Problems {
		if i > 0 {
			f.Text += "\nthen: " + p.Message + "\n"
		}
		f.Text += details(p)
	}
	f.Text = legal(f.Text)
	return f
}

func (j *junit) End(s suite.Summary) error {
	all := testSuites{Name: "dkvrun test", Tests: s.Tests(), Failures: s.Failed, Errors: s.Errors, Time: inSeconds(s.Duration)}
	for _, one := range j.suites {
		one.Time = inSeconds(one.took)
		all.Suites = append(all.Suites, one)
	}
	slices.SortFunc(all.Suites, func(a, b *testSuite) int { return strings.Compare(a.Name, b.Name) })
	if _, err := io.WriteString(j.w, xml.Header); err != nil {
		return err
	}
	encoder := xml.NewEncoder(j.w)
	encoder.Indent("", "  ")
	if err := encoder.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(j.w, "\n")
	return err
}
