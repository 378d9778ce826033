package l2cap

import "github.com/moor-ble/moor/internal/wire"

// parseSignalData reads the data of a command. The caller checks r for data that
// is missing or left over.
func parseSignalData(code Code, r *wire.Reader) (signal, error) {
	switch code {
	case codeCommandReject:
		return parseCommandReject(r), nil
	case codeDisconnectionReq:
		return disconnectionReq{Destination: CID(r.U16()), Source: CID(r.U16())}, nil
	case codeDisconnectionRsp:
		return disconnectionRsp{Destination: CID(r.U16()), Source: CID(r.U16())}, nil
	case codeConnectionParameterUpdateReq:
		return connectionParameterUpdateReq{IntervalMin: r.U16(), IntervalMax: r.U16(), Latency: r.U16(), Timeout: r.U16()}, nil
	case codeConnectionParameterUpdateRsp:
		return connectionParameterUpdateRsp{Result: paramResult(r.U16())}, nil
	case codeLECreditBasedConnectionReq:
		return leCreditBasedConnectionReq{PSM: PSM(r.U16()), Source: CID(r.U16()), MTU: r.U16(), MPS: r.U16(), Credits: r.U16()}, nil
	case codeLECreditBasedConnectionRsp:
		return leCreditBasedConnectionRsp{
			Destination: CID(r.U16()), MTU: r.U16(), MPS: r.U16(), Credits: r.U16(), Result: Result(r.U16()),
		}, nil
	case codeFlowControlCreditInd:
		return flowControlCreditInd{Source: CID(r.U16()), Credits: r.U16()}, nil
	case codeCreditBasedConnectionReq:
		s := creditBasedConnectionReq{PSM: PSM(r.U16()), MTU: r.U16(), MPS: r.U16(), Credits: r.U16()}
		var err error
		s.Sources, err = readCIDs(r, 1)
		return s, err
	case codeCreditBasedConnectionRsp:
		s := creditBasedConnectionRsp{MTU: r.U16(), MPS: r.U16(), Credits: r.U16(), Result: Result(r.U16())}
		var err error
		s.Destinations, err = readCIDs(r, 0)
		return s, err
	case codeCreditBasedReconfigureReq:
		s := creditBasedReconfigureReq{MTU: r.U16(), MPS: r.U16()}
		var err error
		s.Destinations, err = readCIDs(r, 1)
		return s, err
	case codeCreditBasedReconfigureRsp:
		return creditBasedReconfigureRsp{Result: reconfigureResult(r.U16())}, nil
	}
	return unknownSignal{Op: code, Data: r.Rest()}, nil
}

// parseCommandReject ignores data that does not fit the reason: no code depends
// on it, and the pending request must get its answer.
func parseCommandReject(r *wire.Reader) signal {
	s := commandReject{Reason: RejectReason(r.U16())}
	data := wire.NewReader(r.Rest())
	switch {
	case s.Reason == RejectMTUExceeded && data.Len() >= 2:
		s.MTU = data.U16()
	case s.Reason == RejectInvalidCID && data.Len() >= 4:
		s.Local, s.Remote = CID(data.U16()), CID(data.U16())
	}
	return s
}

// readCIDs reads identifiers up to the end: at least least, at most 5.
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

func (commandReject) Code() Code { return codeCommandReject }

func (s commandReject) appendData(b []byte) []byte {
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

func (disconnectionReq) Code() Code { return codeDisconnectionReq }

func (s disconnectionReq) appendData(b []byte) []byte {
	return appendU16s(b, uint16(s.Destination), uint16(s.Source))
}

func (disconnectionRsp) Code() Code { return codeDisconnectionRsp }

func (s disconnectionRsp) appendData(b []byte) []byte {
	return appendU16s(b, uint16(s.Destination), uint16(s.Source))
}

func (connectionParameterUpdateReq) Code() Code { return codeConnectionParameterUpdateReq }

func (s connectionParameterUpdateReq) appendData(b []byte) []byte {
	return appendU16s(b, s.IntervalMin, s.IntervalMax, s.Latency, s.Timeout)
}

func (connectionParameterUpdateRsp) Code() Code { return codeConnectionParameterUpdateRsp }

func (s connectionParameterUpdateRsp) appendData(b []byte) []byte {
	return wire.AppendU16(b, uint16(s.Result))
}

func (leCreditBasedConnectionReq) Code() Code { return codeLECreditBasedConnectionReq }

func (s leCreditBasedConnectionReq) appendData(b []byte) []byte {
	return appendU16s(b, uint16(s.PSM), uint16(s.Source), s.MTU, s.MPS, s.Credits)
}

func (leCreditBasedConnectionRsp) Code() Code { return codeLECreditBasedConnectionRsp }

func (s leCreditBasedConnectionRsp) appendData(b []byte) []byte {
	return appendU16s(b, uint16(s.Destination), s.MTU, s.MPS, s.Credits, uint16(s.Result))
}

func (flowControlCreditInd) Code() Code { return codeFlowControlCreditInd }

func (s flowControlCreditInd) appendData(b []byte) []byte {
	return appendU16s(b, uint16(s.Source), s.Credits)
}

func (creditBasedConnectionReq) Code() Code { return codeCreditBasedConnectionReq }

func (s creditBasedConnectionReq) appendData(b []byte) []byte {
	return appendCIDs(appendU16s(b, uint16(s.PSM), s.MTU, s.MPS, s.Credits), s.Sources)
}

func (creditBasedConnectionRsp) Code() Code { return codeCreditBasedConnectionRsp }

func (s creditBasedConnectionRsp) appendData(b []byte) []byte {
	return appendCIDs(appendU16s(b, s.MTU, s.MPS, s.Credits, uint16(s.Result)), s.Destinations)
}

func (creditBasedReconfigureReq) Code() Code { return codeCreditBasedReconfigureReq }

func (s creditBasedReconfigureReq) appendData(b []byte) []byte {
	return appendCIDs(appendU16s(b, s.MTU, s.MPS), s.Destinations)
}

func (creditBasedReconfigureRsp) Code() Code { return codeCreditBasedReconfigureRsp }

func (s creditBasedReconfigureRsp) appendData(b []byte) []byte {
	return wire.AppendU16(b, uint16(s.Result))
}

func (s unknownSignal) Code() Code { return s.Op }

func (s unknownSignal) appendData(b []byte) []byte { return append(b, s.Data...) }
