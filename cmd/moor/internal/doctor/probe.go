package doctor

import (
	"context"
	"errors"
	"fmt"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/wire"
)

// tryOpen opens an adapter, resets its controller, and reports whether that answered, and
// whether it has Bluetooth LE.
func tryOpen(ctx context.Context, env *Env, r *Report, address string) (answers, usable bool) {
	check := address + " open"
	ctx, cancel := context.WithTimeout(ctx, env.probeTimeout())
	defer cancel()
	tr, err := env.Open(ctx, address)
	if err != nil {
		r.addError(check, err)
		return false, false
	}
	p := &probe{ctx: ctx, tr: tr}
	err = p.resetController()
	var buffers leBuffers
	var noLE error
	if err == nil {
		buffers, noLE = p.readBuffers()
	}
	if closeErr := tr.Close(); err == nil && noLE == nil {
		err = closeErr
	}
	if err != nil {
		r.addBad(check, err.Error(), "unplug it and plug it in again; see `dmesg | grep -i bluetooth`")
		return false, false
	}
	r.addGood(check, "it can be opened and answers")
	check = address + " LE"
	switch {
	case errors.Is(noLE, errNoLE):
		r.addBad(check, noLE.Error(), "use an adapter with Bluetooth 4.0 or later")
		return true, false
	case noLE != nil:
		r.addBad(check, noLE.Error(), "unplug it and plug it in again, or use another one")
		return true, false
	}
	r.addGood(check, buffers.String())
	return true, true
}

// leBuffers are the data buffers of a controller for LE; none are shared with BR/EDR.
type leBuffers struct {
	size   uint16
	number uint8
}

func (b leBuffers) String() string {
	if b.number == 0 || b.size == 0 {
		return "it has Bluetooth LE, with the buffers of Bluetooth Classic"
	}
	return fmt.Sprintf("it has Bluetooth LE, with %d buffers of %d octets", b.number, b.size)
}

var errNoLE = errors.New("it has no Bluetooth LE: it is for Bluetooth Classic only")

// probe asks a controller, one command at a time.
type probe struct {
	ctx context.Context
	tr  hci.Transport
}

// resetController resets the controller (Vol 4, Part E, 7.3.2).
func (p *probe) resetController() error {
	status, _, err := p.ask(hci.Reset{})
	if err == nil && status != hci.StatusSuccess {
		return fmt.Errorf("it refuses Reset: %w", status)
	}
	return err
}

// readBuffers asks for the LE features (7.8.3) and the LE data buffers (7.8.2), which
// every LE controller knows. A controller without LE knows neither.
func (p *probe) readBuffers() (b leBuffers, err error) {
	features, _, err := p.ask(hci.LEReadLocalSupportedFeatures{})
	if err != nil {
		return b, err
	}
	status, returned, err := p.ask(hci.LEReadBufferSize{})
	switch {
	case err != nil:
		return b, err
	case features == hci.StatusUnknownCommand && status == hci.StatusUnknownCommand:
		return b, errNoLE
	case status != hci.StatusSuccess:
		return b, fmt.Errorf("it refuses %v: %w", hci.OpLEReadBufferSize, status)
	}
	r := wire.NewReader(returned)
	b.size, b.number = r.U16(), r.U8()
	return b, r.Err()
}

// ask sends a command and waits for its answer. If the context ends, it closes the
// transport, which ends the wait.
func (p *probe) ask(params hci.Params) (status hci.Status, returned []byte, err error) {
	stop := context.AfterFunc(p.ctx, func() { p.tr.Close() })
	defer stop()
	command, err := hci.AppendCommand(nil, params)
	if err != nil {
		return 0, nil, err
	}
	err = p.tr.WritePacket(command)
	b := make([]byte, hci.MaxPacketLen)
	for err == nil {
		var n int
		if n, err = p.tr.ReadPacket(b); err != nil {
			break
		}
		if status, returned, ok := answerOf(b[:n], params.Opcode()); ok {
			return status, returned, nil
		}
	}
	if p.ctx.Err() != nil {
		err = fmt.Errorf("no answer to %v: %w", params.Opcode(), context.Cause(p.ctx))
	}
	return 0, nil, err
}

// answerOf returns the status and the return parameters if an H4 packet answers a
// command. Other packets may come first: the controller sent them before it got the
// command.
func answerOf(packet []byte, op hci.Opcode) (status hci.Status, returned []byte, ok bool) {
	r := wire.NewReader(packet)
	if hci.PacketType(r.U8()) != hci.PacketEvent {
		return 0, nil, false
	}
	ev, err := hci.ParseEvent(r.Rest())
	if err != nil {
		return 0, nil, false
	}
	switch ev := ev.(type) {
	case *hci.CommandComplete:
		ret := wire.NewReader(ev.Return)
		status = hci.Status(ret.U8())
		returned = ret.Rest()
		return status, returned, ev.Opcode == op && ret.Err() == nil
	case *hci.CommandStatus: // of some controllers, for a command that they do not know
		return ev.Status, nil, ev.Opcode == op && ev.Status != hci.StatusSuccess
	}
	return 0, nil, false
}
