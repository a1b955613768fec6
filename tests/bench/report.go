package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	goruntime "runtime"
	"slices"
)

// figure is one measured quantity, smaller being better.
type figure struct {
	Name   string  `json:"name"`
	Unit   string  `json:"unit"`
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
	Runs   int     `json:"runs"`
	// Target is the most that the median may be; nil for a figure that others are compared with.
	Target *float64 `json:"target"`
	Met    *bool    `json:"met"`
}

// report collects figures and prints them.
type report struct {
	w       io.Writer
	figures []figure
}

// add takes the samples of a figure; a target of 0 means none.
func (r *report) add(name, unit string, samples []float64, target float64) {
	slices.Sort(samples)
	f := figure{
		Name: name, Unit: unit, Runs: len(samples),
		Median: median(samples), Min: samples[0], Max: samples[len(samples)-1],
	}
	if len(r.figures) == 0 {
		fmt.Fprintf(r.w, "%-44s %8s %8s %8s %-5s %8s\n", "", "median", "min", "max", "", "target")
	}
	fmt.Fprintf(r.w, "%-44s %8.2f %8.2f %8.2f %-5s", name, f.Median, f.Min, f.Max, unit)
	if target > 0 {
		met := f.Median <= target
		f.Target, f.Met = &target, &met
		fmt.Fprintf(r.w, " %8.2f %s", target, map[bool]string{true: "met", false: "MISSED"}[met])
	}
	fmt.Fprintln(r.w)
	r.figures = append(r.figures, f)
}

// median of sorted samples.
func median(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

func (r *report) write(path string) error {
	b, err := json.MarshalIndent(struct {
		System  string   `json:"system"`
		CPUs    int      `json:"cpus"`
		Go      string   `json:"go"`
		Figures []figure `json:"figures"`
	}{goruntime.GOOS + "/" + goruntime.GOARCH, goruntime.NumCPU(), goruntime.Version(), r.figures}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}
