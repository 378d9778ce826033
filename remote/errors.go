package remote

import (
	"errors"
	"fmt"

	"github.com/moor-ble/moor/errclass"
	"github.com/moor-ble/moor/hci"
)

// The errors of the package, for errors.Is.
var (
	// ErrTaken means that the proxy serves another client in place of this one.
	ErrTaken = errors.New("the proxy serves another client and does not confirm this one: " +
		"remove the proxy there, as in Home Assistant, or use a proxy that serves several clients")

	// ErrInUse means that another client of the proxy has a link to the device.
	ErrInUse = errors.New("another client of the proxy has a link to the device: end it there")

	// ErrSilent means that the proxy has sent nothing for 90 s.
	ErrSilent = errors.New("the proxy has sent nothing for 90 s: see whether it runs, and its network")

	// ErrLacking means that the protocol of proxies has no request for it: passkeys, PHYs, the
	// data length, channels of L2CAP, advertising, and periodic advertising.
	ErrLacking = errors.New("a Bluetooth proxy cannot do it, since its protocol has no request for it: use a local adapter")

	// ErrNoConnections means that the proxy forwards advertisements and makes no links.
	ErrNoConnections = errors.New("the proxy forwards advertisements and makes no connections: " +
		"enable active connections in its configuration, or use another adapter")
)

// Numbers of errors of the protocol.
const (
	codeNotConnected = -1
	codeGATTError    = 0x85
	codeOutOfSlots   = 0x100
)

// codeWords are the names that clients have for the numbers with which a link ends, by
// which package errclass knows them.
var codeWords = map[int32]string{
	0x01:           "ESP_GATT_CONN_L2C_FAILURE",
	0x08:           "ESP_GATT_CONN_TIMEOUT",
	0x13:           "ESP_GATT_CONN_TERMINATE_PEER_USER",
	0x16:           "ESP_GATT_CONN_TERMINATE_LOCAL_HOST",
	0x22:           "ESP_GATT_CONN_LMP_TIMEOUT",
	0x3E:           "ESP_GATT_CONN_FAIL_ESTABLISH",
	codeGATTError:  "ESP_GATT_ERROR",
	codeOutOfSlots: "ESP_GATT_CONN_CONN_CANCEL",
	0x101:          "ESP_GATT_CONN_NONE",
}

// Error is a failure that a proxy has reported by a number of its protocol. It unwraps to
// an *errclass.RemoteError, and to Cause if that is known.
type Error struct {
	Proxy  string // the name of the proxy
	Number int32  // as the proxy has reported it; 0 is a disconnect without a reason
	Cause  error  // ErrInUse, ErrNoConnections or nil
	full   bool   // no slot was free
}

func (e *Error) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("remote: proxy %s: %v", e.Proxy, e.Cause)
	}
	return fmt.Sprintf("remote: proxy %s: %s (%d)", e.Proxy, e.word(), e.Number)
}

// word returns the name of the number, in the words that package errclass knows.
func (e *Error) word() string {
	switch word := codeWords[e.Number]; {
	case e.full:
		return "no available connection slot"
	case word != "":
		return word
	case e.Number == 0:
		return "Disconnected"
	}
	return "ESP_GATT_CONN_UNKNOWN"
}

// Unwrap returns the error that package errclass knows, and Cause.
func (e *Error) Unwrap() []error {
	known := error(&errclass.RemoteError{Text: e.word()})
	if errors.Is(e.Cause, ErrNoConnections) {
		known = &errclass.RemoteError{Kind: errclass.KindOther}
	}
	if e.Cause != nil {
		return []error{known, e.Cause}
	}
	return []error{known}
}

// statusOf returns the status of HCI for a number with which a link has ended or failed.
func statusOf(number int32) hci.Status {
	switch number {
	case 0x08, 0x13, 0x16, 0x22, 0x3E:
		return hci.Status(number)
	case 0, codeNotConnected:
		return hci.StatusLocalHostTerminated
	case codeOutOfSlots:
		return hci.StatusConnectionLimit
	}
	return hci.StatusUnspecified
}
