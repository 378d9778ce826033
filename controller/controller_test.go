package controller_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcitest"
)

// script answers commands as a plain 4.0 controller does, until its context
// ends. It answers unknown commands with status 0x01.
type script struct {
	ctl *hcitest.Controller
	// returns has the return parameters, with status, of synchronous commands.
	returns map[hci.Opcode][]byte
	// on takes a command instead, and reports whether it did.
	on  func(p hci.Params) bool
	ops []hci.Opcode
	mu  sync.Mutex // for tests that share no other lock with run
}

func newScript(ctl *hcitest.Controller) *script {
	s := &script{ctl: ctl, returns: map[hci.Opcode][]byte{}}
	for _, op := range []hci.Opcode{
		hci.OpReset, hci.OpSetEventMask, hci.OpLESetEventMask, hci.OpLESetRandomAddress,
		hci.OpLESetScanParameters, hci.OpLESetScanEnable,
	} {
		s.returns[op] = []byte{0}
	}
	s.returns[hci.OpReadLocalVersionInformation] = []byte{0, 6, 0, 0, 6, 63, 0, 0, 0}
	s.returns[hci.OpReadLocalSupportedCommands] = make([]byte, 65)
	s.returns[hci.OpLEReadLocalSupportedFeatures] = make([]byte, 9)
	s.returns[hci.OpReadBDADDR] = []byte{0, 1, 2, 3, 4, 5, 6}
	s.returns[hci.OpLEReadBufferSize] = []byte{0, 27, 0, 1}
	return s
}

func (s *script) run(ctx context.Context) {
	for {
		b, err := s.ctl.Sent(ctx)
		if err != nil {
			return
		}
		p, err := hci.ParseCommand(b[1:])
		if err != nil {
			continue
		}
		op := p.Opcode()
		s.mu.Lock()
		s.ops = append(s.ops, op)
		on := s.on
		s.mu.Unlock()
		switch ret := s.returns[op]; {
		case on != nil && on(p):
		case ret != nil:
			s.send(&hci.CommandComplete{NumPackets: 1, Opcode: op, Return: ret})
		default:
			s.send(&hci.CommandComplete{NumPackets: 1, Opcode: op, Return: []byte{1}})
		}
	}
}

// sent returns the commands seen so far, once the bubble is at rest.
func (s *script) sent() []hci.Opcode {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.ops)
}

// answer replaces on while the controller runs.
func (s *script) answer(on func(hci.Params) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.on = on
}

func (s *script) send(ev hci.Event) { s.ctl.Send(hci.AppendEvent([]byte{byte(hci.PacketEvent)}, ev)) }

// open opens a Controller on a scripted controller; both end with the test.
func open(t *testing.T, s *script, host *hcitest.Host, cfg *controller.Config) *controller.Controller {
	t.Helper()
	go s.run(t.Context())
	ctl, err := controller.Open(t.Context(), host, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ctl.Close() })
	return ctl
}

func TestStartOfAPlainController(t *testing.T) { synctest.Test(t, testStartOfAPlainController) }

func testStartOfAPlainController(t *testing.T) {
	host, ctl := hcitest.Pipe()
	s := newScript(ctl)
	d := open(t, s, host, nil)
	i := d.Info()
	if want := (hci.Addr{MAC: hci.MAC{1, 2, 3, 4, 5, 6}}); i.Address != want || i.ACLLen != 27 || i.ACLNum != 1 || i.Extended {
		t.Errorf("info %+v", i)
	}
	want := []hci.Opcode{
		hci.OpReset, hci.OpReadLocalVersionInformation, hci.OpReadLocalSupportedCommands,
		hci.OpLEReadLocalSupportedFeatures, hci.OpReadBDADDR, hci.OpSetEventMask, hci.OpLESetEventMask, hci.OpLEReadBufferSize,
	}
	if ops := s.sent(); !slices.Equal(ops, want) {
		t.Errorf("start-up sent %v, want %v", ops, want)
	}
}

func TestStartWithSharedBuffersAndNoAddress(t *testing.T) {
	synctest.Test(t, testStartWithSharedBuffersAndNoAddress)
}

func testStartWithSharedBuffersAndNoAddress(t *testing.T) {
	host, ctl := hcitest.Pipe()
	s := newScript(ctl)
	s.returns[hci.OpLEReadBufferSize] = []byte{0, 0, 0, 0}
	s.returns[hci.OpReadBufferSize] = []byte{0, 0xFD, 0x03, 60, 8, 0, 8, 0}
	s.returns[hci.OpReadBDADDR] = []byte{0, 0, 0, 0, 0, 0, 0}
	i := open(t, s, host, nil).Info()
	if !i.SharedBuffers || i.ACLLen != 1021 || i.ACLNum != 8 {
		t.Errorf("buffers %d of %d, shared %v", i.ACLNum, i.ACLLen, i.SharedBuffers)
	}
	if i.Address.Kind != hci.AddrRandom || i.Address.MAC[5]&0xC0 != 0xC0 {
		t.Errorf("own address %v is not static random", i.Address)
	}
}

func TestStartReadsAllFeaturePages(t *testing.T) { synctest.Test(t, testStartReadsAllFeaturePages) }

func testStartReadsAllFeaturePages(t *testing.T) {
	host, ctl := hcitest.Pipe()
	s := newScript(ctl)
	var has hci.SupportedCommands
	has.Add(hci.OpLEReadAllLocalSupportedFeatures)
	s.returns[hci.OpReadLocalSupportedCommands] = append([]byte{0}, has[:]...)
	pages := make([]byte, 1+1+248)
	pages[1], pages[2], pages[10] = 1, 0x20, 0x04 // page 1 is the last
	s.returns[hci.OpLEReadAllLocalSupportedFeatures] = pages
	if i := open(t, s, host, nil).Info(); len(i.FeaturePages) != 32 || i.FeaturePages[8] != 0x04 {
		t.Errorf("feature pages % x", i.FeaturePages)
	}
}

func TestStartDecidesOnTheExtendedCommands(t *testing.T) {
	synctest.Test(t, testStartDecidesOnTheExtendedCommands)
}

func testStartDecidesOnTheExtendedCommands(t *testing.T) {
	listen := []hci.Opcode{hci.OpLESetExtendedScanParameters, hci.OpLESetExtendedScanEnable, hci.OpLEExtendedCreateConnection}
	advertise := []hci.Opcode{
		hci.OpLESetAdvertisingSetRandomAddress, hci.OpLESetExtendedAdvertisingParameters, hci.OpLESetExtendedAdvertisingData,
		hci.OpLESetExtendedScanResponseData, hci.OpLESetExtendedAdvertisingEnable,
	}
	legacy := []hci.Opcode{hci.OpLESetAdvertisingEnable}
	for _, test := range []struct {
		name string
		ops  []hci.Opcode
		want bool
	}{
		{"all", slices.Concat(listen, advertise, legacy), true},
		{"legacy advertising alone", slices.Concat(listen, legacy), false},
		{"no enabling of extended advertising", slices.Concat(listen, advertise[:4], legacy), false},
		{"no advertising at all", listen, true},
		{"extended advertising alone", slices.Concat(advertise, legacy), false},
	} {
		host, ctl := hcitest.Pipe()
		s := newScript(ctl)
		var has hci.SupportedCommands
		for _, op := range test.ops {
			has.Add(op)
		}
		s.returns[hci.OpReadLocalSupportedCommands] = append([]byte{0}, has[:]...)
		if i := open(t, s, host, nil).Info(); i.Extended != test.want {
			t.Errorf("%s: extended is %v, want %v", test.name, i.Extended, test.want)
		}
	}
}

func TestStartWithARefusedEventMask(t *testing.T) { synctest.Test(t, testStartWithARefusedEventMask) }

// testStartWithARefusedEventMask has the controller refuse one event mask, or
// both. Neither ends the start-up: after a reset the controller has its default.
func testStartWithARefusedEventMask(t *testing.T) {
	for refusals := 1; refusals <= 2; refusals++ {
		host, ctl := hcitest.Pipe()
		s := newScript(ctl)
		var masks []uint64
		s.on = func(p hci.Params) bool {
			m, ok := p.(hci.SetEventMask)
			if !ok {
				return false
			}
			masks = append(masks, m.Mask)
			if len(masks) <= refusals {
				s.send(&hci.CommandComplete{NumPackets: 1, Opcode: p.Opcode(), Return: []byte{byte(hci.StatusInvalidParameters)}})
				return true
			}
			return false
		}
		open(t, s, host, nil)
		if want := []uint64{0x20009FFFFFFFFFFF, 0x2000800002008890}; !slices.Equal(masks, want) {
			t.Errorf("%d refusals: masks %#x, want %#x", refusals, masks, want)
		}
	}
}

func TestStartWithoutBuffersFails(t *testing.T) { synctest.Test(t, testStartWithoutBuffersFails) }

func testStartWithoutBuffersFails(t *testing.T) {
	host, ctl := hcitest.Pipe()
	s := newScript(ctl)
	s.returns[hci.OpLEReadBufferSize] = []byte{0, 0, 0, 0}
	go s.run(t.Context())
	if _, err := controller.Open(t.Context(), host, nil); err == nil || err.Error() !=
		"controller: start-up: the controller has 0 data buffers of 0 octets, LE needs at least one of 27" {
		t.Errorf("got %v", err)
	}
	ctl.WantClosed(t)
}

func TestStartOfASilentController(t *testing.T) { synctest.Test(t, testStartOfASilentController) }

func testStartOfASilentController(t *testing.T) {
	host, ctl := hcitest.Pipe()
	begin := time.Now()
	_, err := controller.Open(t.Context(), host, nil)
	if !errors.Is(err, controller.ErrNoAnswer) || time.Since(begin) != 6*time.Second {
		t.Errorf("got %v after %v, want no answer after three resets in 6s", err, time.Since(begin))
	}
	for range 3 {
		if b, err := ctl.Sent(t.Context()); err != nil || !bytes.Equal(b, []byte{1, 0x03, 0x0C, 0}) {
			t.Errorf("sent % x, %v, want a reset", b, err)
		}
	}
	ctl.WantClosed(t)
}

func TestStartObeysItsContext(t *testing.T) { synctest.Test(t, testStartObeysItsContext) }

func testStartObeysItsContext(t *testing.T) {
	host, _ := hcitest.Pipe()
	gone := errors.New("gone")
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, gone)
	defer cancel()
	if _, err := controller.Open(ctx, host, nil); !errors.Is(err, gone) {
		t.Errorf("got %v, want the cause", err)
	}
}

func TestTransportFailureReleasesEveryWaiter(t *testing.T) {
	synctest.Test(t, testTransportFailureReleasesEveryWaiter)
}

func testTransportFailureReleasesEveryWaiter(t *testing.T) {
	host, ctl := hcitest.Pipe()
	s := newScript(ctl)
	s.on = func(p hci.Params) bool {
		switch p.(type) {
		case hci.LECreateConnection:
			s.send(&hci.CommandStatus{NumPackets: 1, Opcode: hci.OpLECreateConnection})
			return true
		case hci.LERand:
			return true // never answered
		}
		return false
	}
	d := open(t, s, host, &controller.Config{CommandTimeout: time.Hour})
	errs := make(chan error, 4)
	go func() { _, err := d.Connect(t.Context(), hci.Addr{MAC: hci.MAC{9}}, nil); errs <- err }()
	synctest.Wait()
	sc, err := d.Scan(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, err := sc.Next(t.Context()); errs <- err }()
	go func() { _, err := controller.Exec(t.Context(), d, hci.LERand{}); errs <- err }()
	go func() { _, err := d.Accept(t.Context()); errs <- err }()
	synctest.Wait()
	ctl.Fail(io.EOF)
	for range cap(errs) {
		if err := <-errs; !errors.Is(err, io.EOF) {
			t.Errorf("a waiter got %v", err)
		}
	}
	<-d.Done()
	if _, ok := errors.AsType[*controller.Error](d.Err()); !ok {
		t.Errorf("the Controller ended with %v", d.Err())
	}
	if _, err := controller.Exec(t.Context(), d, hci.LERand{}); !errors.Is(err, io.EOF) {
		t.Errorf("a command after the end got %v", err)
	}
}

func TestExecObeysItsContext(t *testing.T) { synctest.Test(t, testExecObeysItsContext) }

func testExecObeysItsContext(t *testing.T) {
	host, ctl := hcitest.Pipe()
	s := newScript(ctl)
	s.on = func(p hci.Params) bool { _, mute := p.(hci.LERand); return mute }
	d := open(t, s, host, &controller.Config{CommandTimeout: time.Minute})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	begin := time.Now()
	_, err := controller.Exec(ctx, d, hci.LERand{})
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != time.Second {
		t.Errorf("got %v after %v", err, time.Since(begin))
	}
	// The next one waits for a credit, which the controller does not give, and
	// is never sent once its caller has gone.
	if _, err := controller.Exec(ctx, d, hci.ReadRSSI{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	n := len(s.sent())
	s.send(&hci.CommandComplete{NumPackets: 1})
	if ops := s.sent(); len(ops) != n {
		t.Errorf("sent %v for a caller that had gone", ops[n:])
	}
}

func TestCloseResetsAndIsIdempotent(t *testing.T) { synctest.Test(t, testCloseResetsAndIsIdempotent) }

func testCloseResetsAndIsIdempotent(t *testing.T) {
	host, ctl := hcitest.Pipe()
	s := newScript(ctl)
	d := open(t, s, host, nil)
	n := len(s.sent())
	for range 2 {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
	if ops := s.sent(); len(ops) != n+1 || ops[n] != hci.OpReset {
		t.Errorf("closing sent %v, want one reset", ops[n:])
	}
	ctl.WantClosed(t)
	if !errors.Is(d.Err(), net.ErrClosed) {
		t.Errorf("the Controller ended with %v", d.Err())
	}
}

func TestCaptureHasBothDirections(t *testing.T) { synctest.Test(t, testCaptureHasBothDirections) }

func testCaptureHasBothDirections(t *testing.T) {
	host, ctl := hcitest.Pipe()
	var file bytes.Buffer
	d := open(t, newScript(ctl), host, &controller.Config{Snoop: &file})
	d.Close()
	sent, received := 0, 0
	for r, err := range hci.ReadSnoop(&file) {
		if err != nil {
			t.Fatal(err)
		}
		if r.Sent {
			sent++
		} else {
			received++
		}
	}
	if sent != 9 || received != 9 { // eight of the start, and the reset at the end
		t.Errorf("%d packets sent, %d received; want 9 and 9", sent, received)
	}
}
