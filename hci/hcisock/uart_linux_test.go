package hcisock

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/moor-ble/moor/hci"
)

// openPTY returns the controller's side of a pseudo terminal, in raw mode,
// and the path of the side that stands for the UART.
func openPTY(t *testing.T) (*os.File, string) {
	t.Helper()
	f, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Skipf("no pseudo terminals here: %v", err)
	}
	t.Cleanup(func() { f.Close() })
	rc, err := f.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var n int
	var ioctlErr error
	if err := rc.Control(func(fd uintptr) {
		if ioctlErr = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); ioctlErr == nil {
			n, ioctlErr = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	}); err != nil || ioctlErr != nil {
		t.Fatal(err, ioctlErr)
	}
	return f, fmt.Sprintf("/dev/pts/%d", n)
}

func openUART(t *testing.T, address string) hci.Transport {
	t.Helper()
	tr, err := Open(t.Context(), address, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close() })
	return tr
}

// A line discipline that is not raw would echo, translate 0D to 0A, and interpret 03
// and 11 as control characters.
func TestUARTIsTransparent(t *testing.T) {
	pty, path := openPTY(t)
	tr := openUART(t, "serial:"+path)
	data := []byte{2, 0x40, 0x20, 8, 0, 0x0D, 0x0A, 0x03, 0x11, 0x13, 0x04, 0xFF, 0x00}
	b := make([]byte, hci.MaxPacketLen)
	if _, err := pty.Write(data); err != nil {
		t.Fatal(err)
	}
	if n, err := tr.ReadPacket(b); err != nil || string(b[:n]) != string(data) {
		t.Errorf("read [% X], %v; want [% X]", b[:n], err, data)
	}
	if err := tr.WritePacket(data); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(data))
	if _, err := io.ReadFull(pty, got); err != nil || string(got) != string(data) {
		t.Errorf("controller got [% X], %v; want [% X]", got, err, data)
	}
	testTransport(t, tr, pty)
}

func TestUARTSettings(t *testing.T) {
	for _, c := range []struct {
		settings    string
		rate, other uint32
	}{
		{"", unix.B115200, unix.CRTSCTS},
		{"?baud=1000000&flow=rtscts", unix.B1000000, unix.CRTSCTS},
		{"?baud=4000000&flow=none", unix.B4000000, 0},
		{"?baud=9600&flow=none", unix.B9600, 0},
	} {
		_, path := openPTY(t)
		tr := openUART(t, "serial:"+path+c.settings)
		f := tr.(*Stream).rwc.(*os.File)
		rc, err := f.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		var tio *unix.Termios
		if err := rc.Control(func(fd uintptr) { tio, err = unix.IoctlGetTermios(int(fd), unix.TCGETS) }); err != nil || tio == nil {
			t.Fatal(err)
		}
		want := unix.CS8 | unix.CREAD | unix.CLOCAL | c.rate | c.other
		// CIBAUD holds a separate input speed, which the kernel may fill.
		if got := tio.Cflag &^ unix.CIBAUD; got != want || tio.Lflag != 0 || tio.Iflag != 0 || tio.Oflag != 0 {
			t.Errorf("%q: control flags %#x, local %#x, input %#x, output %#x; want control %#x and no other",
				c.settings, got, tio.Lflag, tio.Iflag, tio.Oflag, want)
		}
	}
}

func TestUARTSpeedsOfTheList(t *testing.T) {
	for _, baud := range []int{9600, 19200, 38400, 57600, 115200, 230400, 460800, 500000, 576000, 921600, 1000000,
		1152000, 1500000, 2000000, 2500000, 3000000, 3500000, 4000000} {
		_, path := openPTY(t)
		tr, err := Open(t.Context(), fmt.Sprintf("serial:%s?baud=%d", path, baud), nil)
		if err != nil {
			t.Errorf("baud %d: %v", baud, err)
			continue
		}
		tr.Close()
	}
}

func TestUARTDropsWhatCameBefore(t *testing.T) {
	pty, path := openPTY(t)
	// Somebody must have the other side open, or the terminal forgets it anyway.
	early, err := os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer early.Close()
	if _, err := pty.Write([]byte("garbage\n")); err != nil {
		t.Fatal(err)
	}
	// A terminal that is not yet raw echoes it.
	if _, err := io.ReadFull(pty, make([]byte, len("garbage\r\n"))); err != nil {
		t.Fatal(err)
	}
	tr := openUART(t, "serial:"+path)
	testTransport(t, tr, pty)
}

func TestUARTHangup(t *testing.T) {
	pty, path := openPTY(t)
	tr := openUART(t, "serial:"+path)
	pty.Close()
	if n, err := tr.ReadPacket(make([]byte, hci.MaxPacketLen)); err == nil {
		t.Errorf("read %d bytes from a line that was hung up, want an error", n)
	}
}

func TestOpenSerialErrors(t *testing.T) {
	_, path := openPTY(t)
	openUART(t, "serial:"+path)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, address string
		cause         Cause
	}{
		{"in use", "serial:" + path, CauseBusy},
		{"no such device", "serial:/dev/ttyNONE9", CauseNoAdapter},
		{"not a terminal", "serial:" + file, CauseAddress},
		{"no such speed", "serial:" + path + "?baud=12345", CauseAddress},
	} {
		_, err := Open(t.Context(), c.address, nil)
		var e *OpenError
		if !errors.As(err, &e) || e.Cause != c.cause || e.Remedy == "" {
			t.Errorf("%s: %v, want cause %v and a remedy", c.name, err, c.cause)
		}
	}
}
