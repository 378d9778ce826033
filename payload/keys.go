package payload

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/moor-ble/moor/hci"
)

// Keys holds the keys of devices that encrypt their payloads, by address. The zero
// Keys is empty and ready to use; nil is the same as empty, for Decode. Several
// goroutines may decode with one Keys, but not while it changes.
type Keys struct {
	ciphers map[hci.MAC]cipher.Block
}

const (
	keyLen = 16
	// shortKeyLen is the length of the keys of MiBeacon before version 4.
	shortKeyLen = 12
)

// shortKeyMiddle is the part that all short keys have in common.
var shortKeyMiddle = [...]byte{0x8D, 0x3D, 0x3C, 0x97}

// Add sets the key of a device: 16 octets, or 12 for MiBeacon before version 4. A
// later key replaces an earlier one.
func (k *Keys) Add(device hci.MAC, key []byte) error {
	if err := k.addKey(device, key); err != nil {
		return fmt.Errorf("payload: %w", err)
	}
	return nil
}

func (k *Keys) addKey(device hci.MAC, key []byte) error {
	full := key
	if len(key) == shortKeyLen {
		full = append(append(append([]byte{}, key[:6]...), shortKeyMiddle[:]...), key[6:]...)
	}
	if len(full) != keyLen {
		return fmt.Errorf("the key of %v has %d octets: write 16, or 12 for MiBeacon 2 and 3", device, len(key))
	}
	block, err := aes.NewCipher(full)
	if err != nil {
		return err
	}
	if k.ciphers == nil {
		k.ciphers = map[hci.MAC]cipher.Block{}
	}
	k.ciphers[device] = block
	return nil
}

// UnmarshalText adds the keys in text, the content of a key file: one device a line,
// its address and its key in hexadecimal, with "=" or blanks between. Empty lines and
// lines that begin with "#" do not count. A device that has a key already is a mistake:
// one of the keys is wrong. The lines before a mistake are added.
func (k *Keys) UnmarshalText(text []byte) error {
	lines := strings.Split(strings.TrimRight(string(text), "\r\n"), "\n")
	for i, line := range lines {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		err := k.addLine(line)
		switch {
		case err != nil && len(lines) > 1:
			return fmt.Errorf("payload: line %d: %w", i+1, err)
		case err != nil:
			return fmt.Errorf("payload: %w", err)
		}
	}
	return nil
}

// addLine adds the key of one line. Its errors do not contain the key.
func (k *Keys) addLine(line string) error {
	address, digits, ok := strings.Cut(strings.Join(strings.Fields(line), "="), "=")
	if !ok {
		return fmt.Errorf("%d characters are no key: write ADDRESS=KEY, such as A4:C1:38:00:00:01=00112233445566778899aabbccddeeff", len(line))
	}
	address, _, _ = strings.Cut(address, "/") // the kind does not count
	mac, err := hci.ParseMAC(address)
	const addressLen = len("A4:C1:38:00:00:01")
	if err != nil && (len(address) > addressLen || !strings.Contains(address, ":")) {
		// The text may be the key.
		return fmt.Errorf("%d characters are no address: write ADDRESS=KEY, the address first", len(address))
	}
	if err != nil {
		return err
	}
	if k.ciphers[mac] != nil {
		return fmt.Errorf("%v has a key already: leave one of them out", mac)
	}
	key, err := hex.DecodeString(strings.Trim(digits, "="))
	if err != nil {
		return fmt.Errorf("the key of %v is not hexadecimal: write 32 digits, or 24 for MiBeacon 2 and 3", mac)
	}
	return k.addKey(mac, key)
}

// Len returns the number of devices that have a key.
func (k *Keys) Len() int {
	if k == nil {
		return 0
	}
	return len(k.ciphers)
}

// String returns the number of keys, so that none gets into a log.
func (k Keys) String() string { return fmt.Sprintf("keys of %d devices", k.Len()) }

// GoString is String.
func (k Keys) GoString() string { return k.String() }

// find returns the cipher with the key of a device; nil if there is none.
func (k *Keys) find(device hci.MAC) cipher.Block {
	if k == nil {
		return nil
	}
	return k.ciphers[device]
}
