package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"dkvrun/runtime/suite"
	"dkvrun/runtime/suite/report"
)

// reportFormats are what --report takes.
var reportFormats = []string{"terminal", "tap", "tap13", "junit", "json"}

// openReports opens what --report names: the terminal's report where it names nothing for standard output.
func openReports(p *process, o *testOptions) (reports []suite.Report, close func() error, err error) {
	var files []*os.File
	close = func() error {
		var errs []error
		for _, f := range files {
			errs = append(errs, f.Close())
		}
		return errors.Join(errs...)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, close())
		}
	}()
	onStdout := ""
	for _, wanted := range o.reports {
		format, path, toFile := strings.Cut(wanted, ":")
		if !slices.Contains(reportFormats, format) {
			return nil, nil, misuse("", "test: --report %s: want %s, then perhaps :FILE", wanted, strings.Join(reportFormats, ", "))
		}
		out, colored := io.Writer(p.stdout), o.colored(p)
		if toFile {
			f, err := os.Create(path)
			if err != nil {
				return nil, nil, misuse("", "test: --report %s: %v", wanted, errors.Unwrap(err))
			}
			files = append(files, f)
			out, colored = f, o.color == "always"
		} else if onStdout != "" {
			return nil, nil, misuse("give one of them a file: "+format+":FILE", "test: --report %s and %s both go to standard output", onStdout, format)
		} else {
			onStdout = format
		}
		r, err := newReport(format, out, o, colored)
		if err != nil {
			return nil, nil, fmt.Errorf("report %s: %w", wanted, err)
		}
		reports = append(reports, r)
	}
	if onStdout == "" {
		reports = append(reports, newTerminal(p.stdout, o, o.colored(p)))
	}
	return reports, close, nil
}

// colored says whether standard output takes colour.
func (o *testOptions) colored(p *process) bool {
	return o.color == "always" || o.color == "auto" && isTerminal(p.stdout) && p.getenv("NO_COLOR") == "" && p.getenv("TERM") != "dumb"
}

func newReport(format string, w io.Writer, o *testOptions, colored bool) (suite.Report, error) {
	switch format {
	case "tap":
		return report.TAP(w, 14)
	case "tap13":
		return report.TAP(w, 13)
	case "junit":
		return report.JUnit(w, "seed", fmt.Sprint(o.seed), "rerun", o.rerun()), nil
	case "json":
		return report.JSONLines(w), nil
	}
	return newTerminal(w, o, colored), nil
}
