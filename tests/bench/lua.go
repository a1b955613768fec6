package main

import (
	"context"
	"fmt"
	goruntime "runtime"
	"syscall"
	"time"

	lua "github.com/yuin/gopher-lua"

	"dkvrun/runtime"
)

const (
	luaRuns = 9
	// luaTarget limits the processor time of programs whose execution the host has changed, as a multiple of that of
	// gopher-lua with a context.
	luaTarget = 1.15
)

// luaPrograms use the features that the host executes in another way, because gopher-lua executes them wrongly.
var luaPrograms = []struct {
	name, source string
	target       float64
}{
	{"300,000 pcall", `local function f() return 1 end for _ = 1, 300000 do pcall(f) end`, luaTarget},
	{"300,000 xpcall", `local function f() return 1 end for _ = 1, 300000 do xpcall(f, print) end`, 0},
	{"100,000 errors in pcall", `local function f() error("x") end for _ = 1, 100000 do pcall(f) end`, 0},
	{"3,000,000 swaps of locals", `local a, b = 1, 2 for _ = 1, 3000000 do a, b = b, a end`, luaTarget},
	{"1,000,000 swaps of list items", `local t = {1, 2} for i = 1, 1000000 do t[1], t[2] = t[2], t[1] end`, luaTarget},
	{"1,000,000 assignments of a condition", `local v = 1 for i = 1, 1000000 do v = i > 5 and i or v end`, luaTarget},
}

// luaRepairs runs programs in the host and in gopher-lua alternately, and compares the times.
func luaRepairs(ctx context.Context, _ *programs, r *report) error {
	for _, p := range luaPrograms {
		var ratios []float64
		for range luaRuns {
			raw, err := timeRaw(ctx, p.source)
			if err != nil {
				return err
			}
			own, err := timeHost(ctx, p.source)
			if err != nil {
				return err
			}
			ratios = append(ratios, own.Seconds()/raw.Seconds())
		}
		r.add(fmt.Sprintf("%s, against gopher-lua with a context", p.name), "×", ratios, p.target)
	}
	return nil
}

func timeRaw(ctx context.Context, source string) (time.Duration, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	state := lua.NewState()
	defer state.Close()
	state.SetContext(ctx)
	return processorTime(func() error { return state.DoString(source) })
}

func timeHost(ctx context.Context, source string) (time.Duration, error) {
	host := runtime.New(runtime.Options{})
	defer host.Close()
	return processorTime(func() error {
		_, err := host.RunSource(ctx, "bench.lua", []byte(source))
		return err
	})
}

// processorTime returns the processor time of f, including the collection of its garbage.
func processorTime(f func() error) (time.Duration, error) {
	goruntime.GC()
	began := processorTimeSoFar()
	err := f()
	goruntime.GC()
	return processorTimeSoFar() - began, err
}

func processorTimeSoFar() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
