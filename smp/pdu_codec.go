package smp

import (
	"fmt"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/wire"
)

func (p pairingRequest) AppendPDU(b []byte) []byte { return features(p).appendFeatures(b, p.Code()) }

func (p pairingResponse) AppendPDU(b []byte) []byte { return features(p).appendFeatures(b, p.Code()) }

func (p pairingConfirm) AppendPDU(b []byte) []byte {
	return append(append(b, byte(p.Code())), p.Value[:]...)
}

func (p pairingRandom) AppendPDU(b []byte) []byte {
	return append(append(b, byte(p.Code())), p.Value[:]...)
}

func (p pairingFailed) AppendPDU(b []byte) []byte { return append(b, byte(p.Code()), byte(p.Reason)) }

func (p encryptionInformation) AppendPDU(b []byte) []byte {
	return append(append(b, byte(p.Code())), p.LTK[:]...)
}

func (p centralIdentification) AppendPDU(b []byte) []byte {
	return append(wire.AppendU16(append(b, byte(p.Code())), p.EDIV), p.Rand[:]...)
}

func (p identityInformation) AppendPDU(b []byte) []byte {
	return append(append(b, byte(p.Code())), p.IRK[:]...)
}

func (p identityAddressInformation) AppendPDU(b []byte) []byte {
	return append(append(b, byte(p.Code()), byte(p.Addr.Kind)), p.Addr.MAC[:]...)
}

func (p signingInformation) AppendPDU(b []byte) []byte {
	return append(append(b, byte(p.Code())), p.CSRK[:]...)
}

func (p securityRequest) AppendPDU(b []byte) []byte { return append(b, byte(p.Code()), byte(p.Auth)) }

func (p pairingPublicKey) AppendPDU(b []byte) []byte {
	return append(append(append(b, byte(p.Code())), p.X[:]...), p.Y[:]...)
}

func (p pairingDHKeyCheck) AppendPDU(b []byte) []byte {
	return append(append(b, byte(p.Code())), p.Value[:]...)
}

func (p pairingKeypressNotification) AppendPDU(b []byte) []byte {
	return append(b, byte(p.Code()), p.Type)
}

// parseCommand decodes a PDU. Any other length than the command's is an error, as
// are values that the specification reserves. The error names the command, unless
// it is errUnknownCode.
func parseCommand(b []byte) (command, error) {
	r := wire.NewReader(b)
	c := code(r.U8())
	if r.Err() != nil {
		return nil, fmt.Errorf("empty PDU: %w", r.Err())
	}
	if c == 0 || c > codeMax {
		return nil, fmt.Errorf("%w 0x%02x", errUnknownCode, uint8(c))
	}
	p, err := parseData(c, &r)
	if err == nil {
		err = r.Finish()
	}
	if err != nil {
		return nil, fmt.Errorf("%v: %w", c, err)
	}
	return p, nil
}

func parseData(c code, r *wire.Reader) (p command, err error) {
	switch c {
	case codePairingRequest:
		f, err := readFeatures(r)
		return pairingRequest(f), err
	case codePairingResponse:
		f, err := readFeatures(r)
		return pairingResponse(f), err
	case codePairingConfirm:
		return pairingConfirm{readValue(r)}, nil
	case codePairingRandom:
		return pairingRandom{readValue(r)}, nil
	case codePairingFailed:
		return pairingFailed{Reason(r.U8())}, nil
	case codeEncryptionInformation:
		return encryptionInformation{readValue(r)}, nil
	case codeCentralIdentification:
		p := centralIdentification{EDIV: r.U16()}
		r.Copy(p.Rand[:])
		return p, nil
	case codeIdentityInformation:
		return identityInformation{readValue(r)}, nil
	case codeIdentityAddressInformation:
		return readIdentityAddress(r)
	case codeSigningInformation:
		return signingInformation{readValue(r)}, nil
	case codeSecurityRequest:
		return securityRequest{authReq(r.U8())}, nil
	case codePairingPublicKey:
		var p pairingPublicKey
		r.Copy(p.X[:])
		r.Copy(p.Y[:])
		return p, nil
	case codePairingDHKeyCheck:
		return pairingDHKeyCheck{readValue(r)}, nil
	default: // CodePairingKeypressNotification
		p := pairingKeypressNotification{r.U8()}
		if p.Type > keypressEntryCompleted {
			return nil, fmt.Errorf("notification type %d", p.Type)
		}
		return p, nil
	}
}

func readIdentityAddress(r *wire.Reader) (command, error) {
	p := identityAddressInformation{hci.Addr{Kind: hci.AddrKind(r.U8())}}
	r.Copy(p.Addr.MAC[:])
	if r.Err() == nil && p.Addr.Kind > hci.AddrRandom {
		return nil, fmt.Errorf("address type 0x%02x", uint8(p.Addr.Kind))
	}
	if r.Err() == nil && p.Addr.Kind == hci.AddrRandom && !p.Addr.IsStatic() {
		return nil, fmt.Errorf("%v is not an identity address: it is not static", p.Addr)
	}
	return p, nil
}

func readValue(r *wire.Reader) (v [16]byte) {
	r.Copy(v[:])
	return v
}
