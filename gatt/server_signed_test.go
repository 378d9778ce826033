package gatt_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att/atttest"
)

// signer is a bonded client as the server knows it, and a log of verifications.
// A signature is valid once, if it ends with ff.
type signer struct {
	authenticated bool
	security      gatt.Security
	wait          chan struct{} // checks wait for it

	running atomic.Int32
	most    atomic.Int32
	checked []string
	seen    map[[12]byte]bool
}

var errForged = errors.New("forged signature")

func (s *signer) peer() gatt.PeerInfo {
	s.security.Bonded, s.seen = true, map[[12]byte]bool{}
	return gatt.PeerInfo{Key: "k", Bonded: true, Verify: s.verify, Security: func() gatt.Security { return s.security }}
}

func (s *signer) verify(ctx context.Context, pdu []byte, sig [12]byte) (bool, error) {
	s.most.Store(max(s.most.Load(), s.running.Add(1)))
	defer s.running.Add(-1)
	if s.wait != nil {
		select {
		case <-s.wait:
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
	s.checked = append(s.checked, hex.EncodeToString(pdu)+" "+hex.EncodeToString(sig[:]))
	if sig[11] != 0xFF || s.seen[sig] {
		return false, errForged
	}
	s.seen[sig] = true
	return s.authenticated, nil
}

// signable is a table with values that are written with signatures.
//
//	0x0012  kept by the server
//	0x0014  read and written by handlers
//	0x0016  not to be signed
//	0x0018  for authenticated keys, 0x001a for encrypted links only
func signable(write func(context.Context, *gatt.WriteRequest) error, log *strings.Builder) *gatt.ServerConfig {
	const signed = gatt.PropRead | gatt.PropSignedWrite
	u := gatt.UUID16(0x2A56)
	char := func(p gatt.Properties, q gatt.Require) gatt.CharDef {
		return gatt.CharDef{UUID: u, Properties: p, Value: []byte("old"), MaxLen: 4, Permissions: gatt.Permissions{Write: q}}
	}
	chars := []gatt.CharDef{
		char(signed, gatt.Require{}), char(signed, gatt.Require{}), char(gatt.PropRead|gatt.PropWriteWithoutResponse, gatt.Require{}),
		char(signed, gatt.Require{Authentication: true}), char(signed, gatt.Require{Encryption: true}),
	}
	chars[0].Handle = 0x11
	chars[1].Write = write
	return &gatt.ServerConfig{
		DisableGAP: true, DisableGATT: true,
		Services: []gatt.ServiceDef{{UUID: gatt.UUID16(0x1815), Characteristics: chars}},
		Logger:   slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
}

// quoted is a string as a slog.TextHandler writes it.
func quoted(s string) string {
	if strings.Contains(s, " ") {
		return strconv.Quote(s)
	}
	return s
}

// wantDropped fails unless so many commands were dropped, the last for a reason.
func wantDropped(t *testing.T, s *gatt.Session, log *strings.Builder, n uint64, why string) {
	t.Helper()
	if got := s.Dropped(); got != n {
		t.Errorf("%d commands dropped, want %d", got, n)
	}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if last := lines[len(lines)-1]; !strings.Contains(last, `level=DEBUG msg="attribute PDU dropped" op="signed write command" why=`+quoted(why)) {
		t.Errorf("log ends with %s, want %q", last, why)
	}
}

func TestServerSignedWrite(t *testing.T) { synctest.Test(t, testServerSignedWrite) }

func testServerSignedWrite(t *testing.T) {
	var log strings.Builder
	var handled []string
	x := &signer{}
	_, s, ch := serve(t, signable(func(_ context.Context, r *gatt.WriteRequest) error {
		handled = append(handled, fmt.Sprintf("%v %q command=%v signed=%v", r.Handle, r.Value, r.Command, r.Signed))
		return nil
	}, &log), x.peer())

	ch.Receive("d2 1200 1337 01000000 0000000000 0000ff")
	ch.Receive("0a 1200")
	ch.Want("0b 1337")
	ch.Receive("d2 1400 68 02000000 0000000000 0000ff", "d2 1400 03000000 0000000000 0000ff")
	ch.WantIdle()
	want := []string{
		"d212001337 0100000000000000000000ff",
		"d2140068 0200000000000000000000ff",
		"d21400 0300000000000000000000ff",
	}
	if d := cmp.Diff(want, x.checked); d != "" {
		t.Errorf("checked (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{`0x0014 "h" command=true signed=true`, `0x0014 "" command=true signed=true`}, handled); d != "" {
		t.Errorf("handler was given (-want +got):\n%s", d)
	}
	if s.Dropped() != 0 {
		t.Errorf("%d commands dropped", s.Dropped())
	}

	n := uint64(0)
	drop := func(pdu, why string) {
		t.Helper()
		n++
		ch.Receive(pdu)
		ch.WantIdle()
		wantDropped(t, s, &log, n, why)
	}
	drop("d2 1200 21 04000000 0000000000 000000", "forged signature")
	drop("d2 1200 1337 01000000 0000000000 0000ff", "forged signature") // a replay
	drop("d2 1200 2121212121 05000000 0000000000 0000ff", "invalid attribute value length")
	checks := len(x.checked)
	for _, unsigned := range []string{"1600", "0100", "ff00", "0000"} {
		drop("d2"+unsigned+"21 06000000 0000000000 0000ff", "not to be written with a signature")
	}
	drop("d2 1a00 21 06000000 0000000000 0000ff", "the signature is not enough")
	drop("d2 1200 000000000000000000ff", "malformed")
	x.security.Encrypted = true
	drop("d2 1200 21 06000000 0000000000 0000ff", "signed, on an encrypted link")
	x.security.Encrypted = false
	if len(x.checked) != checks {
		t.Errorf("checked without need: %q", x.checked[checks:])
	}
	// The link lives on, the value is what it was, and a command without signature
	// is not let in by the property.
	ch.Receive("52 1200 21", "12 1200 21", "0a 1200")
	ch.Want("01 12 1200 03", "0b 1337")
	n++

	drop("d2 1800 21 06000000 0000000000 0000ff", "the signature is not enough") // of a key from Just Works
	x.authenticated = true
	ch.Receive("d2 1800 21 07000000 0000000000 0000ff", "0a 1800")
	ch.Want("0b 21")
}

// Without a bond or a key, nothing is verified.
func TestServerSignedWriteOfStrangers(t *testing.T) {
	synctest.Test(t, testServerSignedWriteOfStrangers)
}

func testServerSignedWriteOfStrangers(t *testing.T) {
	x := &signer{}
	bonded := x.peer()
	for _, peer := range []gatt.PeerInfo{{}, {Bonded: true}, {Verify: bonded.Verify}} {
		var log strings.Builder
		_, s, ch := serve(t, signable(nil, &log), peer)
		ch.Receive("d2 1200 21 01000000 0000000000 0000ff", "0a 1200")
		ch.Want("0b 6f6c64")
		wantDropped(t, s, &log, 1, "no key to check the signature with")
	}
	if len(x.checked) != 0 {
		t.Errorf("checked %q", x.checked)
	}
}

// PDUs behind a signed command wait for its verification.
func TestServerSignedWriteKeepsOrder(t *testing.T) {
	synctest.Test(t, testServerSignedWriteKeepsOrder)
}

func testServerSignedWriteKeepsOrder(t *testing.T) {
	var log strings.Builder
	x := &signer{wait: make(chan struct{})}
	cfg := signable(nil, &log)
	cfg.Services[0].Characteristics[0].Properties |= gatt.PropWriteWithoutResponse
	_, _, ch := serve(t, cfg, x.peer())
	ch.Receive("d2 1200 31 01000000 0000000000 0000ff", "52 1200 32", "0a 1200")
	ch.WantIdle()
	x.security.Encrypted = true // what came before that counts all the same
	close(x.wait)
	ch.Want("0b 32")
	x.security.Encrypted = false
	ch.Receive("52 1200 32", "d2 1200 31 02000000 0000000000 0000ff", "0a 1200")
	ch.Want("0b 31")
}

// A storm of signed commands takes one goroutine and a queue of 32.
func TestServerBoundsSignedWrites(t *testing.T) { synctest.Test(t, testServerBoundsSignedWrites) }

func testServerBoundsSignedWrites(t *testing.T) {
	var log strings.Builder
	x := &signer{wait: make(chan struct{})}
	_, s, ch := serve(t, signable(nil, &log), x.peer())
	for i := range 1000 {
		ch.Receive(fmt.Sprintf("d2 1200 31 %04x0000 0000000000 0000ff", i))
	}
	ch.Receive("0a 1600")
	ch.WantIdle()
	wantDropped(t, s, &log, 1000-33, "too many wait for a handler")
	close(x.wait)
	ch.Want("0b 6f6c64")
	if n, most := len(x.checked), x.most.Load(); n != 33 || most != 1 {
		t.Errorf("%d signatures were checked, %d at a time, want 33, one at a time", n, most)
	}
}

// The verification ends with the link; Close of the server waits for it.
func TestServerSignedWriteEnds(t *testing.T) { synctest.Test(t, testServerSignedWriteEnds) }

func testServerSignedWriteEnds(t *testing.T) {
	for _, end := range []func(*gatt.Server, *atttest.Channel){
		func(_ *gatt.Server, ch *atttest.Channel) { ch.Disconnect(nil) },
		func(srv *gatt.Server, _ *atttest.Channel) { srv.Close() },
	} {
		var log strings.Builder
		x := &signer{wait: make(chan struct{})}
		srv, _, ch := serve(t, signable(nil, &log), x.peer())
		ch.Receive("d2 1200 31 01000000 0000000000 0000ff", "d2 1200 32 02000000 0000000000 0000ff")
		synctest.Wait()
		if n := x.running.Load(); n != 1 {
			t.Fatalf("%d checks run, want 1", n)
		}
		end(srv, ch)
		synctest.Wait()
		if n := x.running.Load(); n != 0 || len(x.checked) != 0 {
			t.Errorf("%d checks still run, %d have passed", n, len(x.checked))
		}
		ch.WantIdle()
		srv.Close()
	}
}

// The table may change during a verification.
func TestServerSignedWriteUnderChange(t *testing.T) {
	synctest.Test(t, testServerSignedWriteUnderChange)
}

func testServerSignedWriteUnderChange(t *testing.T) {
	var log strings.Builder
	x := &signer{wait: make(chan struct{})}
	cfg := signable(nil, &log)
	srv, s, ch := serve(t, cfg, x.peer())
	ch.Receive("d2 1200 31 01000000 0000000000 0000ff")
	other := signable(nil, &log).Services
	other[0].Characteristics[0].Properties = gatt.PropRead
	if err := srv.SetServices(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	close(x.wait)
	ch.WantIdle()
	wantDropped(t, s, &log, 1, "not to be written with a signature")
	ch.Receive("0a 1200")
	ch.Want("0b 6f6c64")
}

// A client that has enabled robust caching must know the table.
func TestServerSignedWriteOfTheUnaware(t *testing.T) {
	synctest.Test(t, testServerSignedWriteOfTheUnaware)
}

func testServerSignedWriteOfTheUnaware(t *testing.T) {
	var log strings.Builder
	x := &signer{}
	cfg := signable(nil, &log)
	cfg.DisableGATT = false
	srv, s, ch := serve(t, cfg, x.peer())
	ch.Receive("12 0600 01") // Client Supported Features
	ch.Want("13")
	if err := srv.SetServices(t.Context(), append(cfg.Services, gatt.ServiceDef{UUID: gatt.UUID16(0x180F)})); err != nil {
		t.Fatal(err)
	}
	ch.Receive("d2 1200 31 01000000 0000000000 0000ff")
	ch.WantIdle()
	wantDropped(t, s, &log, 1, "the client does not know the table")
	ch.Receive("0a 1200", "0a 1200")
	ch.Want("01 0a 1200 12", "0b 6f6c64")
	ch.Receive("d2 1200 31 01000000 0000000000 0000ff", "0a 1200")
	ch.Want("0b 31")
}
