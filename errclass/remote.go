package errclass

// Kind is the class of an error in bleak-retry-connector's world.
type Kind uint8

// The kinds. The zero Kind is that of an error with a text only.
const (
	KindBleak          Kind = iota // BleakError
	KindDBus                       // BleakDBusError, a BleakError
	KindDeviceNotFound             // BleakDeviceNotFoundError, a BleakError
	KindNotFound                   // BleakNotFoundError, a BleakError
	KindTimeout                    // TimeoutError
	KindKey                        // KeyError: services changed under the caller
	KindBrokenPipe                 // BrokenPipeError
	KindEOF                        // EOFError
	KindAttribute                  // AttributeError
	KindOther                      // anything else, which is not retried
)

// String returns the name of the Python class.
func (k Kind) String() string {
	return name(int(k), "kind", "BleakError", "BleakDBusError", "BleakDeviceNotFoundError", "BleakNotFoundError", "TimeoutError",
		"KeyError", "BrokenPipeError", "EOFError", "AttributeError", "other")
}

// bleak reports whether k derives from BleakError.
func (k Kind) bleak() bool { return k <= KindNotFound }

// RemoteError is an error of another stack, or of a radio behind a network, of which
// only a kind and a text are known.
type RemoteError struct {
	Kind Kind
	Text string
}

// Error returns the text, or the kind where there is none.
func (e *RemoteError) Error() string {
	if e.Text == "" {
		return e.Kind.String()
	}
	return e.Text
}
