package cli

import (
	"context"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/uuid"
)

type readCmd struct {
	peer
	attribute
}

func newRead() *command {
	c := &readCmd{}
	cmd := newCommand(groupPeer, "read", "Read a characteristic or descriptor.", c.runRead)
	c.addArgs(cmd)
	c.addArg(cmd)
	return cmd
}

// jsonAttribute is the attribute in the output of read and notify with --json.
type jsonAttribute struct {
	Address hci.Addr   `json:"address"`
	Handle  att.Handle `json:"handle"`
	UUID    *uuid.UUID `json:"uuid,omitempty"`
	Name    string     `json:"name,omitempty"`
}

func newJSONAttribute(c *connmgr.Client, f *found) jsonAttribute {
	j := jsonAttribute{Address: c.Address(), Handle: f.Handle, Name: f.Name}
	if f.Service != nil {
		j.UUID = &f.UUID
	}
	return j
}

// jsonValue is the output of read and notify with --json.
type jsonValue struct {
	jsonAttribute
	value
}

func newJSONValue(c *connmgr.Client, f *found, b []byte) jsonValue {
	return jsonValue{newJSONAttribute(c, f), newValue(f.UUID, b)}
}

func (c *readCmd) runRead(ctx context.Context, a *app) error {
	return a.withClient(ctx, &c.peer, briefOptions(), func(conn *connmgr.Client) error {
		f, b, err := readAttribute(ctx, conn, c.Attr)
		if err != nil {
			return err
		}
		v := newJSONValue(conn, &f, b)
		if a.JSON {
			a.out.json(v)
		} else {
			a.note("%s", f.subject())
			a.out.printf("%s\n", v.value)
		}
		return nil
	})
}

// readAttribute reads the attribute that arg names.
func readAttribute(ctx context.Context, conn *connmgr.Client, arg attrArg) (f found, b []byte, err error) {
	err = conn.Heal(ctx, func(ctx context.Context) (err error) {
		if f, err = findOn(ctx, conn, arg); err != nil {
			return err
		}
		if b, err = conn.GATT().ReadLong(ctx, f.Handle); err != nil {
			return &accessError{"read", f, err}
		}
		return nil
	})
	return f, b, err
}

// accessError says which attribute could not be read, written or subscribed to.
type accessError struct {
	verb string
	of   found
	err  error
}

func (e *accessError) Error() string { return e.verb + " " + e.of.subject() + ": " + e.err.Error() }
func (e *accessError) Unwrap() error { return e.err }
