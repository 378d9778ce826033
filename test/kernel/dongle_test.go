//go:build kernel

package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

// dongle is a Bluetooth dongle on a USB port of the kernel, with a simulated controller.
// The test is its far end by USB/IP. A dongle whose port is reset is configured anew, and
// then its controller has been reset too.
type dongle struct {
	ctl  *sim.Controller
	wire *os.File // to the kernel

	mu         sync.Mutex
	port       hci.Transport       // of the controller; guarded by mu, as all below
	waiting    map[uint32][]urb    // by endpoint: the URBs that wait for data
	data       map[uint32][][]byte // by endpoint: the data that waits for URBs
	configured int
}

// urb is a request of the kernel.
type urb struct {
	seq, endpoint uint32
	in            bool
	length        uint32
	setup         [8]byte
}

const (
	usbipSubmit, usbipUnlink = 1, 2
	usbipSubmitted           = 3
	usbipUnlinked            = 4

	eventEndpoint, dataEndpoint = 1, 2
	dongleAttributes            = "/sys/devices/platform/vhci_hcd.0"
)

var dongleDevice = []byte{
	18, 1, 0x00, 0x02, 0xE0, 0x01, 0x01, 64, // USB 2.0, Bluetooth
	0x09, 0x12, 0x01, 0x00, 0x00, 0x01, 0, 0, 0, 1, // 1209:0001, one configuration
}

var dongleConfiguration = []byte{
	9, 2, 39, 0, 1, 1, 0, 0xE0, 50, // one interface, self-powered, remote wake-up
	9, 4, 0, 0, 3, 0xE0, 0x01, 0x01, 0,
	7, 5, 0x81, 3, 16, 0, 1, // events
	7, 5, 0x82, 2, 64, 0, 0, // data of the controller
	7, 5, 0x02, 2, 64, 0, 0, // data of the host
}

// plugDongle plugs a dongle into a port of the kernel until the test ends.
func plugDongle(t *testing.T, c *sim.Controller) *dongle {
	t.Helper()
	for _, m := range []string{"vhci-hcd", "btusb"} {
		if out, err := exec.Command("modprobe", m).CombinedOutput(); err != nil {
			t.Fatalf("modprobe %s: %v: %s", m, err, out)
		}
	}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	d := &dongle{ctl: c, wire: os.NewFile(uintptr(fds[0]), "usbip"), waiting: map[uint32][]urb{}, data: map[uint32][][]byte{}}
	var ends sync.WaitGroup
	ends.Go(func() {
		if err := d.serve(); !errors.Is(err, io.EOF) && !errors.Is(err, unix.ECONNRESET) {
			t.Errorf("the dongle ended with %v", err)
		}
	})
	const port, fullSpeed = 0, 2
	err = os.WriteFile(dongleAttributes+"/attach", fmt.Appendf(nil, "%d %d %d %d", port, fds[1], 1<<16|2, fullSpeed), 0)
	unix.Close(fds[1]) // the kernel has it
	t.Cleanup(func() {
		if err := os.WriteFile(dongleAttributes+"/detach", fmt.Appendf(nil, "%d", port), 0); err != nil {
			t.Error(err)
		}
		ends.Wait()
		d.wire.Close()
		d.unplug()
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// serve answers the kernel until it hangs up.
func (d *dongle) serve() error {
	for {
		var head [48]byte
		if _, err := io.ReadFull(d.wire, head[:]); err != nil {
			return err
		}
		word := func(i int) uint32 { return binary.BigEndian.Uint32(head[4*i:]) }
		u := urb{seq: word(1), in: word(3) == 1, endpoint: word(4), length: word(6), setup: [8]byte(head[40:])}
		switch word(0) {
		case usbipSubmit:
			var out []byte
			if !u.in {
				out = make([]byte, u.length)
				if _, err := io.ReadFull(d.wire, out); err != nil {
					return err
				}
			}
			d.submit(u, out)
		case usbipUnlink:
			d.unlink(u.seq, word(5))
		default:
			return fmt.Errorf("USB/IP command %d", word(0))
		}
	}
}

// answer completes an URB, with data if it is one for data.
func (d *dongle) answer(u urb, data []byte, err unix.Errno) {
	n := uint32(len(data))
	if !u.in && err == 0 {
		n = u.length
	}
	d.reply(usbipSubmitted, u.seq, -int32(err), n, data)
}

// reply writes an answer, in one piece.
func (d *dongle) reply(command, seq uint32, status int32, n uint32, data []byte) {
	b := make([]byte, 48, 48+len(data))
	binary.BigEndian.PutUint32(b, command)
	binary.BigEndian.PutUint32(b[4:], seq)
	binary.BigEndian.PutUint32(b[20:], uint32(status))
	binary.BigEndian.PutUint32(b[24:], n)
	_, _ = d.wire.Write(append(b, data...)) // serve sees its end
}

func (d *dongle) submit(u urb, out []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case u.endpoint == 0:
		d.control(u, out)
	case u.in:
		d.waiting[u.endpoint] = append(d.waiting[u.endpoint], u)
		d.flush(u.endpoint)
	default:
		d.toController(hci.PacketACL, out)
		d.answer(u, nil, 0)
	}
}

// control answers a request to endpoint 0. d.mu must be held.
func (d *dongle) control(u urb, out []byte) {
	limit := func(b []byte) []byte { return b[:min(len(b), int(u.length))] }
	switch u.setup[1] {
	case 0x06: // Get Descriptor
		switch u.setup[3] {
		case 1:
			d.answer(u, limit(dongleDevice), 0)
			return
		case 2:
			d.answer(u, limit(dongleConfiguration), 0)
			return
		}
	case 0x00:
		switch u.setup[0] {
		case 0x20: // a command
			d.toController(hci.PacketCommand, out)
			d.answer(u, nil, 0)
			return
		case 0x80: // Get Status
			d.answer(u, limit([]byte{1, 0}), 0)
			return
		}
	case 0x01, 0x03, 0x0B: // features, alternate settings
		d.answer(u, nil, 0)
		return
	case 0x09: // Set Configuration
		d.configure()
		d.answer(u, nil, 0)
		return
	}
	d.answer(u, nil, unix.EPIPE)
}

// configure opens the controller, anew after a reset of the port. d.mu must be held.
func (d *dongle) configure() {
	if d.configured++; d.configured > 1 {
		d.ctl.Apply(sim.CureUSBReset)
	}
	d.data = map[uint32][][]byte{}
	tr := d.ctl.Plug()
	d.port = tr
	go func() {
		b := make([]byte, hci.MaxPacketLen)
		for {
			n, err := tr.ReadPacket(b)
			if err != nil {
				return
			}
			d.fromController(tr, b[:n])
		}
	}()
}

// configurations returns how often the kernel has configured the dongle.
func (d *dongle) configurations() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.configured
}

func (d *dongle) unplug() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.port != nil {
		d.port.Close()
	}
}

// toController writes a packet. d.mu must be held.
func (d *dongle) toController(kind hci.PacketType, b []byte) {
	if d.port != nil {
		_ = d.port.WritePacket(append([]byte{byte(kind)}, b...)) // the reader sees its end
	}
}

func (d *dongle) fromController(from hci.Transport, packet []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if from != d.port {
		return
	}
	var endpoint uint32 = dataEndpoint
	if hci.PacketType(packet[0]) == hci.PacketEvent {
		endpoint = eventEndpoint
	}
	d.data[endpoint] = append(d.data[endpoint], append([]byte(nil), packet[1:]...))
	d.flush(endpoint)
}

// flush answers the URBs of an endpoint for which there is data. d.mu must be held.
func (d *dongle) flush(endpoint uint32) {
	for len(d.waiting[endpoint]) > 0 && len(d.data[endpoint]) > 0 {
		u, b := d.waiting[endpoint][0], d.data[endpoint][0]
		n := min(len(b), int(u.length))
		if d.waiting[endpoint] = d.waiting[endpoint][1:]; n < len(b) {
			d.data[endpoint][0] = b[n:] // the rest goes into the next one
		} else {
			d.data[endpoint] = d.data[endpoint][1:]
		}
		d.answer(u, b[:n], 0)
	}
}

// unlink takes an URB back that waits.
func (d *dongle) unlink(seq, which uint32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for endpoint, us := range d.waiting {
		for i, u := range us {
			if u.seq == which {
				d.waiting[endpoint] = append(us[:i:i], us[i+1:]...)
				d.reply(usbipUnlinked, seq, -int32(unix.ECONNRESET), 0, nil)
				return
			}
		}
	}
	d.reply(usbipUnlinked, seq, 0, 0, nil) // it is answered already
}

// isDongle reports whether a USB port is one of those of plugDongle.
func isDongle(port string) bool {
	path, err := os.Readlink("/sys/bus/usb/devices/" + port)
	return err == nil && strings.Contains(path, "vhci_hcd")
}
