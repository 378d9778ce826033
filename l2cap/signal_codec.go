package l2cap

import "github.com/moor-ble/moor/internal/wire"

// parseSignalData reads the data of a command. The caller asks r for leftovers
// and shortness.
func parseSignalData(code Code, r *wire.Reader) (Signal, error) {
	switch code {
	case CodeCommandReject:
		return parseCommandReject(r), nil
	case CodeDisconnectionReq:
		return DisconnectionReq{Destination: CID(r.U16()), Source: CID(r.U16())}, nil
	case CodeDisconnectionRsp:
		return DisconnectionRsp{Destination: CID(r.U16()), Source: CID(r.U16())}, nil
	case CodeConnectionParameterUpdateReq:
		return ConnectionParameterUpdateReq{IntervalMin: r.U16(), IntervalMax: r.U16(), Latency: r.U16(), Timeout: r.U16()}, nil
	case CodeConnectionParameterUpdateRsp:
		return ConnectionParameterUpdateRsp{Result: ParamResult(r.U16())}, nil
	case CodeLECreditBasedConnectionReq:
		return LECreditBasedConnectionReq{PSM: PSM(r.U16()), Source: CID(r.U16()), MTU: r.U16(), MPS: r.U16(), Credits: r.U16()}, nil
	case CodeLECreditBasedConnectionRsp:
		return LECreditBasedConnectionRsp{
			Destination: CID(r.U16()), MTU: r.U16(), MPS: r.U16(), Credits: r.U16(), Result: Result(r.U16()),
		}, nil
	case CodeFlowControlCreditInd:
		return FlowControlCreditInd{Source: CID(r.U16()), Credits: r.U16()}, nil
	case CodeCreditBasedConnectionReq:
		s := CreditBasedConnectionReq{PSM: PSM(r.U16()), MTU: r.U16(), MPS: r.U16(), Credits: r.U16()}
		var err error
		s.Sources, err = readCIDs(r, 1)
		return s, err
	case CodeCreditBasedConnectionRsp:
		s := CreditBasedConnectionRsp{MTU: r.U16(), MPS: r.U16(), Credits: r.U16(), Result: Result(r.U16())}
		var err error
		s.Destinations, err = readCIDs(r, 0)
		return s, err
	case CodeCreditBasedReconfigureReq:
		s := CreditBasedReconfigureReq{MTU: r.U16(), MPS: r.U16()}
		var err error
		s.Destinations, err = readCIDs(r, 1)
		return s, err
	case CodeCreditBasedReconfigureRsp:
		return CreditBasedReconfigureRsp{Result: ReconfigureResult(r.U16())}, nil
	}
	return UnknownSignal{Op: code, Data: r.Rest()}, nil
}

// parseCommandReject tolerates data that does not fit the reason: nothing hangs
// on it, and who waits for an answer had better get this one.
func parseCommandReject(r *wire.Reader) Signal {
	s := CommandReject{Reason: RejectReason(r.U16())}
	data := wire.NewReader(r.Rest())
	switch {
	case s.Reason == RejectMTUExceeded && data.Len() >= 2:
		s.MTU = data.U16()
	case s.Reason == RejectInvalidCID && data.Len() >= 4:
		s.Local, s.Remote = CID(data.U16()), CID(data.U16())
	}
	return s
}

// readCIDs reads identifiers up to the end; least to 5 of them are allowed.
func readCIDs(r *wire.Reader, least int) ([]CID, error) {
	var cids []CID
	for r.Len() > 0 && len(cids) <= maxEnhancedChannels {
		cids = append(cids, CID(r.U16()))
	}
	if r.Err() != nil {
		return nil, r.Err()
	}
	if len(cids) < least || len(cids) > maxEnhancedChannels {
		return nil, errChannelCount
	}
	return cids, nil
}

func appendCIDs(b []byte, cids []CID) []byte {
	for _, c := range cids {
		b = wire.AppendU16(b, uint16(c))
	}
	return b
}

func appendU16s(b []byte, vs ...uint16) []byte {
	for _, v := range vs {
		b = wire.AppendU16(b, v)
	}
	return b
}

// Code returns CodeCommandReject.
func (CommandReject) Code() Code { return CodeCommandReject }

func (s CommandReject) appendData(b []byte) []byte {
	b = wire.AppendU16(b, uint16(s.Reason))
	switch s.Reason {
	case RejectMTUExceeded:
		b = wire.AppendU16(b, s.MTU)
	case RejectInvalidCID:
		b = appendU16s(b, uint16(s.Local), uint16(s.Remote))
	case RejectNotUnderstood: // has no data
	}
	return b
}

// Code returns CodeDisconnectionReq.
func (DisconnectionReq) Code() Code { return CodeDisconnectionReq }

func (s DisconnectionReq) appendData(b []byte) []byte {
	return appendU16s(b, uint16(s.Destination), uint16(s.Source))
}

// Code returns CodeDisconnectionRsp.
func (DisconnectionRsp) Code() Code { return CodeDisconnectionRsp }

func (s DisconnectionRsp) appendData(b []byte) []byte {
	return appendU16s(b, uint16(s.Destination), uint16(s.Source))
}

// Code returns CodeConnectionParameterUpdateReq.
func (ConnectionParameterUpdateReq) Code() Code { return CodeConnectionParameterUpdateReq }

func (s ConnectionParameterUpdateReq) appendData(b []byte) []byte {
	return appendU16s(b, s.IntervalMin, s.IntervalMax, s.Latency, s.Timeout)
}

// Code returns CodeConnectionParameterUpdateRsp.
func (ConnectionParameterUpdateRsp) Code() Code { return CodeConnectionParameterUpdateRsp }

func (s ConnectionParameterUpdateRsp) appendData(b []byte) []byte {
	return wire.AppendU16(b, uint16(s.Result))
}

// Code returns CodeLECreditBasedConnectionReq.
func (LECreditBasedConnectionReq) Code() Code { return CodeLECreditBasedConnectionReq }

func (s LECreditBasedConnectionReq) appendData(b []byte) []byte {
	return appendU16s(b, uint16(s.PSM), uint16(s.Source), s.MTU, s.MPS, s.Credits)
}

// Code returns CodeLECreditBasedConnectionRsp.
func (LECreditBasedConnectionRsp) Code() Code { return CodeLECreditBasedConnectionRsp }

func (s LECreditBasedConnectionRsp) appendData(b []byte) []byte {
	return appendU16s(b, uint16(s.Destination), s.MTU, s.MPS, s.Credits, uint16(s.Result))
}

// Code returns CodeFlowControlCreditInd.
func (FlowControlCreditInd) Code() Code { return CodeFlowControlCreditInd }

func (s FlowControlCreditInd) appendData(b []byte) []byte {
	return appendU16s(b, uint16(s.Source), s.Credits)
}

// Code returns CodeCreditBasedConnectionReq.
func (CreditBasedConnectionReq) Code() Code { return CodeCreditBasedConnectionReq }

func (s CreditBasedConnectionReq) appendData(b []byte) []byte {
	return appendCIDs(appendU16s(b, uint16(s.PSM), s.MTU, s.MPS, s.Credits), s.Sources)
}

// Code returns CodeCreditBasedConnectionRsp.
func (CreditBasedConnectionRsp) Code() Code { return CodeCreditBasedConnectionRsp }

func (s CreditBasedConnectionRsp) appendData(b []byte) []byte {
	return appendCIDs(appendU16s(b, s.MTU, s.MPS, s.Credits, uint16(s.Result)), s.Destinations)
}

// Code returns CodeCreditBasedReconfigureReq.
func (CreditBasedReconfigureReq) Code() Code { return CodeCreditBasedReconfigureReq }

func (s CreditBasedReconfigureReq) appendData(b []byte) []byte {
	return appendCIDs(appendU16s(b, s.MTU, s.MPS), s.Destinations)
}

// Code returns CodeCreditBasedReconfigureRsp.
func (CreditBasedReconfigureRsp) Code() Code { return CodeCreditBasedReconfigureRsp }

func (s CreditBasedReconfigureRsp) appendData(b []byte) []byte {
	return wire.AppendU16(b, uint16(s.Result))
}

// Code returns Op.
func (s UnknownSignal) Code() Code { return s.Op }

func (s UnknownSignal) appendData(b []byte) []byte { return append(b, s.Data...) }
