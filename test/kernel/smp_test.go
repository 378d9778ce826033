//go:build kernel

package kernel

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/moor-ble/moor/internal/wire"
	"github.com/moor-ble/moor/smp"
	"github.com/moor-ble/moor/test/conntest"
	"github.com/moor-ble/moor/test/moortest"
)

// bonder is a bluetoothd with a simulated user who pairs.
type bonder struct {
	*shell
	table *server
	from  int // offset of the output to look at
	stop  func()
}

func startBonder(t *testing.T) *bonder {
	t.Helper()
	s, stop := startBlueZ(t)
	b := &bonder{shell: s}
	b.forgets(t) // bonds of other tests
	b.say(t, "pairable on", "Changing pairable on succeeded")
	b.table = startServer(t, "")
	b.stop = func() {
		b.table.stop()
		stop()
	}
	return b
}

// can sets the IO capability of bluetoothd's agent.
func (b *bonder) can(t *testing.T, io string) {
	t.Helper()
	b.say(t, "agent off", "Agent unregistered")
	b.say(t, "agent "+io, "Agent registered")
	b.say(t, "default-agent", "Default agent request successful")
	b.from = len(b.said())
}

// wants waits until the agent's output matches, and returns the last group.
func (b *bonder) wants(t *testing.T, question string) string {
	t.Helper()
	re := regexp.MustCompile(question)
	var found []string
	eventually(t, "bluetoothctl says "+question, func() bool {
		found = re.FindStringSubmatch(b.said()[b.from:])
		return found != nil
	})
	return found[len(found)-1]
}

// answer types the answer to a question.
func (b *bonder) answer(t *testing.T, line string) {
	t.Helper()
	b.from = len(b.said())
	if _, err := io.WriteString(b.in, line+"\n"); err != nil {
		t.Fatal(err)
	}
}

func (b *bonder) accepts(t *testing.T) {
	t.Helper()
	b.wants(t, `Accept pairing \(yes/no\)`)
	b.answer(t, "yes")
}

func (b *bonder) shows(t *testing.T) string {
	t.Helper()
	return b.wants(t, `(?:Passkey: |Confirm passkey )(\d{6})`)
}

func (b *bonder) types(t *testing.T, key string) {
	t.Helper()
	b.wants(t, `Enter passkey`)
	b.answer(t, key)
}

func (b *bonder) agrees(t *testing.T) {
	t.Helper()
	b.wants(t, `Confirm passkey`)
	b.answer(t, "yes")
}

func (b *bonder) forgets(t *testing.T) {
	t.Helper()
	eventually(t, "bluetoothd has forgotten "+ourAddress, func() bool {
		if !b.knows(t, ourAddress) {
			return true
		}
		b.ask(t, "remove "+ourAddress) // bluetoothd may have removed it by itself
		return false
	})
	b.from = len(b.said())
}

// TestPairBlueZ pairs with the kernel's SMP, under bluetoothd.
func TestPairBlueZ(t *testing.T) {
	startAir(t)
	startBus(t)
	b := startBonder(t)
	m := onHCI0(t, func(t *testing.T) { b.table.ready(t) })
	full := peerAddress + "/public"
	moortest.Pairing(t, m, &moortest.Partner{
		Address: full, Guarded: guardedUUID, Initial: "01 02 03 04",
		Can: b.can, Accepts: b.accepts, Shows: b.shows, Types: b.types, Agrees: b.agrees, Forgets: b.forgets,
		Bonded: conntest.EncryptedFirst,
	})
	t.Run("bluetoothd's file of the bond is gone", func(t *testing.T) {
		b.stop()
		dir := filepath.Join("/var/lib/bluetooth", peerAddress, ourAddress)
		if _, err := os.Stat(filepath.Join(dir, "info")); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		b = startBonder(t)
		b.can(t, "NoInputNoOutput")
		m.Run(t, "read", full, guardedUUID).FailsWith(t, 7, "lost the bond", "--repair")
		// The bond is authenticated. A pairing without authentication does not
		// replace it: the user has to remove the bond first.
		run := m.Start(t, "read", full, guardedUUID, "--repair")
		b.accepts(t)
		run.Wait(t).FailsWith(t, 8, "weaker")
		m.Run(t, "unpair", full).OK(t)
		b.forgets(t)
		run = m.Start(t, "read", full, guardedUUID, "--pair")
		b.accepts(t)
		run.Wait(t).OK(t).Says(t, "01 02 03 04")
		conntest.EncryptedFirst(t, m.Run(t, "read", full, guardedUUID).OK(t).Says(t, "01 02 03 04").Capture)
	})
}

// TestPairLegacyBlueZ pairs with a kernel that does not support LE Secure
// Connections.
func TestPairLegacyBlueZ(t *testing.T) {
	startAir(t)
	startBus(t)
	b := startBonder(t)
	// After the start of bluetoothd, which enables them.
	control(t, setSecureConnections, 1, 0)
	moortest.Pairing(t, onHCI0(t, b.table.ready), &moortest.Partner{
		Address: peerAddress + "/public", Guarded: guardedUUID, Initial: "01 02 03 04", Legacy: true,
		Can: b.can, Accepts: b.accepts, Shows: b.shows, Types: b.types, Agrees: b.agrees, Forgets: b.forgets,
		Bonded: conntest.EncryptedFirst,
	})
}

// setSecureConnections is an opcode of the kernel's management interface.
const setSecureConnections = 0x002D

// control sends the kernel a command with one parameter octet for an adapter.
func control(t *testing.T, op, index uint16, value byte) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_BLUETOOTH, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.BTPROTO_HCI)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	const none = 0xFFFF // no adapter: each command names one
	if err := unix.Bind(fd, &unix.SockaddrHCI{Dev: none, Channel: unix.HCI_CHANNEL_CONTROL}); err != nil {
		t.Fatal(err)
	}
	command := []byte{byte(op), byte(op >> 8), byte(index), byte(index >> 8), 1, 0, value}
	if _, err := unix.Write(fd, command); err != nil {
		t.Fatal(err)
	}
	for answer := make([]byte, 64); ; {
		n, err := unix.Read(fd, answer)
		if err != nil {
			t.Fatal(err)
		}
		const complete, status = 1, 2
		r := wire.NewReader(answer[:n])
		event := r.U16()
		r.Skip(4) // adapter, length
		if of, st := r.U16(), r.U8(); (event == complete || event == status) && of == op {
			if st != 0 {
				t.Fatalf("the kernel refuses command 0x%04x: status 0x%02x", op, st)
			}
			return
		}
	}
}

// TestPairedByBlueZ makes the kernel initiate the pairing. It does so once:
// bluetoothd takes up to 20 s to discover a removed device again.
func TestPairedByBlueZ(t *testing.T) {
	startAir(t)
	startBus(t)
	s, _ := startBlueZ(t)
	b := &bonder{shell: s}
	b.say(t, "pairable on", "Changing pairable on succeeded")
	b.forgets(t) // bonds of other tests
	b.can(t, "DisplayYesNo")
	u := conntest.NewUser(smp.DisplayYesNo)
	h := (&conntest.Lock{
		Service: conntest.UUID(t, serviceUUID), Guarded: conntest.UUID(t, guardedUUID), Value: []byte{1, 2, 3, 4},
		SMP: &smp.Config{Delegate: u, Store: smp.Files(t.TempDir())},
	}).Open(t, "hci0")
	b.hears(t, h, ourAddress)
	b.answer(t, "pair "+ourAddress)
	if own, peer := u.Shown(t), b.shows(t); own != peer {
		t.Errorf("this side shows %s, bluetoothd %s", own, peer)
	}
	b.agrees(t)
	u.Paired(t)
	b.wants(t, "(Pairing successful)")
	eventually(t, "the bond is kept", func() bool { return len(h.SMP().Store().All()) == 1 })
	if got := h.SMP().Store().All()[0]; !got.SecureConnections || !got.Authenticated {
		t.Errorf("the bond is %+v", got)
	}
	if links := h.Controller().Links(); len(links) != 1 || !links[0].State().Encrypted {
		t.Errorf("the links are %+v, want one that is encrypted", links)
	}
}
