package gatt

import (
	"errors"
	"slices"

	"github.com/moor-ble/moor/gatt/att"
)

// keepRead returns the error of a walk, or nil if the peer has refused only a
// part of the table: what was read before stands, as peers in the field refuse
// the end of a range with codes other than Attribute Not Found. The error
// remains if nothing was read before, or if security is the reason, since
// pairing is the remedy.
func (d *discovery) keepRead(err error) error {
	if d.left == d.c.cfg.maxAttributes() || !isRefused(err) {
		return err
	}
	d.noteRefused(err)
	return nil
}

// isRefused reports whether the peer has refused a request for the request's
// sake: not for lack of security, nor because its table has changed.
func isRefused(err error) bool {
	refused, ok := errors.AsType[*att.Error](err)
	if !ok || errors.Is(err, ErrStale) {
		return false
	}
	return !slices.Contains([]att.Code{
		att.CodeInsufficientAuthentication, att.CodeInsufficientAuthorization,
		att.CodeEncryptionKeySizeTooShort, att.CodeInsufficientEncryption,
	}, refused.Code)
}

// noteRefused logs the step that the peer refused. Codes that peers in the field
// send for the end of the table leave nothing out.
func (d *discovery) noteRefused(err error) {
	ended := errors.Is(err, att.CodeInvalidHandle) || errors.Is(err, att.CodeRequestNotSupported) || errors.Is(err, att.Code(0))
	if d.refused == nil && !ended {
		d.refused = err
	}
	if l := d.c.cfg.Logger; l != nil {
		l.Warn("attribute table may be incomplete", "error", err)
	}
}
