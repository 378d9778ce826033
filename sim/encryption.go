package sim

import "github.com/moor-ble/moor/hci"

// Starting encryption (Vol 6, Part B, 5.1.3), and how it is paused to do so
// again with a new key:
//
//	central                                   peripheral
//	[LL_PAUSE_ENC_REQ  ->  <- LL_PAUSE_ENC_RSP,  LL_PAUSE_ENC_RSP ->]
//	LL_ENC_REQ (rand, ediv) ->
//	                           <- LL_ENC_RSP      asks its host for the key
//	                           <- LL_START_ENC_REQ, or LL_REJECT_EXT_IND
//	LL_START_ENC_RSP (encrypted) ->
//	                           <- LL_START_ENC_RSP (encrypted)
//
// Nothing is encrypted here: LL_START_ENC_RSP carries the key, and a key other
// than the peripheral's counts as a failed integrity check.
type encryption struct {
	rand    [8]byte
	ediv    uint16
	key     [16]byte
	refresh bool // of an encrypted link
	asked   bool // the host has not answered the key request
}

// startEncryption starts encryption, as central.
func (e *endpoint) startEncryption(p *procedure) {
	e.proc.enc = encryption{rand: p.rand, ediv: p.ediv, key: p.key, refresh: e.secured}
	e.paused = true
	if e.secured {
		e.sendControl(control{op: llPauseEncReq})
		return
	}
	e.sendControl(control{op: llEncReq, rand: p.rand, ediv: p.ediv})
}

func (e *endpoint) receiveEncryption(c *control) {
	enc := &e.proc.enc
	switch {
	case c.op == llPauseEncReq:
		e.paused = true
		enc.refresh = true
		e.sendControl(control{op: llPauseEncRsp})
	case c.op == llPauseEncRsp && e.role == central:
		e.secured = false
		e.sendControl(control{op: llPauseEncRsp})
		e.sendControl(control{op: llEncReq, rand: enc.rand, ediv: enc.ediv})
	case c.op == llPauseEncRsp:
		e.secured = false
	case c.op == llEncReq:
		e.paused = true
		enc.rand, enc.ediv, enc.asked = c.rand, c.ediv, true
		e.sendControl(control{op: llEncRsp})
		e.owner.requestKey(e, c.rand, c.ediv)
	case c.op == llStartEncReq:
		e.sendControl(control{op: llStartEncRsp, key: enc.key})
	case c.op == llStartEncRsp && c.key != enc.key:
		e.dropLink(hci.StatusMICFailure)
	case c.op == llStartEncRsp:
		if e.role == peripheral {
			e.sendControl(control{op: llStartEncRsp, key: enc.key})
		}
		e.secured = true
		e.encryptionDone(hci.StatusSuccess)
	}
}

// replyKey handles the answer of the peripheral's host to a key request; nil means
// that the host has no key. Without a request it does nothing.
func (e *endpoint) replyKey(key *[16]byte) {
	enc := &e.proc.enc
	if !enc.asked {
		return
	}
	enc.asked = false
	switch {
	case key != nil:
		enc.key = *key
		e.sendControl(control{op: llStartEncReq})
	case enc.refresh:
		e.startTermination(hci.StatusKeyMissing)
	default:
		e.sendControl(control{op: llRejectExtInd, about: llEncReq, status: hci.StatusKeyMissing})
		e.resumeData()
	}
}

// encryptionDone reports the outcome and resumes data.
func (e *endpoint) encryptionDone(st hci.Status) {
	refresh := e.proc.enc.refresh
	e.proc.enc.refresh = false
	e.resumeData()
	if refresh {
		e.owner.reportEvent(e, &hci.EncryptionKeyRefreshComplete{Status: st, Handle: e.handle})
	} else {
		on := uint8(0)
		if st == hci.StatusSuccess {
			on = 1
		}
		e.owner.reportEvent(e, &hci.EncryptionChange{Status: st, Handle: e.handle, Enabled: on})
	}
	e.finishProcedure(procEncrypt, st)
}

func (e *endpoint) resumeData() {
	e.paused = false
	e.link.planEvent()
}
