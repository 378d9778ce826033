package cli

import (
	"cmp"
	"context"
	"errors"
	"net"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/errclass"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
	"github.com/moor-ble/moor/internal/text"
)

// The pauses between two attempts to open an adapter again. They double.
const (
	firstReopen = 250 * time.Millisecond
	lastReopen  = 4 * time.Second
)

// heldAdapter is an adapter that a command uses through its failures.
type heldAdapter struct {
	a    *app
	name string
	// open starts the controller behind tr, which it closes if it fails. end ends both.
	open func(ctx context.Context, tr hci.Transport) (ctl *controller.Controller, end func() error, err error)
	// use is called whenever the adapter is open, until it returns.
	use func(ctx context.Context, ctl *controller.Controller) error
	mac hci.MAC // of the controller, once it was open
}

// jsonAdapterState is the output of a command with --json that loses its adapter, or has it
// back.
type jsonAdapterState struct {
	Time    time.Time `json:"time"`
	Event   string    `json:"event"` // lost or back
	Adapter string    `json:"adapter"`
	Error   string    `json:"error,omitempty"`
}

// hold opens the adapter and uses it. If the controller fails, or is unplugged, hold opens it
// again as soon as it is there, until ctx ends. An adapter that does not open at first is an
// error, and so is one that may not be opened any more, or whose descriptor is closed.
func (h *heldAdapter) hold(ctx context.Context) error {
	wasLost := false
	for pause := firstReopen; ; pause = min(2*pause, lastReopen) {
		start := time.Now()
		opened, err := h.openAndUse(ctx, wasLost)
		switch {
		case opened && err == nil, ctx.Err() != nil, !opened && !wasLost, isDescriptor(h.name):
			return err
		case !opened && classOf(err).Category == errclass.Fatal && classOf(err).Row != errclass.Unclassified:
			return err
		case opened && errors.As(err, new(*lostAdapterError)):
			if wasLost = true; time.Since(start) > lastReopen {
				pause = firstReopen
			}
			h.showState("lost", errors.Unwrap(err))
		case opened:
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil // the regular end: it was open once
		}
	}
}

// lostAdapterError says that the controller has ended by itself.
type lostAdapterError struct{ err error }

func (e *lostAdapterError) Error() string { return e.err.Error() }
func (e *lostAdapterError) Unwrap() error { return e.err }

// openAndUse opens the adapter and uses it. again means that it has been lost before.
func (h *heldAdapter) openAndUse(ctx context.Context, again bool) (opened bool, err error) {
	tr, err := h.a.openTransport(ctx, h.openAddress())
	if err != nil {
		return false, err
	}
	ctl, end, err := h.open(ctx, tr)
	if err != nil {
		return false, err
	}
	h.mac = ctl.Info().Address.MAC
	if again {
		h.showState("back", nil)
	}
	err = h.use(ctx, ctl)
	failed := ctl.Err()
	closed := end()
	switch {
	case ctx.Err() == nil && failed != nil && !errors.Is(failed, net.ErrClosed):
		return true, &lostAdapterError{failed}
	case err == nil:
		err = closed
	}
	return true, err
}

// openAddress returns where the adapter is opened. An adapter of the kernel that comes back may
// have another index: its own address finds it.
func (h *heldAdapter) openAddress() string {
	at, err := hcisock.ParseAddress(h.name)
	if h.a.env.Open == nil && err == nil && at.Kind == hcisock.KindIndex && h.mac != (hci.MAC{}) {
		return h.mac.String()
	}
	return h.name
}

// showState shows that the adapter is lost or back.
func (h *heldAdapter) showState(event string, err error) {
	reason := ""
	if err != nil {
		reason = text.DropPackages(err.Error())
	}
	switch {
	case h.a.JSON:
		h.a.out.json(jsonAdapterState{time.Now(), event, h.name, reason})
	case err != nil:
		h.a.out.printf("%s is lost: %s; waiting until it is back\n", h.name, cmp.Or(reason, "no reason"))
	default:
		h.a.out.printf("%s is back\n", h.name)
	}
}
