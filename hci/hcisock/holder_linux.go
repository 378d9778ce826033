package hcisock

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const procDir = "/proc"

// hciSock is an HCI socket of a process.
type hciSock struct {
	pid  int
	name string
	// known reports that channel and index, to which the socket is bound, are known.
	known   bool
	channel uint16
	index   int
	own     int // the number of the descriptor, in this process; 0 in others
}

// noIndex is the index of a socket that is not bound to an adapter.
const noIndex = -1

// hciSockets finds the HCI sockets of all processes that this process may inspect:
// /proc/net/hci has the inodes, /proc/PID/fd the processes that have them open. It
// also returns bluetoothd, whose name every process may see, with an unknown socket.
func hciSockets(proc string) []hciSock {
	inodes := hciInodes(filepath.Join(proc, "net/hci"))
	entries, err := os.ReadDir(proc)
	if err != nil {
		return nil
	}
	var found []hciSock
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		dir := filepath.Join(proc, e.Name())
		name := attr(dir, "comm")
		socks := socketsOf(dir, inodes)
		for _, fd := range socks {
			s := hciSock{pid: pid, name: name}
			if pid == os.Getpid() {
				s.own = fd
			}
			addr, err := remoteName(pid, fd)
			switch {
			case err == nil:
				s.known, s.channel, s.index = true, addr.Channel, int(addr.Dev)
			case errors.Is(err, unix.EBADFD):
				s.known, s.index = true, noIndex
			}
			found = append(found, s)
		}
		if len(socks) == 0 && name == bluetoothd {
			found = append(found, hciSock{pid: pid, name: name})
		}
	}
	return found
}

// hciInodes reads the table of HCI sockets. Its first line has the names of the
// columns.
func hciInodes(path string) map[string]bool {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Scan()
	column := slices.Index(strings.Fields(lines.Text()), "Inode")
	inodes := map[string]bool{}
	for lines.Scan() {
		for i, field := range strings.Fields(lines.Text()) {
			if i == column {
				inodes[fmt.Sprintf("socket:[%s]", field)] = true
			}
		}
	}
	return inodes
}

// socketsOf returns the descriptors of a process that are HCI sockets.
func socketsOf(dir string, inodes map[string]bool) []int {
	if len(inodes) == 0 {
		return nil
	}
	fds, err := os.ReadDir(filepath.Join(dir, "fd"))
	if err != nil {
		return nil // the process has ended, or may not be inspected
	}
	var list []int
	for _, e := range fds {
		target, err := os.Readlink(filepath.Join(dir, "fd", e.Name()))
		if err != nil || !inodes[target] {
			continue
		}
		if fd, err := strconv.Atoi(e.Name()); err == nil {
			list = append(list, fd)
		}
	}
	return list
}

// remoteName returns the address to which a socket of another process is bound. It
// duplicates the socket (pidfd_getfd, Linux 5.6), which requires the right to trace
// the process.
func remoteName(pid, fd int) (unix.RawSockaddrHCI, error) {
	if pid == os.Getpid() {
		return hciName(fd)
	}
	p, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return unix.RawSockaddrHCI{}, err
	}
	defer unix.Close(p)
	dup, err := unix.PidfdGetfd(p, fd, 0)
	if err != nil {
		return unix.RawSockaddrHCI{}, err
	}
	defer unix.Close(dup)
	return hciName(dup)
}

// holdersAmong selects the processes that use the adapter. A process with its user
// channel certainly does. If no such process is visible, the result depends on
// whether the user channel is taken: if so, every process with unknown sockets may
// have it; if not, bluetoothd uses the adapter.
func holdersAmong(sockets []hciSock, index int, taken bool) []Holder {
	var holders []Holder
	add := func(h Holder) {
		if !slices.ContainsFunc(holders, func(o Holder) bool { o.FD = h.FD; return o == h }) {
			holders = append(holders, h)
		}
	}
	for _, s := range sockets {
		if s.known && s.channel == unix.HCI_CHANNEL_USER && s.index == index {
			add(Holder{PID: s.pid, Name: s.name, UserChannel: true, Sure: true, FD: s.own})
		}
	}
	if len(holders) > 0 {
		return holders
	}
	for _, s := range sockets {
		switch {
		case s.name == bluetoothd && !taken:
			add(Holder{PID: s.pid, Name: s.name, Sure: true})
		case s.name != bluetoothd && !s.known && taken:
			add(Holder{PID: s.pid, Name: s.name, UserChannel: true})
		}
	}
	return holders
}

const bluetoothd = "bluetoothd"

func hasBluetoothd(holders []Holder) bool {
	for _, h := range holders {
		if h.Name == bluetoothd && !h.UserChannel {
			return true
		}
	}
	return false
}
