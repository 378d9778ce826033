package hcisock

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// openSerial opens a UART with the settings of H4 (Vol 4, Part A, 3): 8 data bits, no
// parity, one stop bit, and RTS/CTS unless a.NoRTSCTS is set.
func openSerial(a Address) (*Stream, error) {
	rate, ok := baudRate(a.Baud)
	if !ok {
		return nil, &OpenError{Address: a.String(), Op: "set speed", Cause: CauseAddress,
			Err: fmt.Errorf("the kernel does not support a speed of %d baud", a.Baud), Remedy: "use " + baudList}
	}
	// Without O_NONBLOCK, open would wait for a carrier, and Close could not unblock
	// a read.
	f, err := os.OpenFile(a.Name, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, explainSerial(a, "open", err)
	}
	if err := setUpUART(f, rate, !a.NoRTSCTS); err != nil {
		f.Close()
		return nil, explainSerial(a, "set up", err)
	}
	return newStream(a.String(), f), nil
}

func setUpUART(f *os.File, rate uint32, rtscts bool) error {
	// f.Fd would make the file blocking again.
	rc, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var setErr error
	if err := rc.Control(func(fd uintptr) { setErr = setUpTTY(int(fd), rate, rtscts) }); err != nil {
		return err
	}
	return setErr
}

func setUpTTY(fd int, rate uint32, rtscts bool) error {
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return err
	}
	// TIOCEXCL excludes other processes, except those of root; the lock excludes
	// those.
	if err := unix.IoctlSetInt(fd, unix.TIOCEXCL, 0); err != nil {
		return err
	}
	if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return err
	}
	t.Iflag, t.Oflag, t.Lflag = 0, 0, 0
	t.Cflag = unix.CS8 | unix.CREAD | unix.CLOCAL | rate
	if rtscts {
		t.Cflag |= unix.CRTSCTS
	}
	t.Ispeed, t.Ospeed = rate, rate
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, t); err != nil {
		return err
	}
	// Old octets in the buffers would put H4 out of step.
	return unix.IoctlSetInt(fd, unix.TCFLSH, unix.TCIOFLUSH)
}

func explainSerial(a Address, op string, err error) error {
	e := &OpenError{Address: a.String(), Op: op, Err: err}
	switch {
	case errors.Is(err, unix.EBUSY), errors.Is(err, unix.EWOULDBLOCK):
		e.Cause, e.Remedy = CauseBusy, "stop the process that has the device open (`fuser -v "+a.Name+"`)"
	case errors.Is(err, unix.ENOTTY):
		e.Cause, e.Remedy = CauseAddress, "it is not a serial device: use the path of a serial device"
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENXIO), errors.Is(err, unix.ENODEV):
		e.Cause, e.Remedy = CauseNoAdapter, "plug it in, or see `ls /dev/tty*` for its name"
	case errors.Is(err, fs.ErrPermission):
		e.Cause, e.Remedy = CausePermission, "join the group that owns the device (often dialout), or run it as root"
	case errors.Is(err, unix.EINVAL):
		e.Cause, e.Remedy = CauseDriver, "the device does not take this speed or flow control: try another baud, or flow=none"
	}
	return e
}

const baudList = "9600, 19200, 38400, 57600, 115200, 230400, 460800, 500000, 576000, 921600, 1000000, " +
	"1152000, 1500000, 2000000, 2500000, 3000000, 3500000 or 4000000"

// baudRate returns the kernel's code of a speed in baud; ok is false if it has none.
func baudRate(baud int) (rate uint32, ok bool) {
	switch baud {
	case 9600:
		return unix.B9600, true
	case 19200:
		return unix.B19200, true
	case 38400:
		return unix.B38400, true
	case 57600:
		return unix.B57600, true
	case 115200:
		return unix.B115200, true
	case 230400:
		return unix.B230400, true
	case 460800:
		return unix.B460800, true
	case 500000:
		return unix.B500000, true
	case 576000:
		return unix.B576000, true
	case 921600:
		return unix.B921600, true
	case 1000000:
		return unix.B1000000, true
	case 1152000:
		return unix.B1152000, true
	case 1500000:
		return unix.B1500000, true
	case 2000000:
		return unix.B2000000, true
	case 2500000:
		return unix.B2500000, true
	case 3000000:
		return unix.B3000000, true
	case 3500000:
		return unix.B3500000, true
	case 4000000:
		return unix.B4000000, true
	default:
		return 0, false
	}
}
