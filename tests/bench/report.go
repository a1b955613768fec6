package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	goruntime "runtime"
	"slices"
)

// nameWidth is the width of the column with the names.
const nameWidth = 66

// figure is a measured quantity. Smaller values are better.
type figure struct {
	Name   string  `json:"name"`
	Unit   string  `json:"unit"`
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
	Runs   int     `json:"runs"`
	// Target is the maximum of the median; nil for a figure without a target.
	Target *float64 `json:"target"`
	Met    *bool    `json:"met"`
}

// document is a run in the form of the JSON file.
type document struct {
	System  string   `json:"system"`
	CPUs    int      `json:"cpus"`
	Go      string   `json:"go"`
	Figures []figure `json:"figures"`
}

// report collects figures and prints them.
type report struct {
	w       io.Writer
	figures []figure
}

// add adds a figure with its samples and prints it. A target of 0 means none.
func (r *report) add(name, unit string, samples []float64, target float64) {
	if len(r.figures) == 0 {
		fmt.Fprintf(r.w, "%-*s %8s %8s %8s %-5s %8s\n", nameWidth, "", "median", "min", "max", "", "target")
	}
	f := r.keep(name, unit, samples, target)
	fmt.Fprintf(r.w, "%-*s %8.2f %8.2f %8.2f %-5s", nameWidth, name, f.Median, f.Min, f.Max, unit)
	if f.Met != nil {
		fmt.Fprintf(r.w, " %8.2f %s", target, map[bool]string{true: "met", false: "MISSED"}[*f.Met])
	}
	fmt.Fprintln(r.w)
}

// keep adds a figure with its samples without printing it.
func (r *report) keep(name, unit string, samples []float64, target float64) figure {
	samples = sorted(samples)
	f := figure{
		Name: name, Unit: unit, Runs: len(samples),
		Median: median(samples), Min: samples[0], Max: samples[len(samples)-1],
	}
	if target > 0 {
		met := f.Median <= target
		f.Target, f.Met = &target, &met
	}
	r.figures = append(r.figures, f)
	return f
}

// sweep prints, for each program that was compared in one fan-out, a line with its wall time, processor time and peak
// memory, and keeps the figures.
func (r *report) sweep(title string, all []contestant, took map[string][]usage) {
	fmt.Fprintf(r.w, "\n%-*s %8s %8s %8s\n", nameWidth, title, "wall ms", "CPU ms", "peak MB")
	for _, c := range all {
		name := title + ": " + c.name
		wall := r.keep(name+", wall", "ms", column(took[c.name], wallOf), 0)
		cpu := r.keep(name+", CPU", "ms", column(took[c.name], cpuOf), 0)
		peak := r.keep(name+", peak memory", "MB", column(took[c.name], peakOf), 0)
		fmt.Fprintf(r.w, "    %-*s %8.1f %8.1f %8.1f\n", nameWidth-4, c.name, wall.Median, cpu.Median, peak.Median)
	}
}

func sorted(samples []float64) []float64 {
	out := slices.Clone(samples)
	slices.Sort(out)
	return out
}

// median returns the median of sorted samples.
func median(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// missed returns the number of missed targets.
func (r *report) missed() int {
	n := 0
	for _, f := range r.figures {
		if f.Met != nil && !*f.Met {
			n++
		}
	}
	return n
}

func (r *report) write(path string) error {
	b, err := json.MarshalIndent(document{
		goruntime.GOOS + "/" + goruntime.GOARCH, goruntime.NumCPU(), goruntime.Version(), r.figures,
	}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}
