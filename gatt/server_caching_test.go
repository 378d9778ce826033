package gatt_test

import (
	"encoding/hex"
	"testing"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/internal/gatttest"
)

// withoutVendor returns the services of the reference table without the last.
func withoutVendor() []gatt.ServiceDef { return gatttest.Reference().Services[:2] }

func setServices(t testing.TB, srv *gatt.Server, defs []gatt.ServiceDef) {
	t.Helper()
	if err := srv.SetServices(t.Context(), defs); err != nil {
		t.Fatal(err)
	}
}

func TestServerTellsOfAChange(t *testing.T) {
	srv := newServer(t, gatttest.Reference())
	w := newWire(t, srv, 23, gatt.PeerInfo{})
	other := newWire(t, srv, 23, gatt.PeerInfo{})
	w.receive("12 0900 0200", "13")
	w.receive("12 1e00 0100", "13")
	w.receive("12 2c00 0100", "13")
	setServices(t, srv, withoutVendor())
	w.want("the range of the service that is gone", "1d 0800 1f00 ffff")
	other.want("not subscribed to Service Changed")
	// Two changes while the first is not yet confirmed: their union comes next.
	setServices(t, srv, gatttest.Reference().Services)
	setServices(t, srv, withoutVendor()[:1])
	w.want("one indication at a time")
	w.receive("1e", "1d 0800 1b00 ffff")
	w.receive("1e")
	setServices(t, srv, gatttest.Reference().Services)
	w.want("both services are back", "1d 0800 1b00 ffff")
	w.receive("1e")
	w.receive("0a 0900", "0b 0200") // subscriptions inside the range are gone
	w.receive("0a 1e00", "0b 0000")
	w.receive("0a 2c00", "0b 0000")
	w.receive("12 1e00 0100", "13")
	// Another handler or value is no change of the table.
	same := gatttest.Reference().Services
	same[1].Characteristics[0].Value = []byte{7}
	setServices(t, srv, same)
	w.want("nothing has changed")
	w.receive("0a 1d00", "0b 07")
	setServices(t, srv, append(same, gatt.ServiceDef{UUID: gatt.UUID16(0x1815)}))
	w.want("a service at the end", "1d 0800 2e00 ffff")
	w.receive("0a 1e00", "0b 0100") // stays subscribed
}

func TestServerKeepsGenericValues(t *testing.T) {
	srv := newServer(t, gatttest.Reference())
	if err := srv.SetValue(gatttest.DeviceName, []byte("other")); err != nil {
		t.Fatal(err)
	}
	setServices(t, srv, nil)
	w := newWire(t, srv, 23, gatt.PeerInfo{})
	w.receive("0a 0300", "0b 6f74686572")
	w.receive("0a 1000", "01 0a 1000 01")
	if err := srv.SetServices(t.Context(), []gatt.ServiceDef{{}}); err == nil {
		t.Error("a service without UUID was accepted")
	}
}

// robust connects a client that has enabled robust caching.
func robust(t testing.TB) (*gatt.Server, *wire) {
	t.Helper()
	srv := newServer(t, gatttest.Reference())
	w := newWire(t, srv, 23, gatt.PeerInfo{})
	w.receive("12 0b00 01", "13")
	return srv, w
}

func TestServerRefusesTheUnawareOnce(t *testing.T) {
	for _, named := range []struct{ request, refusal, answer string }{
		{"0a 0300", "01 0a 0300 12", "0b 6d6f6f72"},
		{"0a ffff", "01 0a ffff 12", "01 0a ffff 01"},
		{"0c 0300 0000", "01 0c 0300 12", "0d 6d6f6f72"},
		{"0e 0300 0500", "01 0e 0300 12", "0f 6d6f6f72 4005"},
		{"20 0300 0500", "01 20 0300 12", "21 0400 6d6f6f72 0200 4005"},
		{"12 1e00 0000", "01 12 1e00 12", "13"},
		{"16 1e00 0000 00", "01 16 1e00 12", "17 1e00 0000 00"},
		{"08 0100 feff 002a", "01 08 0100 12", "09 06 0300 6d6f6f72"},
	} {
		srv, w := robust(t)
		setServices(t, srv, withoutVendor())
		w.receive(named.request, named.refusal)
		w.receive(named.request, named.answer)
		setServices(t, srv, nil) // once again for every change
		w.receive(named.request, named.refusal)
		srv.Close()
	}
}

func TestServerLetsTheUnawareDiscover(t *testing.T) {
	srv, w := robust(t)
	setServices(t, srv, withoutVendor())
	w.receive("10 1000 ffff 0028", "11 06 1000 1a00 0a18 1b00 1e00 0f18")
	w.receive("06 0100 ffff 0028 0f18", "07 1b00 1e00")
	w.receive("08 1b00 1e00 0328", "09 07 1c00 12 1d00 192a")
	w.receive("08 1b00 1e00 0228", "01 08 1b00 0a")
	w.receive("04 1e00 1e00", "05 01 1e00 0229")
	w.receive("08 0100 ffff 192a", "09 03 1d00 64") // of all handles, it names none
	w.receive("18 00", "19")
	w.receive("0a 1d00", "01 0a 1d00 12") // and has not proved anything by all that
}

func TestServerBelievesWhoReadsTheHash(t *testing.T) {
	srv, w := robust(t)
	setServices(t, srv, withoutVendor())
	h := srv.Hash()
	w.receive("08 0100 ffff 2a2b", "09 12 0d00"+hex.EncodeToString(h[:]))
	w.receive("52 2100 01") // a command is no request
	setServices(t, srv, nil)
	w.receive("0a 0300", "01 0a 0300 12") // what was read was of the table before

	srv, w = robust(t)
	setServices(t, srv, withoutVendor())
	h = srv.Hash()
	w.receive("08 0100 ffff 2a2b", "09 12 0d00"+hex.EncodeToString(h[:]))
	w.receive("0a 0300", "0b 6d6f6f72")
}

func TestServerBelievesWhoConfirms(t *testing.T) {
	srv, w := robust(t)
	w.receive("12 0900 0200", "13")
	setServices(t, srv, withoutVendor())
	w.want("told", "1d 0800 1f00 ffff")
	setServices(t, srv, nil)
	w.receive("1e", "1d 0800 1000 ffff") // of the table before: not enough
	w.receive("0a 0300", "01 0a 0300 12")

	srv, w = robust(t)
	w.receive("12 0900 0200", "13")
	setServices(t, srv, withoutVendor())
	w.want("told", "1d 0800 1f00 ffff")
	w.receive("1e")
	w.receive("0a 0300", "0b 6d6f6f72")
}

func TestServerKeepsValuesAndCommandsFromTheUnaware(t *testing.T) {
	srv, w := robust(t)
	w.receive("12 1e00 0100", "13")
	setServices(t, srv, gatttest.Reference().Services[1:]) // the battery moves to 0x0010
	setServices(t, srv, gatttest.Reference().Services)     // and back, with no subscription left
	w.receive("0a 1e00", "01 0a 1e00 12")
	w.receive("52 2100 41") // 0x12 alone is not enough for a command
	w.receive("0a 2900", "0b 01020304")
	w.receive("12 1e00 0100", "13")

	more := append(gatttest.Reference().Services, gatt.ServiceDef{UUID: gatt.UUID16(0x1815)})
	setServices(t, srv, more)
	wantIs(t, w.s.Notify(t.Context(), gatttest.BatteryLevel, []byte{1}), gatt.ErrClientUnaware)
	if n, err := srv.Notify(t.Context(), gatttest.BatteryLevel, []byte{1}); n != 0 || err != nil {
		t.Errorf("sent to %d, error %v, want none", n, err)
	}
	w.want("silence")
	w.receive("0a 1e00", "01 0a 1e00 12")
	w.receive("0a 1e00", "0b 0100")
	if err := w.s.Notify(t.Context(), gatttest.BatteryLevel, []byte{1}); err != nil {
		t.Error(err)
	}
	w.want("aware again", "1b 1d00 01")
}

// An unaware client's command might write an attribute that it does not mean.
func TestServerDropsCommandsOfTheUnaware(t *testing.T) {
	cfg := gatttest.Reference()
	cfg.Services[2].Characteristics[3].Properties |= gatt.PropWriteWithoutResponse
	srv := newServer(t, cfg)
	for _, robust := range []bool{true, false} {
		w := newWire(t, srv, 23, gatt.PeerInfo{})
		if robust {
			w.receive("12 0b00 01", "13")
		}
		setServices(t, srv, append(cfg.Services, gatt.ServiceDef{UUID: gatt.UUID16(0x1815)}))
		w.receive("52 2900 41")
		if robust {
			w.receive("0a 2900", "01 0a 2900 12")
			w.receive("52 2900 42")
			w.receive("0a 2900", "0b 01020304")
			w.receive("52 2900 43")
			w.receive("0a 2900", "0b 43")
		} else {
			w.receive("0a 2900", "0b 41")
		}
		setServices(t, srv, cfg.Services)
		w.take()
	}
}

func TestServerClientSupportedFeatures(t *testing.T) {
	w := reference(t, 23)
	w.receive("12 0b00", "01 12 0b00 0d")
	w.receive("12 0b00 04", "13")
	w.receive("12 0b00 01", "01 12 0b00 13") // a feature cannot be taken back
	w.receive("12 0b00 05ff", "13")          // there is no meaning behind the first octet
	w.receive("0a 0b00", "0b 05")
	w.receive("16 0b00 0000 07", "17 0b00 0000 07")
	w.receive("18 01", "19")
	w.receive("0a 0b00", "0b 07")
}

// Without the three characteristics there is no robust caching, and no client is
// unaware.
func TestServerWithoutRobustCaching(t *testing.T) {
	srv := newServer(t, &gatt.ServerConfig{DisableGATT: true, Name: "x"})
	w := newWire(t, srv, 23, gatt.PeerInfo{})
	setServices(t, srv, []gatt.ServiceDef{{UUID: gatt.UUID16(0x1815)}})
	w.receive("0a 0300", "0b 78")
	w.receive("08 0100 ffff 2a2b", "01 08 0100 0a")
}

// A change removes prepared writes of handles that may belong to other
// attributes now.
func TestServerLosesPreparedWrites(t *testing.T) {
	srv := newServer(t, gatttest.Reference())
	w := newWire(t, srv, 23, gatt.PeerInfo{})
	w.receive("16 1e00 0000 0100", "17 1e00 0000 0100")
	w.receive("16 2900 0000 41", "17 2900 0000 41")
	setServices(t, srv, withoutVendor())
	setServices(t, srv, gatttest.Reference().Services)
	w.receive("18 01", "01 18 2900 01")
	w.receive("18 01", "19")
	w.receive("0a 1e00", "0b 0000")
	// Others stay.
	w.receive("16 1e00 0000 0100", "17 1e00 0000 0100")
	setServices(t, srv, withoutVendor())
	w.receive("18 01", "19")
	w.receive("0a 1e00", "0b 0100")
}

// bond is a bonded client whose links are encrypted when the test says so.
type bond struct{ security gatt.Security }

func (b *bond) peer() gatt.PeerInfo {
	b.security = gatt.Security{Bonded: true}
	return gatt.PeerInfo{Key: b.peerKey(), Bonded: true, Security: func() gatt.Security { return b.security }}
}

func (b *bond) encrypt(w *wire) {
	b.security = gatt.Security{Encrypted: true, KeySize: 16, Bonded: true}
	w.s.SecurityChanged(w.now)
}

func TestServerRemembersBondedClients(t *testing.T) {
	srv := newServer(t, gatttest.Reference())
	var b bond
	w := newWire(t, srv, 23, b.peer())
	b.encrypt(w)
	w.receive("12 0b00 01", "13")
	w.receive("12 1e00 0100", "13")
	w.receive("12 0900 0200", "13")
	w.down()

	w = newWire(t, srv, 23, b.peer())
	w.receive("0a 0b00", "0b 01")
	// Any device can claim that address; subscriptions wait for encryption.
	w.receive("0a 1e00", "0b 0000")
	wantIs(t, w.s.Notify(t.Context(), gatttest.BatteryLevel, []byte{1}), gatt.ErrNotSubscribed)
	b.encrypt(w)
	if err := w.s.Notify(t.Context(), gatttest.BatteryLevel, []byte{1}); err != nil {
		t.Error(err)
	}
	w.want("without having asked in this connection", "1b 1d00 01")
	w.receive("0a 1e00", "0b 0100")
	w.down()

	// The table changes while the client is away.
	setServices(t, srv, withoutVendor())
	w = newWire(t, srv, 23, b.peer())
	w.receive("0a 1e00", "01 0a 1e00 12")
	w.want("not told before the link is encrypted")
	b.encrypt(w)
	w.want("then it is", "1d 0800 0100 ffff")
	w.down()

	// The client has not learned of it, and comes back unaware.
	w = newWire(t, srv, 23, b.peer())
	b.encrypt(w)
	w.want("told again", "1d 0800 0100 ffff")
	w.receive("0a 1e00", "01 0a 1e00 12")
	w.receive("1e")
	w.receive("0a 1e00", "0b 0100")
	w.down()
	w = newWire(t, srv, 23, b.peer())
	b.encrypt(w)
	w.want("nothing new")
	w.receive("0a 1e00", "0b 0100")
	w.down()

	srv.ForgetClient("C0:FF:EE:00:00:01")
	w = newWire(t, srv, 23, b.peer())
	b.encrypt(w)
	w.receive("0a 1e00", "0b 0000")
	w.receive("0a 0b00", "0b 00")
}

// A stranger is forgotten with the link, and is aware at first.
func TestServerForgetsStrangers(t *testing.T) {
	srv := newServer(t, gatttest.Reference())
	peer := gatt.PeerInfo{Key: "C0:FF:EE:00:00:02"}
	w := newWire(t, srv, 23, peer)
	w.receive("12 0b00 01", "13")
	w.receive("12 1e00 0100", "13")
	w.down()
	setServices(t, srv, withoutVendor())
	w = newWire(t, srv, 23, peer)
	wantIs(t, w.s.Notify(t.Context(), gatttest.BatteryLevel, []byte{1}), gatt.ErrNotSubscribed)
	w.receive("0a 0b00", "0b 00")
	w.receive("0a 1e00", "0b 0000")
}

// The state of a client that pairs during the connection is remembered.
func TestServerRemembersAfterPairing(t *testing.T) {
	srv := newServer(t, gatttest.Reference())
	var sec gatt.Security
	peer := gatt.PeerInfo{Key: "k", Security: func() gatt.Security { return sec }}
	w := newWire(t, srv, 23, peer)
	w.receive("12 1e00 0100", "13")
	sec = gatt.Security{Encrypted: true, Bonded: true, KeySize: 16}
	w.s.SecurityChanged(w.now)
	w.down()
	peer.Bonded = true
	w = newWire(t, srv, 23, peer)
	w.receive("0a 1e00", "0b 0100")
}

func TestServerPermissions(t *testing.T) {
	encrypted := gatt.Security{Encrypted: true, KeySize: 7}
	authenticated := gatt.Security{Encrypted: true, Authenticated: true, KeySize: 16}
	sc := gatt.Security{Encrypted: true, Authenticated: true, SecureConnections: true, KeySize: 16}
	for _, tt := range []struct {
		need gatt.Require
		have gatt.Security
		want att.Code
	}{
		{gatt.Require{}, gatt.Security{}, 0},
		{gatt.Require{Encryption: true}, gatt.Security{}, att.CodeInsufficientAuthentication},
		{gatt.Require{Encryption: true}, gatt.Security{Bonded: true}, att.CodeInsufficientEncryption},
		{gatt.Require{Encryption: true}, encrypted, 0},
		{gatt.Require{Authentication: true}, gatt.Security{}, att.CodeInsufficientAuthentication},
		{gatt.Require{Authentication: true}, gatt.Security{Bonded: true}, att.CodeInsufficientEncryption},
		{gatt.Require{Authentication: true}, encrypted, att.CodeInsufficientAuthentication},
		{gatt.Require{Authentication: true}, authenticated, 0},
		{gatt.Require{SecureConnections: true}, authenticated, att.CodeInsufficientAuthentication},
		{gatt.Require{SecureConnections: true}, sc, 0},
		{gatt.Require{KeySize: 16}, gatt.Security{}, att.CodeInsufficientAuthentication},
		{gatt.Require{KeySize: 16}, encrypted, att.CodeEncryptionKeySizeTooShort},
		{gatt.Require{KeySize: 16}, authenticated, 0},
	} {
		srv := newServer(t, &gatt.ServerConfig{DisableGAP: true, DisableGATT: true, Services: []gatt.ServiceDef{{
			UUID: gatt.UUID16(0x180F),
			Characteristics: []gatt.CharDef{{
				UUID: gatt.UUID16(0x2A19), Value: []byte{100},
				Properties:  gatt.PropRead | gatt.PropWrite | gatt.PropWriteWithoutResponse | gatt.PropNotify,
				Permissions: gatt.Permissions{Read: tt.need, Write: tt.need, Subscribe: tt.need},
			}},
		}}})
		w := newWire(t, srv, 23, gatt.PeerInfo{Security: func() gatt.Security { return tt.have }})
		answer := func(request, granted, handle string) {
			t.Helper()
			if tt.want != 0 {
				granted = "01" + request[:2] + handle + hex.EncodeToString([]byte{byte(tt.want)})
			}
			w.receive(request, granted)
		}
		answer("0a 0300", "0b 64", "0300")
		answer("0c 0300 0000", "0d 64", "0300")
		answer("08 0100 ffff 192a", "09 03 0300 64", "0300")
		answer("0e 0400 0300", "0f 0000 64", "0300")
		answer("12 0300 63", "13", "0300")
		answer("16 0300 0000 63", "17 0300 0000 63", "0300")
		answer("12 0400 0100", "13", "0400")
		w.receive("0a 0400", map[bool]string{true: "0b 0100", false: "0b 0000"}[tt.want == 0])
		w.receive("52 0300 62")
		if tt.want == 0 {
			w.receive("0a 0300", "0b 62")
			w.receive("06 0100 ffff 192a 62", "07 0300 0300")
		} else {
			w.receive("06 0100 ffff 192a 64", "01 06 0100 0a") // nor found by its value
		}
	}
}
