package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// cpuOf returns the CPU time of processes so far in milliseconds, that of the kernel for
// them included. The scheduler counts it in nanoseconds.
func cpuOf(pids []int) (ms float64) {
	for _, pid := range pids {
		tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
		for _, path := range tasks {
			b, err := os.ReadFile(path)
			if err != nil {
				continue // the thread has ended
			}
			var ns float64
			if _, err := fmt.Sscan(string(b), &ns); err == nil {
				ms += ns / 1e6
			}
		}
	}
	return ms
}

// pssOf returns the proportional set size of processes in megabytes.
func pssOf(pids []int) (mb float64) {
	for _, pid := range pids {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			var kb float64
			if n, _ := fmt.Sscanf(line, "Pss: %f kB", &kb); n == 1 {
				mb += kb / 1000
			}
		}
	}
	return mb
}

// findProcesses returns the processes with a name.
func findProcesses(name string) (pids []int) {
	comms, _ := filepath.Glob("/proc/[0-9]*/comm")
	for _, path := range comms {
		b, err := os.ReadFile(path)
		if err != nil || strings.TrimSpace(string(b)) != name {
			continue
		}
		var pid int
		if _, err := fmt.Sscanf(path, "/proc/%d/comm", &pid); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}
