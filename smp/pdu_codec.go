package smp

import (
	"fmt"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/wire"
)

// AppendPDU appends the PDU.
func (p PairingRequest) AppendPDU(b []byte) []byte { return Features(p).append(b, p.Code()) }

// AppendPDU appends the PDU.
func (p PairingResponse) AppendPDU(b []byte) []byte { return Features(p).append(b, p.Code()) }

// AppendPDU appends the PDU.
func (p PairingConfirm) AppendPDU(b []byte) []byte {
	return append(append(b, byte(p.Code())), p.Value[:]...)
}

// AppendPDU appends the PDU.
func (p PairingRandom) AppendPDU(b []byte) []byte {
	return append(append(b, byte(p.Code())), p.Value[:]...)
}

// AppendPDU appends the PDU.
func (p PairingFailed) AppendPDU(b []byte) []byte { return append(b, byte(p.Code()), byte(p.Reason)) }

// AppendPDU appends the PDU.
func (p EncryptionInformation) AppendPDU(b []byte) []byte {
	return append(append(b, byte(p.Code())), p.LTK[:]...)
}

// AppendPDU appends the PDU.
func (p CentralIdentification) AppendPDU(b []byte) []byte {
	return append(wire.AppendU16(append(b, byte(p.Code())), p.EDIV), p.Rand[:]...)
}

// AppendPDU appends the PDU.
func (p IdentityInformation) AppendPDU(b []byte) []byte {
	return append(append(b, byte(p.Code())), p.IRK[:]...)
}

// AppendPDU appends the PDU.
func (p IdentityAddressInformation) AppendPDU(b []byte) []byte {
	return append(append(b, byte(p.Code()), byte(p.Addr.Kind)), p.Addr.MAC[:]...)
}

// AppendPDU appends the PDU.
func (p SigningInformation) AppendPDU(b []byte) []byte {
	return append(append(b, byte(p.Code())), p.CSRK[:]...)
}

// AppendPDU appends the PDU.
func (p SecurityRequest) AppendPDU(b []byte) []byte { return append(b, byte(p.Code()), byte(p.Auth)) }

// AppendPDU appends the PDU.
func (p PairingPublicKey) AppendPDU(b []byte) []byte {
	return append(append(append(b, byte(p.Code())), p.X[:]...), p.Y[:]...)
}

// AppendPDU appends the PDU.
func (p PairingDHKeyCheck) AppendPDU(b []byte) []byte {
	return append(append(b, byte(p.Code())), p.Value[:]...)
}

// AppendPDU appends the PDU.
func (p PairingKeypressNotification) AppendPDU(b []byte) []byte {
	return append(b, byte(p.Code()), p.Type)
}

// Parse decodes a PDU. Any other length than the one that the PDU has is an
// error, as are values that the specification reserves. An error that is not
// ErrUnknownCode comes with the code, in words.
func Parse(b []byte) (PDU, error) {
	p, err := parse(b)
	if err != nil {
		return nil, fmt.Errorf("smp: %w", err)
	}
	return p, nil
}

func parse(b []byte) (PDU, error) {
	r := wire.NewReader(b)
	c := Code(r.U8())
	if r.Err() != nil {
		return nil, fmt.Errorf("empty PDU: %w", r.Err())
	}
	if c == 0 || c > codeMax {
		return nil, fmt.Errorf("%w 0x%02x", ErrUnknownCode, uint8(c))
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

func parseData(c Code, r *wire.Reader) (p PDU, err error) {
	switch c {
	case CodePairingRequest:
		f, err := readFeatures(r)
		return PairingRequest(f), err
	case CodePairingResponse:
		f, err := readFeatures(r)
		return PairingResponse(f), err
	case CodePairingConfirm:
		return PairingConfirm{readValue(r)}, nil
	case CodePairingRandom:
		return PairingRandom{readValue(r)}, nil
	case CodePairingFailed:
		return PairingFailed{Reason(r.U8())}, nil
	case CodeEncryptionInformation:
		return EncryptionInformation{readValue(r)}, nil
	case CodeCentralIdentification:
		p := CentralIdentification{EDIV: r.U16()}
		r.Copy(p.Rand[:])
		return p, nil
	case CodeIdentityInformation:
		return IdentityInformation{readValue(r)}, nil
	case CodeIdentityAddressInformation:
		return readIdentityAddress(r)
	case CodeSigningInformation:
		return SigningInformation{readValue(r)}, nil
	case CodeSecurityRequest:
		return SecurityRequest{AuthReq(r.U8())}, nil
	case CodePairingPublicKey:
		var p PairingPublicKey
		r.Copy(p.X[:])
		r.Copy(p.Y[:])
		return p, nil
	case CodePairingDHKeyCheck:
		return PairingDHKeyCheck{readValue(r)}, nil
	default: // CodePairingKeypressNotification
		p := PairingKeypressNotification{r.U8()}
		if p.Type > keypressEntryCompleted {
			return nil, fmt.Errorf("notification type %d", p.Type)
		}
		return p, nil
	}
}

func readIdentityAddress(r *wire.Reader) (PDU, error) {
	p := IdentityAddressInformation{hci.Addr{Kind: hci.AddrKind(r.U8())}}
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
