package payload

import (
	"bytes"
	"crypto/aes"
	"testing"
)

// TestCCM checks example 1 of NIST SP 800-38C, which has a check of four octets.
func TestCCM(t *testing.T) {
	key := []byte{0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x4b, 0x4c, 0x4d, 0x4e, 0x4f}
	nonce := []byte{0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16}
	aad := []byte{0, 1, 2, 3, 4, 5, 6, 7}
	sealed := []byte{0x71, 0x62, 0x01, 0x5b, 0x4d, 0xac, 0x25, 0x5d}
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	if plain, ok := openCCM(block, nonce, aad, sealed); !ok || !bytes.Equal(plain, []byte{0x20, 0x21, 0x22, 0x23}) {
		t.Errorf("plain text % x, %v", plain, ok)
	}
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if plain, ok := openCCM(block, nonce, aad, bad); ok {
			t.Errorf("octet %d changed: accepted as % x", i, plain)
		}
		if plain, ok := openCCM(block, nonce, aad, sealed[:i]); ok {
			t.Errorf("%d octets accepted as % x", i, plain)
		}
	}
	if _, ok := openCCM(block, nonce, aad[1:], sealed); ok {
		t.Error("other additional data accepted")
	}
}
