package goble

import (
	"errors"
	"fmt"
	"time"

	"github.com/go-ble/ble"
	"github.com/go-ble/ble/linux/hci/cmd"
	"github.com/go-ble/ble/linux/hci/evt"

	"github.com/moor-ble/moor/hci"
)

// options collects ble.Options. It keeps the errors of the setters, which the
// functions ble.OptXxx drop.
type options struct {
	id                       int
	dialTimeout              time.Duration
	params                   hci.ConnParams
	passive                  bool
	scanInterval, scanWindow time.Duration
	err                      error
}

func parse(opts []ble.Option) (options, error) {
	o := options{id: -1}
	for _, f := range opts {
		if err := f(&o); err != nil {
			return o, fmt.Errorf("goble: %w", err)
		}
	}
	if o.err != nil {
		return o, fmt.Errorf("goble: %w", o.err)
	}
	return o, nil
}

func (o *options) addError(err error) error {
	o.err = errors.Join(o.err, err)
	return err
}

// SetDeviceID selects the adapter hciN; a negative id means hci0.
func (o *options) SetDeviceID(id int) error { o.id = id; return nil }

// SetDialerTimeout bounds each Dial.
func (o *options) SetDialerTimeout(d time.Duration) error { o.dialTimeout = d; return nil }

// SetListenerTimeout is ignored: it belongs to the peripheral role.
func (o *options) SetListenerTimeout(time.Duration) error { return nil }

// SetConnParams sets the initial connection parameters.
func (o *options) SetConnParams(p cmd.LECreateConnection) error {
	const interval, timeout = 1250 * time.Microsecond, 10 * time.Millisecond
	o.params = hci.ConnParams{
		IntervalMin: time.Duration(p.ConnIntervalMin) * interval,
		IntervalMax: time.Duration(p.ConnIntervalMax) * interval,
		Latency:     p.ConnLatency,
		Timeout:     time.Duration(p.SupervisionTimeout) * timeout,
	}
	if err := o.params.Validate(); err != nil {
		return o.addError(err)
	}
	return nil
}

// SetScanParams sets type, interval and window of scans.
func (o *options) SetScanParams(p cmd.LESetScanParameters) error {
	const unit = 625 * time.Microsecond
	o.passive = p.LEScanType == 0
	o.scanInterval, o.scanWindow = time.Duration(p.LEScanInterval)*unit, time.Duration(p.LEScanWindow)*unit
	return nil
}

// SetAdvParams is ignored: it belongs to the peripheral role.
func (o *options) SetAdvParams(cmd.LESetAdvertisingParameters) error { return nil }

// SetConnectedHandler is refused: this stack has no events of go-ble's types.
func (o *options) SetConnectedHandler(func(evt.LEConnectionComplete)) error {
	return o.addError(errHandler)
}

// SetDisconnectedHandler is refused; see Client.Disconnected.
func (o *options) SetDisconnectedHandler(func(evt.DisconnectionComplete)) error {
	return o.addError(errHandler)
}

var errHandler = errors.New("handlers of HCI events are not supported: use the clients' Disconnected channels")

// SetPeripheralRole is refused: Device is a central.
func (o *options) SetPeripheralRole() error { return o.addError(ble.ErrNotImplemented) }

// SetCentralRole does nothing: it is the only role.
func (o *options) SetCentralRole() error { return nil }
