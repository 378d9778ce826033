//go:build kernel

package kernel

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is how long anything but moor may take to get somewhere.
const patience = 60 * time.Second

// eventually asks until done reports true, or fails the test.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

func logFile(name string) (*os.File, error) {
	return os.Create(filepath.Join(os.Getenv("MOOR_LOGS"), name))
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

// startAir starts btvirt: two controllers on one air, each with a single
// buffer of 192 octets.
func startAir(t *testing.T) (stop func()) {
	t.Helper()
	kill := daemon(t, "btvirt", "-l2", "-L")
	eventually(t, "btvirt makes hci0 and hci1", func() bool { return len(adapters()) == 2 })
	return func() {
		t.Helper()
		kill()
		eventually(t, "hci0 and hci1 go", func() bool { return len(adapters()) == 0 })
	}
}

// shell is a bluetoothctl that is typed to.
type shell struct {
	cmd *exec.Cmd
	in  io.Writer

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
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait() // it was killed
		if log, err := logFile("bluetoothctl.log"); err == nil {
			_, _ = io.WriteString(log, s.said())
			_ = log.Close()
		}
	})
	s.expect(t, 0, "Agent registered")
	return s
}

// expect waits until want has been said after offset from.
func (s *shell) expect(t *testing.T, from int, want string) {
	t.Helper()
	eventually(t, "bluetoothctl says "+want, func() bool {
		said := s.said()
		return from <= len(said) && strings.Contains(said[from:], want)
	})
}

// say types a line and waits for an answer that contains want.
func (s *shell) say(t *testing.T, line, want string) {
	t.Helper()
	from := len(s.said())
	if _, err := io.WriteString(s.in, line+"\n"); err != nil {
		t.Fatal(err)
	}
	s.expect(t, from, want)
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
	if err := os.MkdirAll("/run/dbus", 0o755); err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(t.TempDir(), "main.conf")
	if err := os.WriteFile(conf, []byte("[General]\nName = "+peerName+"\n[Policy]\nAutoEnable=false\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	daemon(t, "dbus-daemon", "--system", "--nofork", "--nopidfile")
	eventually(t, "the system bus", func() bool {
		_, err := os.Stat("/run/dbus/system_bus_socket")
		return err == nil
	})
	daemon(t, "/usr/libexec/bluetooth/bluetoothd", "-n", "-d", "-f", conf)
	s := startShell(t)
	s.say(t, "list", "Controller "+peerAddress)
	s.say(t, "select "+peerAddress, "#")
	s.say(t, "power on", "Changing power on succeeded")
	s.say(t, "gatt.register-service "+serviceUUID, "(yes/no)")
	s.say(t, "yes", "#")
	for _, c := range [][]string{
		{scratchUUID, "read,write", initial},
		{valuesUUID, "read,notify", initial},
		{pipeUUID, "write-without-response", initial},
		{longUUID, "read,write", strings.Repeat("0 ", 180)}, // no value may become longer than it was
	} {
		s.say(t, "gatt.register-characteristic "+c[0]+" "+c[1], "Enter value")
		s.say(t, c[2], "#")
	}
	s.say(t, "gatt.register-application", "Application registered")
	s.say(t, "advertise.name "+peerName, "#")
	s.say(t, "advertise.uuids "+serviceUUID, "#")
	s.say(t, "advertise.discoverable on", "#")
	s.say(t, "advertise on", "Advertising object registered")
	s.say(t, "show", "ActiveInstances: 0x01")
	return s
}

// notify makes the characteristic send a notification to whoever subscribed:
// bluetoothctl reports a new value of it when it is written over D-Bus.
func (s *shell) notify(t *testing.T) {
	t.Helper()
	time.Sleep(200 * time.Millisecond)
	out, err := exec.Command("gdbus", "call", "--system", "--timeout", "10", "--dest", s.busName(t),
		"--object-path", "/org/bluez/app/service0/chrc1",
		"--method", "org.bluez.GattCharacteristic1.WriteValue", fmt.Sprintf("[byte %d]", time.Now().UnixMilli()&0xFF),
		"{'device': <objectpath '/org/bluez/hci1/dev_"+strings.ReplaceAll(ourAddress, ":", "_")+"'>, 'link': <'LE'>}").CombinedOutput()
	if err != nil {
		t.Fatalf("gdbus: %v: %s", err, out)
	}
}

var uniqueName = regexp.MustCompile(`:\d+\.\d+`)

// busName finds the name of bluetoothctl's connection to the bus.
func (s *shell) busName(t *testing.T) string {
	t.Helper()
	ask := func(method string, args ...string) (string, error) {
		out, err := exec.Command("gdbus", append([]string{"call", "--system", "--dest", "org.freedesktop.DBus",
			"--object-path", "/org/freedesktop/DBus", "--method", "org.freedesktop.DBus." + method}, args...)...).Output()
		return string(out), err
	}
	names, err := ask("ListNames")
	if err != nil {
		t.Fatal(errors.Join(errors.New("gdbus"), err))
	}
	want := fmt.Sprintf("(uint32 %d,)", s.cmd.Process.Pid)
	for _, name := range uniqueName.FindAllString(names, -1) {
		// One that has just left, such as the asker above, is no error.
		if pid, err := ask("GetConnectionUnixProcessID", name); err == nil && strings.TrimSpace(pid) == want {
			return name
		}
	}
	t.Fatalf("bluetoothctl is not on the bus: %s", names)
	return ""
}
