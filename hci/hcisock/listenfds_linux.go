package hcisock

import (
	"fmt"
	"strconv"
	"strings"
)

// firstListenFD is the first descriptor that systemd passes (SD_LISTEN_FDS_START).
const firstListenFD = 3

// listenFD finds the descriptor that systemd passes under a name
// (sd_listen_fds_with_names). LISTEN_FDS is the number of descriptors, from 3 on,
// LISTEN_FDNAMES has their names, LISTEN_PID is the process that they are for.
func listenFD(name string, pid int, getenv func(string) string) (int, error) {
	count, names := getenv("LISTEN_FDS"), getenv("LISTEN_FDNAMES")
	if count == "" {
		return 0, &listenError{fmt.Sprintf("no descriptor called %q: LISTEN_FDS is not set", name),
			"start the program by one that passes it descriptors, or name the descriptor by number"}
	}
	if p := getenv("LISTEN_PID"); p != strconv.Itoa(pid) {
		return 0, &listenError{fmt.Sprintf("no descriptor called %q: LISTEN_PID is %q, this process is %d", name, p, pid),
			"let the process that has the descriptor become this program, as `exec` in a shell does, or name the descriptor by number"}
	}
	n, err := parseNumber(count, maxFD)
	if err != nil {
		return 0, &listenError{fmt.Sprintf("LISTEN_FDS: %v", err), "set it to the number of descriptors"}
	}
	for i, s := range strings.Split(names, ":") {
		if s == name && i < n {
			return firstListenFD + i, nil
		}
	}
	return 0, &listenError{fmt.Sprintf("no descriptor called %q among LISTEN_FDNAMES=%q of LISTEN_FDS=%d", name, names, n),
		"set FileDescriptorName= in the socket unit, or name the descriptor by number"}
}

// listenError says that there is no descriptor under a name, and what helps.
type listenError struct{ text, remedy string }

func (e *listenError) Error() string { return e.text }
