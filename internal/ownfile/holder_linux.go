package ownfile

import (
	"bufio"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// lockHolder says which process has the lock of a file.
func lockHolder(f *os.File) *LockedError {
	info, err := f.Stat()
	if err != nil {
		return &LockedError{}
	}
	pid := lockPID("/proc/locks", info)
	if pid == 0 {
		return &LockedError{}
	}
	program, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return &LockedError{PID: pid, Program: strings.TrimSpace(string(program))}
}

// lockPID returns the process that has a file locked, by the table of the kernel; 0 if
// that is not known. A line is "1: FLOCK  ADVISORY  WRITE 1234 fe:00:5678 0 EOF", with
// the process and with the device and the number of the file.
func lockPID(table string, file fs.FileInfo) int {
	st, ok := file.Sys().(*syscall.Stat_t)
	if !ok {
		return 0
	}
	f, err := os.Open(table)
	if err != nil {
		return 0
	}
	defer f.Close()
	device := uint64(st.Dev) //nolint:unconvert // the type depends on the system
	id := fmt.Sprintf("%02x:%02x:%d", unix.Major(device), unix.Minor(device), st.Ino)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if words := strings.Fields(lines.Text()); len(words) > 5 && words[1] == "FLOCK" && words[5] == id {
			pid, _ := strconv.Atoi(words[4])
			return max(pid, 0)
		}
	}
	return 0
}
