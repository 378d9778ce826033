package payload

import (
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/wire"
)

// The formats of the firmware ATC_MiThermometer, as in the README files of atc1441
// and pvvx. They are service data of Environmental Sensing, and the length tells them
// apart:
//
//	13  atc1441            8  atc1441, encrypted
//	15  pvvx              11  pvvx, encrypted
const (
	atcLen        = 13
	atcSealedLen  = 8
	pvvxLen       = 15
	pvvxSealedLen = 11
)

// vendorATC is the first half of the addresses of the thermometers for which the
// firmware was made.
var vendorATC = [3]byte{0xA4, 0xC1, 0x38}

// decodeATC decodes service data of Environmental Sensing. Other devices use this
// service as well. Plain payloads therefore have to contain the address of the
// device, and encrypted ones have to fit the key, or come from a known vendor.
func (s *source) decodeATC(content []byte) (f Frame, ok bool) {
	r := wire.NewReader(content)
	r.Skip(2)
	var mac hci.MAC
	switch r.Len() {
	case atcLen:
		mac = readBigMAC(&r)
	case pvvxLen:
		r.Copy(mac[:])
	case atcSealedLen, pvvxSealedLen:
		return s.openATC(content)
	}
	// A repeater sends the payload under an address of its own.
	if r.Err() != nil || mac == (hci.MAC{}) || mac != s.mac && !isATC(mac) {
		return f, false
	}
	f.Device = mac.String()
	if len(content) == 2+atcLen {
		f.Format = FormatATC
		f.readATC(&r)
	} else {
		f.Format = FormatPVVX
		f.readPVVX(&r)
	}
	return f, true
}

// isATC reports whether mac is of the vendor of these thermometers.
func isATC(mac hci.MAC) bool { return [3]byte{mac[5], mac[4], mac[3]} == vendorATC }

func (f *Frame) readATC(r *wire.Reader) {
	f.addNumber(Temperature, int64(int16(r.BE16())), 1, celsius)
	f.addNumber(Humidity, int64(r.U8()), 0, percent)
	f.addNumber(Battery, int64(r.U8()), 0, percent)
	f.addNumber(Voltage, int64(r.BE16()), 3, volt)
	f.count(uint32(r.U8()))
}

func (f *Frame) readPVVX(r *wire.Reader) {
	f.addNumber(Temperature, int64(int16(r.U16())), 2, celsius)
	f.addNumber(Humidity, int64(r.U16()), 2, percent)
	voltage := r.U16()
	f.addNumber(Battery, int64(r.U8()), 0, percent)
	f.addNumber(Voltage, int64(voltage), 3, volt)
	f.count(uint32(r.U8()))
	f.addTrigger(r.U8())
}

// addTrigger adds the states of the reed switch and of the output.
func (f *Frame) addTrigger(flags uint8) {
	f.addState(Open, flags&1 != 0)
	f.addState(Output, flags&2 != 0)
}

// openATC decrypts a payload: counter, encrypted values, check. The nonce is the
// address and the head of the AD structure, as on air.
func (s *source) openATC(content []byte) (f Frame, ok bool) {
	key := s.keys.find(s.mac)
	if key == nil && !isATC(s.mac) {
		return f, false
	}
	r := wire.NewReader(content)
	r.Skip(2)
	counter := r.U8()
	sealed := r.Rest()
	f = Frame{Format: FormatATC, Encrypted: true}
	if len(content) == 2+pvvxSealedLen {
		f.Format = FormatPVVX
	}
	f.count(uint32(counter))
	if key == nil {
		f.Problem = NoKey
		return f, true
	}
	nonce := append(make([]byte, 0, 11), s.mac[:]...)
	nonce = append(nonce, byte(len(content)+1), byte(hci.ADServiceData16))
	nonce = append(wire.AppendU16(nonce, serviceEnvironment), counter)
	plain, fits := openCCM(key, nonce, xiaomiAAD, sealed)
	if !fits {
		f.Problem = WrongKey
		return f, true
	}
	f.Authentic = true
	p := wire.NewReader(plain)
	if f.Format == FormatPVVX {
		f.addNumber(Temperature, int64(int16(p.U16())), 2, celsius)
		f.addNumber(Humidity, int64(p.U16()), 2, percent)
		f.addNumber(Battery, int64(p.U8()), 0, percent)
		f.addTrigger(p.U8())
		return f, true
	}
	f.addNumber(Temperature, int64(p.U8())*5-400, 1, celsius) // half degrees above -40
	f.addNumber(Humidity, int64(p.U8())*5, 1, percent)
	battery := p.U8()
	f.addNumber(Battery, int64(battery&0x7F), 0, percent)
	f.addState(Output, battery&0x80 != 0)
	return f, true
}
