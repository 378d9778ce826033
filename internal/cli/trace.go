package cli

import (
	"context"
	"log/slog"

	"github.com/moor-ble/moor/hci"
)

// trace is a transport that logs what passes: -vvv.
type trace struct {
	hci.Transport
	ctx context.Context
	log *slog.Logger
}

// traced returns tr, which logs its packets if anybody wants to read that.
func traced(ctx context.Context, tr hci.Transport, log *slog.Logger) hci.Transport {
	if !log.Enabled(ctx, hci.LevelPacket) {
		return tr
	}
	return &trace{tr, ctx, log}
}

// ReadPacket reads a packet and logs it.
func (t *trace) ReadPacket(b []byte) (int, error) {
	n, err := t.Transport.ReadPacket(b)
	if err == nil {
		t.log.Log(t.ctx, hci.LevelPacket, "received", "packet", hci.Describe(b[:n]))
	}
	return n, err
}

// WritePacket logs a packet and writes it.
func (t *trace) WritePacket(b []byte) error {
	t.log.Log(t.ctx, hci.LevelPacket, "sent", "packet", hci.Describe(b))
	return t.Transport.WritePacket(b)
}
