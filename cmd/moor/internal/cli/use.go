package cli

import (
	"errors"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/errclass"
)

// useError is an error of a command on a link to a device, with the situation that gives
// it its meaning. It has the text of the error.
type useError struct {
	err error
	in  errclass.Situation
}

func (e *useError) Error() string { return e.err.Error() }
func (e *useError) Unwrap() error { return e.err }

// describeUse returns err, which ended the use of c, with the situation of the link.
func describeUse(c *connmgr.Client, err error) error {
	sm := c.Conn().SMP()
	if err == nil || sm == nil {
		return err
	}
	return &useError{err, errclass.Situation{
		Phase: errclass.PhaseUse, Adapter: c.Adapter(), Encrypted: sm.Security().Bonded, SecurityRefused: sm.SecurityRefused(), Cached: c.Cached(),
	}}
}

// classOf returns the class of err in its situation, as far as that is known.
func classOf(err error) errclass.Class {
	if used, ok := errors.AsType[*useError](err); ok {
		return errclass.Default.Classify(used.err, &used.in)
	}
	return errclass.Of(err)
}
