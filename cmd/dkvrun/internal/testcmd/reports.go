package testcmd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"dkvrun/cmd/dkvrun/internal/exit"
	"dkvrun/cmd/dkvrun/internal/process"
	"dkvrun/runtime/suite"
	"dkvrun/runtime/suite/report"
)

// reportFormats are the formats of --report.
var reportFormats = []string{"terminal", "tap", "tap13", "junit", "json"}

// reportList holds the reports of --report and their open files.
type reportList struct {
	reports  []suite.Report
	files    []*os.File
	onStdout string // the format that goes to standard output
}

// openReports opens the reports of --report, and the terminal report if none of them goes to standard output.
func openReports(p *process.Process, o *testOptions) (*reportList, error) {
	l := &reportList{}
	for _, wanted := range o.reports {
		if err := l.open(p, o, wanted); err != nil {
			return nil, errors.Join(err, l.close())
		}
	}
	if l.onStdout == "" {
		l.reports = append(l.reports, newTerminal(p.Stdout, o, p.Colored(o.color)))
	}
	return l, nil
}

func (l *reportList) open(p *process.Process, o *testOptions, wanted string) error {
	format, path, toFile := strings.Cut(wanted, ":")
	if !slices.Contains(reportFormats, format) {
		return exit.Misuse("", "test: --report %s: want %s, and optionally :FILE", wanted, strings.Join(reportFormats, ", "))
	}
	out, colored := io.Writer(p.Stdout), p.Colored(o.color)
	switch {
	case toFile:
		f, err := os.Create(path)
		if err != nil {
			return exit.Misuse("", "test: --report %s: %v", wanted, errors.Unwrap(err))
		}
		taken := slices.ContainsFunc(l.files, func(other *os.File) bool { return sameFile(f, other) })
		l.files = append(l.files, f)
		if taken {
			return exit.Misuse("give each report a different file", "test: --report %s: another report goes to that file", wanted)
		}
		out, colored = f, o.color == "always"
	case l.onStdout != "":
		return exit.Misuse("give one of them a file: "+format+":FILE", "test: --report: %s and %s both go to standard output", l.onStdout, format)
	default:
		l.onStdout = format
	}
	r, err := newReport(format, out, o, colored)
	l.reports = append(l.reports, r)
	return err
}

// sameFile reports whether two open files are the same regular file, so that one report would overwrite the other.
func sameFile(a, b *os.File) bool {
	first, err := a.Stat()
	second, errSecond := b.Stat()
	return err == nil && errSecond == nil && first.Mode().IsRegular() && os.SameFile(first, second)
}

func (l *reportList) close() error {
	var errs []error
	for _, f := range l.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

func newReport(format string, w io.Writer, o *testOptions, colored bool) (suite.Report, error) {
	switch format {
	case "tap":
		return report.TAP(w, 14)
	case "tap13":
		return report.TAP(w, 13)
	case "junit":
		return report.JUnit(w, "seed", fmt.Sprint(o.seed), "rerun", o.again), nil
	case "json":
		return report.JSONLines(w), nil
	}
	return newTerminal(w, o, colored), nil
}
