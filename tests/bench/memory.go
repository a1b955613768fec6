package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// residents returns the resident memory, in MB, of the managers and instances that a runner started, by role.
func residents(runner int, roles map[string]string, memory map[string][]float64) error {
	managers, err := children(runner)
	if err != nil {
		return err
	}
	instances := 0
	for _, manager := range managers {
		if err := resident(manager, "manager", memory); err != nil {
			return err
		}
		own, err := children(manager)
		if err != nil {
			return err
		}
		for _, pid := range own {
			line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			if err != nil {
				return err
			}
			arguments := strings.Split(strings.TrimRight(string(line), "\x00"), "\x00")
			role, known := roles[filepath.Base(arguments[len(arguments)-1])]
			if !known {
				return fmt.Errorf("process %d is none of the store's instances: %q", pid, arguments)
			}
			if err := resident(pid, role, memory); err != nil {
				return err
			}
			instances++
		}
	}
	if instances != len(roles) {
		return fmt.Errorf("%d instances are running, not %d", instances, len(roles))
	}
	return nil
}

// children returns the ids of the child processes of a process.
func children(parent int) ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var out []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue // the process has ended
		}
		// The format is: pid (name) state parent …; the name may contain any characters.
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if len(fields) > 1 && fields[1] == strconv.Itoa(parent) {
			out = append(out, pid)
		}
	}
	return out, nil
}

func resident(pid int, role string, memory map[string][]float64) error {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(status)) {
		if kb, found := strings.CutPrefix(line, "VmRSS:"); found {
			n, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(kb), "kB")), 64)
			memory[role] = append(memory[role], n/1024)
			return err
		}
	}
	return errors.New("the system does not say how much memory a process holds")
}
