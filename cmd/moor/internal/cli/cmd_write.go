package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/uuid"
)

// maxValue is the longest value that an attribute can have (Vol 3, Part F,
// 3.2.9).
const maxValue = 512

type writeCmd struct {
	peer
	attribute
	Hex        []string
	Text       textArg
	NoResponse bool
}

func newWrite() *command {
	c := &writeCmd{}
	cmd := newCommand(groupPeer, "write", "Write a characteristic or descriptor.", c.runWrite)
	c.addArgs(cmd)
	c.addArg(cmd)
	cmd.args = append(cmd.args, arg{
		name: "hex", help: "the value in hexadecimal, such as 01ff; 0x, spaces and colons are skipped", many: true,
		set: func(w string) error { c.Hex = append(c.Hex, w); return nil },
	})
	cmd.flag("text", "the value as `TEXT`, instead of HEX", &c.Text)
	cmd.flags.BoolVar(&c.NoResponse, "no-response", false, "send a Write Command, which the device does not answer")
	return cmd
}

// textArg is a text, which may be empty if it is set.
type textArg struct {
	text string
	set  bool
}

// UnmarshalText takes b as it is.
func (t *textArg) UnmarshalText(b []byte) error {
	t.text, t.set = string(b), true
	return nil
}

func (c *writeCmd) value() ([]byte, error) {
	var b []byte
	switch {
	case c.Text.set && len(c.Hex) > 0:
		return nil, usagef("the value is given twice, as HEX and with --text: leave one of them out")
	case c.Text.set:
		b = []byte(c.Text.text)
	case len(c.Hex) == 0:
		return nil, usagef(`HEX is missing: the value in hexadecimal, or --text TEXT instead (--text "" is the empty value)`)
	default:
		var err error
		if b, err = parseHex(c.Hex); err != nil {
			return nil, &usageError{fmt.Errorf("%w (for text use --text)", err)}
		}
	}
	if len(b) > maxValue {
		return nil, usagef("the value has %d octets: an attribute has at most %d", len(b), maxValue)
	}
	return b, nil
}

// jsonWrite is the output of write --json.
type jsonWrite struct {
	Address  hci.Addr   `json:"address"`
	Handle   att.Handle `json:"handle"`
	UUID     *uuid.UUID `json:"uuid,omitempty"`
	Name     string     `json:"name,omitempty"`
	Octets   int        `json:"octets"`
	Response bool       `json:"response"`
}

func (c *writeCmd) runWrite(ctx context.Context, a *app) error {
	value, err := c.value()
	if err != nil {
		return err
	}
	o := briefOptions()
	o.DisableEATT = true // so that a request behind a command takes the same way
	return a.withClient(ctx, &c.peer, o, func(conn *connmgr.Client) error {
		f, command, err := c.writeAttribute(ctx, conn, value)
		if err != nil {
			return err
		}
		if a.JSON {
			w := jsonWrite{Address: conn.Address(), Handle: f.Handle, Name: f.Name, Octets: len(value), Response: !command}
			if f.Service != nil {
				w.UUID = &f.UUID
			}
			a.out.json(w)
			return nil
		}
		how := "confirmed by the device"
		if command {
			how = "sent without response"
		}
		a.out.printf("%s: %s written, %s\n", f.subject(), octets(len(value)), how)
		return nil
	})
}

// writeAttribute writes the attribute of the command line, and reports whether by a
// Write Command.
func (c *writeCmd) writeAttribute(ctx context.Context, conn *connmgr.Client, value []byte) (f found, command bool, err error) {
	err = conn.Heal(ctx, func(ctx context.Context) (err error) {
		if f, err = findOn(ctx, conn, c.Attr); err != nil {
			return err
		}
		command = c.NoResponse || commandOnly(&f)
		if err := writeHandle(ctx, conn, f.Handle, value, command); err != nil {
			return &accessError{"write", f, err}
		}
		return nil
	})
	return f, command, err
}

// commandOnly reports whether the device accepts only writes without response.
func commandOnly(f *found) bool {
	return f.Value && f.Char.Properties.Has(gatt.PropWriteWithoutResponse) && !f.Char.Properties.Has(gatt.PropWrite)
}

// writeHandle writes value by a Write Command, or else by the request that its length
// needs.
func writeHandle(ctx context.Context, c *connmgr.Client, h att.Handle, value []byte, command bool) error {
	longest := c.GATT().MTU() - 3 // opcode and handle
	switch {
	case command && len(value) > longest:
		return fmt.Errorf("%d octets do not fit a write without response: the MTU leaves room for %d", len(value), longest)
	case command:
		if err := c.GATT().WriteNoResponse(ctx, h, value); err != nil {
			return err
		}
		return awaitProcessing(ctx, c.GATT())
	case len(value) > longest:
		return c.GATT().WriteLong(ctx, h, value)
	}
	return c.GATT().WriteHandle(ctx, h, value)
}

// awaitProcessing waits until the device has processed all earlier commands: a link that ends
// right after a command may lose it. A device answers requests in order, and each request gets
// an answer. The first attribute is a declaration, which needs no protection.
func awaitProcessing(ctx context.Context, c *gatt.Client) error {
	_, err := c.ReadHandle(ctx, 1)
	if _, answered := errors.AsType[att.Code](err); err == nil || answered {
		return nil
	}
	return fmt.Errorf("the value was sent, but the device does not answer, so it may be lost: %w", err)
}

func octets(n int) string {
	if n == 1 {
		return "1 octet"
	}
	return fmt.Sprintf("%d octets", n)
}
