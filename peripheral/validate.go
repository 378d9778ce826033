package peripheral

import (
	"errors"
	"fmt"
	"time"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/smp"
	"github.com/moor-ble/moor/uuid"
)

// FieldError is a mistake in a field of a Description.
type FieldError struct {
	// Path is the field: names as in files, such as services[0].characteristics[1].value.
	Path string
	Err  error
}

func (e *FieldError) Error() string { return fmt.Sprintf("peripheral: %s: %v", e.Path, e.Err) }

// Unwrap returns Err.
func (e *FieldError) Unwrap() error { return e.Err }

func fieldErrorf(path, format string, args ...any) error {
	return &FieldError{Path: path, Err: fmt.Errorf(format, args...)}
}

// maxLinks is the largest number of centrals that a description may ask for.
const maxLinks = 32

// Validate returns the first mistake as a *FieldError; nil if there is none.
func (d *Description) Validate() error {
	if d.Links < 0 || d.Links > maxLinks {
		return fieldErrorf("links", "%d centrals at a time: write 1 to %d", d.Links, maxLinks)
	}
	if r := d.Rotation; r != 0 && (r < time.Second || r > time.Hour) {
		return fieldErrorf("rotation", "%v: write 1s to 1h", r)
	}
	if r := d.Rotation; r != 0 && !d.Address.Resolvable {
		return fieldErrorf("rotation", "only a resolvable address changes: write address: resolvable too")
	}
	if d.Address.Resolvable && d.Pairing.Method == NoPairing {
		return fieldErrorf("address", "a resolvable address needs pairings, in which centrals learn the key: write pairing: {method: just-works} too")
	}
	if err := d.Pairing.validatePairing(); err != nil {
		return err
	}
	if _, err := d.Advertisement(); err != nil {
		return err
	}
	if _, err := d.FurtherSets(); err != nil {
		return err
	}
	names := map[string]string{}
	for i := range d.Services {
		path := fmt.Sprintf("services[%d]", i)
		if d.Services[i].UUID == (uuid.UUID{}) {
			return fieldErrorf(path, "the service has no uuid")
		}
		for j := range d.Services[i].Characteristics {
			if err := d.validateCharacteristic(&d.Services[i].Characteristics[j], fmt.Sprintf("%s.characteristics[%d]", path, j), names); err != nil {
				return err
			}
		}
	}
	return d.validateTable()
}

// validateTable has the server lay the table out.
func (d *Description) validateTable() error {
	s, err := gatt.NewServer(&gatt.ServerConfig{Name: d.Name, Services: d.staticServices(), DisableGATT: d.NoGATT})
	if err != nil {
		return &FieldError{Path: "services", Err: err}
	}
	s.Close()
	return nil
}

func (p *Pairing) validatePairing() error {
	if p.Passkey == "" {
		return nil
	}
	if p.Method != Passkey {
		return fieldErrorf("pairing.passkey", "%s pairs without a passkey: write method: passkey", p.Method)
	}
	if _, err := smp.ParsePasskey(p.Passkey); err != nil || len(p.Passkey) != 6 {
		return fieldErrorf("pairing.passkey", "%q: write six digits", p.Passkey)
	}
	return nil
}

func (d *Description) validateCharacteristic(c *Characteristic, path string, names map[string]string) error {
	if c.UUID == (uuid.UUID{}) {
		return fieldErrorf(path, "the characteristic has no uuid")
	}
	if c.Name != "" {
		if at, ok := names[c.Name]; ok {
			return fieldErrorf(path+".name", "%q is the name of %s too: names are unique", c.Name, at)
		}
		names[c.Name] = path
	}
	value, err := c.Encode(c.Value)
	if err != nil {
		return &FieldError{Path: path + ".value", Err: err}
	}
	if most := c.maxLength(); len(value) < c.MinLength || len(value) > most {
		return fieldErrorf(path+".value", "%d octets: the length must be %d to %d", len(value), c.MinLength, most)
	}
	if c.Scale < 0 {
		return fieldErrorf(path+".scale", "%v: write a number above 0", c.Scale)
	}
	for s, p := range map[Security]string{
		c.security(c.ReadSecurity): "read", c.security(c.WriteSecurity): "write", c.security(c.NotifySecurity): "notify",
	} {
		if s >= Encrypted && d.Pairing.Method == NoPairing {
			return fieldErrorf(path, "%s demands %s, and the peripheral does not pair: write pairing: {method: just-works}, or passkey", p, s)
		}
		if s >= Authenticated && d.Pairing.Method != Passkey {
			return fieldErrorf(path, "%s demands %s, which needs a passkey: write pairing: {method: passkey}", p, s)
		}
	}
	for i := range c.Descriptors {
		x := &c.Descriptors[i]
		if _, err := x.encodeValue(); err != nil {
			return &FieldError{Path: fmt.Sprintf("%s.descriptors[%d].value", path, i), Err: err}
		}
	}
	return c.validateBehavior(path + ".behavior")
}

func (x *Descriptor) encodeValue() ([]byte, error) { return x.Format.layout().encode(x.Value, 1) }

func (c *Characteristic) maxLength() int {
	if l, _ := c.codec(); c.MaxLength == 0 && l.isNumber() {
		return l.size
	}
	if c.MaxLength == 0 {
		return gatt.MaxValue
	}
	return c.MaxLength
}

func (c *Characteristic) minLength() int {
	if l, _ := c.codec(); c.MinLength == 0 && c.MaxLength == 0 {
		return l.size
	}
	return c.MinLength
}

// shortestStep bounds the rate at which a value moves.
const shortestStep = time.Millisecond

func (c *Characteristic) validateBehavior(path string) error {
	b, l := &c.Behavior, layout{}
	if l, _ = c.codec(); b.Every != 0 && b.Every < shortestStep {
		return fieldErrorf(path+".every", "%v: write 1ms at least", b.Every)
	}
	switch b.Kind {
	case Counter, Ramp, RandomWalk:
		if !l.isNumber() {
			return fieldErrorf(path, "a %s needs a number: write format: uint8, or another one", b.Kind)
		}
		from, to, step := b.bounds()
		if from >= to || step <= 0 {
			return fieldErrorf(path, "from %v to %v in steps of %v: from must be below to, and step above 0", from, to, step)
		}
		for _, v := range []float64{from, to} {
			if _, err := c.encodeNumber(v); err != nil {
				return &FieldError{Path: path, Err: err}
			}
		}
	case Script:
		if len(b.Script) == 0 {
			return fieldErrorf(path, "a script has values: write script: [{after: 1s, value: 1}]")
		}
		total := time.Duration(0)
		for i, m := range b.Script {
			if _, err := c.Encode(m.Value); err != nil {
				return &FieldError{Path: fmt.Sprintf("%s.script[%d].value", path, i), Err: err}
			}
			if m.After < 0 {
				return fieldErrorf(fmt.Sprintf("%s.script[%d].after", path, i), "%v is negative", m.After)
			}
			total += m.After
		}
		if b.Repeat && total < shortestStep {
			return fieldErrorf(path, "a script that repeats lasts 1ms at least: write after for one of its values")
		}
	case Command:
		if b.Run == "" {
			return fieldErrorf(path, "exec needs a command: write run: COMMAND")
		}
	default:
	}
	return nil
}

func (b *Behavior) every() time.Duration {
	if b.Every == 0 {
		return time.Second
	}
	return b.Every
}

func (b *Behavior) bounds() (from, to, step float64) {
	from, to, step = b.From, b.To, b.Step
	if from >= 0 && to == 0 {
		to = 100
	}
	if step == 0 {
		step = 1
	}
	return from, to, step
}

// encodeNumber returns the octets of a number of a behavior.
func (c *Characteristic) encodeNumber(v float64) ([]byte, error) {
	l, scale := c.codec()
	return l.encodeNumber(v/scale, fmt.Sprint(v))
}

// security returns the protection of a kind of access.
func (c *Characteristic) security(own Security) Security {
	if own == DefaultSecurity {
		return c.Security
	}
	return own
}

// ErrNoCharacteristic means that a peripheral has no characteristic of that name or UUID.
var ErrNoCharacteristic = errors.New("no such characteristic")
