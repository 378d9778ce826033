package hcisock

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// inherited keeps fd open until the end of the test, as a descriptor that a parent
// process has passed.
func inherited(t *testing.T, fd int) string {
	t.Helper()
	t.Cleanup(func() { unix.Close(fd) })
	return fmt.Sprintf("fd:%d", fd)
}

func TestOpenInheritedSocket(t *testing.T) {
	for _, c := range []struct {
		name string
		kind int
	}{
		{"packets", unix.SOCK_SEQPACKET},
		{"stream", unix.SOCK_STREAM},
	} {
		t.Run(c.name, func(t *testing.T) {
			fd, peer := socketPair(t, c.kind)
			address := inherited(t, fd)
			f := os.NewFile(uintptr(peer), "peer")
			defer f.Close()
			for range 2 { // it can be opened again: the original stays
				tr, err := Open(t.Context(), address, nil)
				if err != nil {
					t.Fatal(err)
				}
				if _, ok := tr.(*Socket); ok != (c.kind == unix.SOCK_SEQPACKET) {
					t.Errorf("got a %T", tr)
				}
				testTransport(t, tr, f)
			}
		})
	}
}

func TestOpenInheritedTerminal(t *testing.T) {
	pty, path := openPTY(t)
	uart := openUART(t, "serial:"+path) // makes it raw
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.EBUSY) {
		t.Skip("only root opens an exclusive terminal again")
	}
	if err != nil {
		t.Fatal(err)
	}
	tr, err := Open(t.Context(), inherited(t, fd), nil)
	if err != nil {
		t.Fatal(err)
	}
	testTransport(t, tr, pty)
	uart.Close()
}

func TestOpenInheritedErrors(t *testing.T) {
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	dgram, other := socketPair(t, unix.SOCK_DGRAM)
	defer unix.Close(other)
	for _, c := range []struct {
		name, address string
		cause         Cause
		says          string
	}{
		{"not open", "fd:1000000", CauseNoAdapter, "bad file descriptor"},
		{"a file", fmt.Sprintf("fd:%d", file.Fd()), CauseAddress, "neither a socket nor a serial device"},
		{"datagrams", inherited(t, dgram), CauseAddress, "does not keep packets in order"},
		{"no such name", "fd:bluetooth", CauseNoAdapter, "LISTEN_FDS is not set"},
	} {
		_, err := Open(t.Context(), c.address, nil)
		var e *OpenError
		if !errors.As(err, &e) || e.Cause != c.cause || !strings.Contains(err.Error(), c.says) || e.Remedy == "" {
			t.Errorf("%s: %v, want cause %v, %q and a remedy", c.name, err, c.cause, c.says)
		}
	}
}

func TestListenFD(t *testing.T) {
	for _, c := range []struct {
		name               string
		count, pid, labels string
		want               int
		says, remedy       string
	}{
		{"hci", "1", "42", "hci", 3, "", ""},
		{"hci", "3", "42", "web:unknown:hci", 5, "", ""},
		{"hci", "3", "42", "web:hci:hci", 4, "", ""},
		{"hci", "2", "42", "web:unknown:hci", 0, `no descriptor called "hci"`, "FileDescriptorName="},
		{"hci", "1", "42", "", 0, `no descriptor called "hci"`, "FileDescriptorName="},
		{"hci", "1", "41", "hci", 0, `LISTEN_PID is "41", this process is 42`, "`exec`"},
		{"hci", "", "", "", 0, "LISTEN_FDS is not set", "by one that passes it descriptors"},
		{"hci", "many", "42", "hci", 0, `LISTEN_FDS: "many" is not a number`, "number of descriptors"},
	} {
		env := map[string]string{"LISTEN_FDS": c.count, "LISTEN_PID": c.pid, "LISTEN_FDNAMES": c.labels}
		got, err := listenFD(c.name, 42, func(k string) string { return env[k] })
		if got != c.want || c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%v: %d, %v; want %d, %q", env, got, err, c.want, c.says)
		}
		if e, ok := errors.AsType[*listenError](err); ok != (c.says != "") || ok && !strings.Contains(e.remedy, c.remedy) {
			t.Errorf("%v: %v, want the remedy %q", env, err, c.remedy)
		}
	}
}

// A descriptor that systemd passes, with the environment of this process.
func TestOpenDescriptorByName(t *testing.T) {
	fd, peer := socketPair(t, unix.SOCK_STREAM)
	inherited(t, fd)
	f := os.NewFile(uintptr(peer), "peer")
	defer f.Close()
	names := strings.Repeat("x:", fd-firstListenFD) + "hci"
	t.Setenv("LISTEN_FDS", fmt.Sprint(fd-firstListenFD+1))
	t.Setenv("LISTEN_PID", fmt.Sprint(os.Getpid()))
	t.Setenv("LISTEN_FDNAMES", names)
	tr, err := Open(t.Context(), "fd:hci", nil)
	if err != nil {
		t.Fatal(err)
	}
	testTransport(t, tr, f)
}
