//go:build kernel

package kernel

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/test/conntest"
	"github.com/moor-ble/moor/test/moortest"
)

// patience bounds every wait for a program other than moor.
const patience = 5 * time.Minute

// eventually calls done until it returns true. It fails the test after patience.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// logFile opens the log file of a program, which its runs share.
func logFile(name string) (*os.File, error) {
	return os.OpenFile(filepath.Join(os.Getenv("MOOR_LOGS"), name), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
}

// daemon starts a program that runs until the test ends or stop is called.
func daemon(t *testing.T, name string, args ...string) (stop func()) {
	t.Helper()
	log, err := logFile(filepath.Base(name) + ".log")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
		_ = log.Close()
	})
	t.Cleanup(stop)
	return stop
}

func adapters() []string {
	found, _ := filepath.Glob("/sys/class/bluetooth/hci?")
	return found
}

// startAir starts two controllers.
func startAir(t *testing.T) (stop func()) {
	t.Helper()
	return startControllers(t, 2)
}

// startControllers starts btvirt: n controllers on one air, each with a single
// buffer of 192 octets. They end with the test or when stop is called. If the
// kernel is quick, btvirt takes the kernel's first command for the answer to its
// own request. Such an adapter never works ("Opcode 0x0c03 failed: -110"):
// startControllers then starts btvirt again.
func startControllers(t *testing.T, n int) (stop func()) {
	t.Helper()
	gone := func() {
		t.Helper()
		eventually(t, "btvirt's adapters go", func() bool { return len(adapters()) == 0 })
	}
	t.Cleanup(gone)
	for range 5 {
		kill := daemon(t, "btvirt", fmt.Sprintf("-l%d", n), "-L")
		stop = func() {
			t.Helper()
			kill()
			gone()
		}
		for end := time.Now().Add(8 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
			if setUp() == n {
				return stop
			}
		}
		stop()
	}
	t.Fatalf("btvirt and the kernel do not come together on %d adapters", n)
	return nil
}

// setUp returns the number of adapters that the kernel has begun to set up: those
// whose address it has read.
func setUp() int {
	found, err := hcisock.Adapters()
	if err != nil {
		return 0
	}
	n := 0
	for _, a := range found {
		if a.MAC != (hci.MAC{}) {
			n++
		}
	}
	return n
}

// shell is a bluetoothctl whose input the test types.
type shell struct {
	cmd  *exec.Cmd
	in   io.Writer
	stop func() // ends it

	mu  sync.Mutex
	out bytes.Buffer
}

var terminal = regexp.MustCompile(`\x1b\[[0-9;]*[A-Za-z]|\r|\x01|\x02`)

func (s *shell) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.Write(b)
}

func (s *shell) said() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(terminal.ReplaceAll(s.out.Bytes(), nil))
}

func startShell(t *testing.T) *shell {
	t.Helper()
	s := &shell{cmd: exec.Command("bluetoothctl")}
	in, err := s.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.in, s.cmd.Stdout, s.cmd.Stderr = in, s, s
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.stop = sync.OnceFunc(func() {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait() // it was killed
		if log, err := logFile("bluetoothctl.log"); err == nil {
			_, _ = io.WriteString(log, s.said())
			_ = log.Close()
		}
	})
	t.Cleanup(s.stop)
	return s
}

// expect waits until the output after offset from contains want.
func (s *shell) expect(t *testing.T, from int, want string) {
	t.Helper()
	eventually(t, "bluetoothctl says "+want, func() bool {
		said := s.said()
		return from <= len(said) && strings.Contains(said[from:], want)
	})
}

// say types a line and waits until the output after it contains want.
func (s *shell) say(t *testing.T, line, want string) {
	t.Helper()
	from := len(s.said())
	if _, err := io.WriteString(s.in, line+"\n"); err != nil {
		t.Fatal(err)
	}
	s.expect(t, from, want)
}

// hears makes bluetoothd discover until it knows the address of the device. btvirt
// reports a device once at the start of a scan, a report that the kernel drops if
// its discovery has not begun, and again when the device begins to advertise.
func (s *shell) hears(t *testing.T, device *host.Host, address string) {
	t.Helper()
	s.say(t, "scan on", "Discovery started")
	eventually(t, "bluetoothd hears "+address, func() bool {
		if s.knows(t, address) {
			return true
		}
		conntest.Advertise(t, device)
		return false
	})
}

// ask types a line and returns the output up to the answer to a second line.
// Unsolicited output of bluetoothctl may stand in between, with its own prompt.
func (s *shell) ask(t *testing.T, line string) string {
	t.Helper()
	from := len(s.said())
	s.say(t, line+"\nversion", "\nVersion ")
	return s.said()[from:]
}

// knows reports whether bluetoothd knows a device.
func (s *shell) knows(t *testing.T, address string) bool {
	t.Helper()
	return strings.Contains(s.ask(t, "devices"), "\nDevice "+address)
}

// Addresses that btvirt gives its controllers.
const (
	ourAddress  = "00:AA:01:00:00:00"
	peerAddress = "00:AA:01:01:00:01"
)

const (
	peerName    = "moor-bluez"
	serviceUUID = "6d6f6f72-0001-4000-8000-0123456789ab"
	scratchUUID = "6d6f6f72-0002-4000-8000-0123456789ab"
	valuesUUID  = "6d6f6f72-0003-4000-8000-0123456789ab"
	longUUID    = "6d6f6f72-0005-4000-8000-0123456789ab"
	initial     = "1 2 3 4"
	pipeUUID    = "6d6f6f72-0004-4000-8000-0123456789ab"
)

// startPeer makes bluetoothd a GATT server on hci1 that advertises: a service
// with a characteristic to read and write, one that notifies, one to write
// without response, and one with a long value. hci0 is left down.
func startPeer(t *testing.T) *shell {
	t.Helper()
	startBus(t)
	s, _ := startServer(t, "")
	return s
}

func startBus(t *testing.T) {
	t.Helper()
	if err := os.MkdirAll("/run/dbus", 0o755); err != nil {
		t.Fatal(err)
	}
	const socket = "/run/dbus/system_bus_socket"
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) { // of a bus before
		t.Fatal(err)
	}
	daemon(t, "dbus-daemon", "--system", "--nofork", "--nopidfile")
	eventually(t, "the system bus", func() bool {
		conn, err := net.Dial("unix", socket)
		if err != nil {
			return false
		}
		return conn.Close() == nil
	})
}

// startBlueZ starts bluetoothd and a bluetoothctl for hci1, which it powers on.
// stop ends both.
func startBlueZ(t *testing.T) (s *shell, stop func()) {
	t.Helper()
	conf := filepath.Join(t.TempDir(), "main.conf")
	if err := os.WriteFile(conf, []byte("[General]\nName = "+peerName+"\n[Policy]\nAutoEnable=false\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	kill := daemon(t, "/usr/libexec/bluetooth/bluetoothd", "-n", "-d", "-f", conf)
	s = startShell(t)
	eventually(t, "bluetoothctl knows hci1", func() bool {
		_, err := io.WriteString(s.in, "list\n")
		return err == nil && strings.Contains(s.said(), "Controller "+peerAddress)
	})
	s.say(t, "select "+peerAddress, "#")
	s.say(t, "power on", "Changing power on succeeded")
	return s, func() {
		t.Helper()
		s.stop()
		kill()
	}
}

// startServer is startPeer on a running bus, with the service at a handle; ""
// means the next free handle.
func startServer(t *testing.T, handle string) (s *shell, stop func()) {
	t.Helper()
	s, stop = startBlueZ(t)
	s.offer(t, handle)
	s.say(t, "advertise.name "+peerName, "#")
	s.say(t, "advertise.uuids "+serviceUUID, "#")
	s.say(t, "advertise.discoverable on", "#")
	s.say(t, "advertise on", "Advertising object registered")
	eventually(t, "bluetoothd advertises", func() bool {
		return strings.Contains(s.ask(t, "show"), "ActiveInstances: 0x01")
	})
	return s, stop
}

// onHCI0 returns a moor that uses hci0 and has bluetoothd as its peer.
func onHCI0(t *testing.T, args ...string) *moortest.Moor {
	t.Helper()
	m := moortest.New(t, append([]string{"--adapter", "hci0"}, args...)...)
	m.Ready = blueZReady
	return m
}

// blueZReady waits until bluetoothd has removed every link. Version 5.66 was seen
// to answer "unlikely error" and "request not supported", and to end the new link,
// when a host reconnected before that.
func blueZReady(t *testing.T) {
	t.Helper()
	eventually(t, "bluetoothd has removed the link", func() bool {
		if len(adapters()) > 1 { // hci1 is there
			links, err := hcisock.Links(1)
			if err != nil {
				t.Fatal(err)
			}
			if len(links) > 0 {
				return false
			}
		}
		out, err := exec.Command("gdbus", "call", "--system", "--timeout", "120", "--dest", "org.bluez", "--object-path", "/",
			"--method", "org.freedesktop.DBus.ObjectManager.GetManagedObjects").CombinedOutput()
		if err != nil {
			t.Fatalf("gdbus: %v: %s", err, out)
		}
		return !bytes.Contains(out, []byte("'Connected': <true>"))
	})
}

// offer adds the service to bluetoothd's table.
func (s *shell) offer(t *testing.T, handle string) {
	t.Helper()
	s.say(t, "gatt.register-service "+serviceUUID+" "+handle, "(yes/no)")
	s.say(t, "yes", "#")
	for _, c := range [][]string{
		{scratchUUID, "read,write", initial},
		{valuesUUID, "read,notify", initial},
		{pipeUUID, "write-without-response", initial},
		{longUUID, "read,write", strings.Repeat("0 ", 180)}, // bluetoothctl does not let a value grow
	} {
		s.say(t, "gatt.register-characteristic "+c[0]+" "+c[1], "Enter value")
		s.say(t, c[2], "#")
	}
	s.say(t, "gatt.register-application", "Application registered")
}

// withdraw removes the service from bluetoothd's table.
func (s *shell) withdraw(t *testing.T) {
	t.Helper()
	s.say(t, "gatt.unregister-application", "Application unregistered")
	s.say(t, "gatt.unregister-service "+serviceUUID, "[DEL]")
}

// notify makes the characteristic send a notification to its subscribers: a write
// over D-Bus makes bluetoothctl report a new value.
func (s *shell) notify(t *testing.T) {
	t.Helper()
	time.Sleep(200 * time.Millisecond)
	out, err := exec.Command("gdbus", "call", "--system", "--timeout", "120", "--dest", s.busName(t),
		"--object-path", "/org/bluez/app/service0/chrc1",
		"--method", "org.bluez.GattCharacteristic1.WriteValue", fmt.Sprintf("[byte %d]", time.Now().UnixMilli()&0xFF),
		"{'device': <objectpath '/org/bluez/hci1/dev_"+strings.ReplaceAll(ourAddress, ":", "_")+"'>, 'link': <'LE'>}").CombinedOutput()
	if err != nil {
		t.Fatalf("gdbus: %v: %s", err, out)
	}
}

var uniqueName = regexp.MustCompile(`:\d+\.\d+`)

// busName returns the bus name of bluetoothctl's connection.
func (s *shell) busName(t *testing.T) string {
	t.Helper()
	ask := func(method string, args ...string) (string, error) {
		out, err := exec.Command("gdbus", append([]string{"call", "--system", "--timeout", "120", "--dest", "org.freedesktop.DBus",
			"--object-path", "/org/freedesktop/DBus", "--method", "org.freedesktop.DBus." + method}, args...)...).Output()
		return string(out), err
	}
	names, err := ask("ListNames")
	if err != nil {
		t.Fatal(errors.Join(errors.New("gdbus"), err))
	}
	want := fmt.Sprintf("(uint32 %d,)", s.cmd.Process.Pid)
	for _, name := range uniqueName.FindAllString(names, -1) {
		// A connection may have ended meanwhile, such as that of the call above.
		if pid, err := ask("GetConnectionUnixProcessID", name); err == nil && strings.TrimSpace(pid) == want {
			return name
		}
	}
	t.Fatalf("bluetoothctl is not on the bus: %s", names)
	return ""
}
