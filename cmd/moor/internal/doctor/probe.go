package doctor

import (
	"context"
	"fmt"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/wire"
)

// tryOpen opens an adapter, resets its controller and reports whether that answered.
func tryOpen(ctx context.Context, env *Env, r *Report, address string) bool {
	check := address + " open"
	ctx, cancel := context.WithTimeout(ctx, env.probeTimeout())
	defer cancel()
	tr, err := env.Open(ctx, address)
	if err != nil {
		r.addError(check, err)
		return false
	}
	err = resetController(ctx, tr)
	if ctx.Err() != nil && err != nil {
		err = fmt.Errorf("no answer to Reset: %w", context.Cause(ctx))
	}
	if closeErr := tr.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		r.addBad(check, err.Error(), "unplug it and plug it in again; see `dmesg | grep -i bluetooth`")
		return false
	}
	r.addGood(check, "it can be opened and answers")
	return true
}

// resetController sends Reset (Vol 4, Part E, 7.3.2) and waits for its completion. If
// ctx ends, it closes the transport, which ends the wait.
func resetController(ctx context.Context, tr hci.Transport) error {
	stop := context.AfterFunc(ctx, func() { tr.Close() })
	defer stop()
	command, err := hci.AppendCommand(nil, hci.Reset{})
	if err != nil {
		return err
	}
	if err := tr.WritePacket(command); err != nil {
		return err
	}
	b := make([]byte, hci.MaxPacketLen)
	for {
		n, err := tr.ReadPacket(b)
		if err != nil {
			return err
		}
		if status, ok := resetStatus(b[:n]); ok {
			if status != hci.StatusSuccess {
				return fmt.Errorf("it refuses Reset: %w", status)
			}
			return nil
		}
	}
}

// resetStatus returns the status if an H4 packet completes Reset. Other packets may
// come first: the controller sent them before it got the command.
func resetStatus(packet []byte) (hci.Status, bool) {
	r := wire.NewReader(packet)
	if hci.PacketType(r.U8()) != hci.PacketEvent {
		return 0, false
	}
	ev, err := hci.ParseEvent(r.Rest())
	if err != nil {
		return 0, false
	}
	c, ok := ev.(*hci.CommandComplete)
	if !ok || c.Opcode != hci.OpReset {
		return 0, false
	}
	ret := wire.NewReader(c.Return)
	status := hci.Status(ret.U8())
	return status, ret.Err() == nil
}
