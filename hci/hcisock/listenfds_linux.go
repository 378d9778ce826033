package hcisock

import (
	"fmt"
	"strconv"
	"strings"
)

// firstListenFD is where systemd's inherited descriptors begin
// (SD_LISTEN_FDS_START).
const firstListenFD = 3

// listenFD finds the descriptor that systemd hands over under a name
// (sd_listen_fds_with_names): LISTEN_FDS says how many there are, from 3 on,
// LISTEN_FDNAMES what they are called, LISTEN_PID for whom they are.
func listenFD(name string, pid int, getenv func(string) string) (int, error) {
	count, names := getenv("LISTEN_FDS"), getenv("LISTEN_FDNAMES")
	if count == "" {
		return 0, fmt.Errorf("no descriptor called %q: LISTEN_FDS is not set", name)
	}
	if p := getenv("LISTEN_PID"); p != strconv.Itoa(pid) {
		return 0, fmt.Errorf("no descriptor called %q: LISTEN_PID is %q, this process is %d", name, p, pid)
	}
	n, err := parseNumber(count, maxFD)
	if err != nil {
		return 0, fmt.Errorf("LISTEN_FDS: %w", err)
	}
	for i, s := range strings.Split(names, ":") {
		if s == name && i < n {
			return firstListenFD + i, nil
		}
	}
	return 0, fmt.Errorf("no descriptor called %q among LISTEN_FDNAMES=%q of LISTEN_FDS=%d", name, names, n)
}
