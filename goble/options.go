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

// options collects ble.Options. It keeps the errors of setters, which the
// ble.OptXxx functions discard.
type options struct {
	id                       int
	dialTimeout              time.Duration
	params                   hci.ConnParams
	passive                  bool
	scanInterval, scanWindow time.Duration
	advInterval              time.Duration
	advSilent                bool // advertise without accepting links
	connected                func(evt.LEConnectionComplete)
	disconnected             func(evt.DisconnectionComplete)
	peripheral               bool // the program asks for that role
	err                      error
}

func parseOptions(opts []ble.Option) (options, error) {
	o := options{id: -1}
	return o, o.apply(opts)
}

// apply sets options, and returns the errors of all that cannot be set.
func (o *options) apply(opts []ble.Option) error {
	for _, f := range opts {
		if err := f(o); err != nil {
			return fmt.Errorf("goble: %w", err)
		}
	}
	if o.err != nil {
		return fmt.Errorf("goble: %w", o.err)
	}
	return nil
}

// checkManager returns an error for options that a Device on a Manager does not have.
func (o *options) checkManager() error {
	if o.peripheral || o.connected != nil || o.disconnected != nil {
		return errNoPeripheral
	}
	return nil
}

func (o *options) rejectOption(err error) error {
	o.err = errors.Join(o.err, err)
	return err
}

// SetDeviceID chooses the adapter hciN; a negative id is hci0.
func (o *options) SetDeviceID(id int) error { o.id = id; return nil }

// SetDialerTimeout bounds each Dial.
func (o *options) SetDialerTimeout(d time.Duration) error { o.dialTimeout = d; return nil }

// SetListenerTimeout is for the peripheral role and ignored.
func (o *options) SetListenerTimeout(time.Duration) error { return nil }

// SetConnParams sets the initial parameters of links.
func (o *options) SetConnParams(p cmd.LECreateConnection) error {
	const interval, timeout = 1250 * time.Microsecond, 10 * time.Millisecond
	o.params = hci.ConnParams{
		IntervalMin: time.Duration(p.ConnIntervalMin) * interval,
		IntervalMax: time.Duration(p.ConnIntervalMax) * interval,
		Latency:     p.ConnLatency,
		Timeout:     time.Duration(p.SupervisionTimeout) * timeout,
	}
	if err := o.params.Validate(); err != nil {
		return o.rejectOption(err)
	}
	return nil
}

// SetScanParams sets type, interval and window of scans.
func (o *options) SetScanParams(p cmd.LESetScanParameters) error {
	const unit = 625 * time.Microsecond
	o.passive = p.LEScanType == 0
	o.scanInterval, o.scanWindow = time.Duration(p.LEScanInterval)*unit, time.Duration(p.LEScanWindow)*unit
	if err := hci.CheckScanTiming(o.scanInterval, o.scanWindow); err != nil {
		return o.rejectOption(err)
	}
	return nil
}

// SetAdvParams sets the interval and the type of advertising. The shorter interval counts.
// Directed advertising is not supported. Address, channels and filter are the stack's.
func (o *options) SetAdvParams(p cmd.LESetAdvertisingParameters) error {
	const unit = 625 * time.Microsecond
	o.advInterval = time.Duration(p.AdvertisingIntervalMin) * unit
	switch typ := hci.AdvType(p.AdvertisingType); typ {
	case hci.AdvInd:
		o.advSilent = false
	case hci.AdvScanInd, hci.AdvNonconnInd:
		o.advSilent = true
	default:
		return o.rejectOption(fmt.Errorf("advertising type %#02x: directed advertising is not supported: use 0x00, 0x02 or 0x03", p.AdvertisingType))
	}
	if err := hci.CheckAdvertisingInterval(o.advInterval); err != nil {
		return o.rejectOption(err)
	}
	return nil
}

// SetConnectedHandler sets the handler of new links, of both roles. It runs on a goroutine
// of the link, before the other handler does.
func (o *options) SetConnectedHandler(f func(evt.LEConnectionComplete)) error {
	o.connected = f
	return nil
}

// SetDisconnectedHandler sets the handler for the end of links, of both roles. It runs on a
// goroutine of the link.
func (o *options) SetDisconnectedHandler(f func(evt.DisconnectionComplete)) error {
	o.disconnected = f
	return nil
}

// SetPeripheralRole is refused by a Device on a Manager. Another one has both roles.
func (o *options) SetPeripheralRole() error { o.peripheral = true; return nil }

// SetCentralRole does nothing: a Device has both roles.
func (o *options) SetCentralRole() error { return nil }
