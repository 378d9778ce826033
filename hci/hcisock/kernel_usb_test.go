//go:build kernel && linux

package hcisock

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The virtual machine has a hub with a tablet, a serial converter and a mouse. The driver
// of the converter knows nothing of resets, as that of Bluetooth adapters: the kernel
// takes the device from it and gives it back. The driver of the others keeps them.
const (
	tabletName = "QEMU USB Tablet"
	serialName = "QEMU USB SERIAL"
	mouseName  = "QEMU USB Mouse"
)

func TestKernelUSBReset(t *testing.T) {
	load(t, "xhci_pci", "usbhid", "ftdi_sio")
	names := map[string]string{tabletName: "usbhid", serialName: "ftdi_sio", mouseName: "usbhid"}
	before := map[string]USBDevice{}
	for name, driver := range names {
		before[name] = awaitUSB(t, name, driver)
	}
	hub := filepath.Dir(realPath(t, before[tabletName].Port))
	for name, d := range before {
		if filepath.Dir(realPath(t, d.Port)) != hub {
			t.Fatalf("%s is not on the hub of the others, %s: %+v", name, hub, d)
		}
	}
	for _, name := range []string{tabletName, serialName} {
		t.Run(name, func(t *testing.T) {
			d := before[name]
			if err := d.CheckReset(); err != nil {
				t.Fatal(err)
			}
			news, kmsg := listenUevents(t), openKernelLog(t)
			if err := d.Reset(t.Context()); err != nil {
				t.Fatal(err)
			}
			kmsg.await(t, regexp.MustCompile(fmt.Sprintf(`usb %s: reset full-speed USB device number %d `, regexp.QuoteMeta(d.Port), d.Number)))
			var want []string
			if name == serialName {
				// The converter is gone for a moment, and is there again.
				want = []string{"remove ttyUSB0", "add ttyUSB0"}
				news.await(t, "add /devices", "/tty/ttyUSB0")
			}
			awaitUSB(t, name, names[name])
			if got := news.terminals(); !slices.Equal(got, want) {
				t.Errorf("changes of terminals: %v, want %v", got, want)
			}
			for other, was := range before {
				if now, err := FindUSBDevice(was.Port); err != nil || now != was {
					t.Errorf("%s is %+v after the reset of %s, %v; want %+v", other, now, name, err, was)
				}
			}
		})
	}
	t.Run("removed", func(t *testing.T) {
		d := before[mouseName]
		if err := os.WriteFile("/sys/bus/usb/devices/"+d.Port+"/remove", []byte("1"), 0); err != nil {
			t.Fatal(err)
		}
		wantCause(t, d.Reset(t.Context()), CauseNoAdapter, "usb "+d.Port, "there is no device at this port")
		wantCause(t, d.CheckReset(), CauseNoAdapter, "usb "+d.Port)
	})
	t.Run("without permission", func(t *testing.T) {
		d := before[tabletName]
		cmd := exec.Command("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps=-all",
			os.Args[0], "-test.run", "^TestKernelUSBResetByNobody$")
		cmd.Env = append(os.Environ(), "MOOR_USB_PORT="+d.Port)
		out, err := cmd.CombinedOutput()
		if want := "reset USB port: it requires write access to " + d.File() + ": open " + d.File() + ": permission denied; run it as root, or add a rule"; err != nil || !bytes.Contains(out, []byte(want)) {
			t.Errorf("%v: %s\nwant %q", err, out, want)
		}
	})
}

// TestKernelUSBResetByNobody prints the error of a process without privileges.
func TestKernelUSBResetByNobody(t *testing.T) {
	port := os.Getenv("MOOR_USB_PORT")
	if port == "" {
		t.Skip("it is a part of TestKernelUSBReset")
	}
	d, err := FindUSBDevice(port)
	if err != nil {
		t.Fatal(err)
	}
	err = d.Reset(t.Context())
	wantCause(t, err, CausePermission)
	fmt.Println(err)
}

// load loads modules of the kernel.
func load(t *testing.T, modules ...string) {
	t.Helper()
	for _, m := range modules {
		if out, err := exec.Command("modprobe", m).CombinedOutput(); err != nil {
			t.Fatalf("modprobe %s: %v: %s", m, err, out)
		}
	}
}

func realPath(t *testing.T, port string) string {
	t.Helper()
	path, err := filepath.EvalSymlinks(filepath.Join("/sys/bus/usb/devices", port))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// awaitUSB waits for a USB device with a driver, and returns it.
func awaitUSB(t *testing.T, product, driver string) USBDevice {
	t.Helper()
	for deadline := time.Now().Add(kernelTimeout); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		ports, err := os.ReadDir("/sys/bus/usb/devices")
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range ports {
			if d, err := FindUSBDevice(p.Name()); err == nil && d.Product == product && slices.Equal(d.Drivers(), []string{driver}) {
				return d
			}
		}
	}
	t.Fatalf("there is no USB device %q with the driver %s", product, driver)
	return USBDevice{}
}

// uevents are the kernel's announcements of devices.
type uevents struct {
	fd   int
	said []string
}

func listenUevents(t *testing.T) *uevents {
	t.Helper()
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := errors.Join(
		unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1}),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: int64(kernelTimeout / time.Second)}),
	); err != nil {
		t.Fatal(err)
	}
	return &uevents{fd: fd}
}

// await reads announcements until one begins and ends as given: ACTION@PATH.
func (u *uevents) await(t *testing.T, begin, end string) {
	t.Helper()
	b := make([]byte, 8192)
	for {
		n, err := unix.Read(u.fd, b)
		if err != nil {
			t.Fatalf("no uevent %s…%s among %q: %v", begin, end, u.said, err)
		}
		head, _, _ := bytes.Cut(b[:n], []byte{0})
		said := strings.Replace(string(head), "@", " ", 1)
		u.said = append(u.said, said)
		if strings.HasPrefix(said, begin) && strings.HasSuffix(said, end) {
			return
		}
	}
}

// terminals returns the announcements of terminals, with their names alone. It reads those
// that wait.
func (u *uevents) terminals() (said []string) {
	if err := unix.SetNonblock(u.fd, true); err == nil {
		b := make([]byte, 8192)
		for {
			n, err := unix.Read(u.fd, b)
			if err != nil {
				break
			}
			head, _, _ := bytes.Cut(b[:n], []byte{0})
			u.said = append(u.said, strings.Replace(string(head), "@", " ", 1))
		}
	}
	for _, s := range u.said {
		action, path, _ := strings.Cut(s, " ")
		if strings.Contains(path, "/tty/") {
			said = append(said, action+" "+filepath.Base(path))
		}
	}
	return said
}

// kernelLog is the log of the kernel from now on.
type kernelLog struct{ f *os.File }

func openKernelLog(t *testing.T) *kernelLog {
	t.Helper()
	f, err := os.Open("/dev/kmsg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if _, err := f.Seek(0, 2); err != nil {
		t.Fatal(err)
	}
	return &kernelLog{f}
}

// await reads lines until one matches.
func (k *kernelLog) await(t *testing.T, want *regexp.Regexp) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), kernelTimeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { k.f.Close() })
	defer stop()
	var lines []string
	for s := bufio.NewScanner(k.f); s.Scan(); {
		if want.MatchString(s.Text()) {
			return
		}
		lines = append(lines, s.Text())
	}
	t.Fatalf("the kernel did not log %v, but:\n%s", want, strings.Join(lines, "\n"))
}
