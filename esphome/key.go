package esphome

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"
)

// Key is the secret that a server and its clients share.
type Key [32]byte

// NewKey returns a random key.
func NewKey() (k Key) {
	_, _ = rand.Read(k[:]) // never fails
	return k
}

// ParseKey parses a key as String writes it: 44 characters of base64. Space around it is
// ignored.
func ParseKey(s string) (k Key, err error) {
	s = strings.TrimSpace(s)
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil || len(b) != len(k) {
		return Key{}, fmt.Errorf("esphome: the key of %d characters is none: a key is base64 of 32 octets, 44 characters", len(s))
	}
	return Key(b), nil
}

// String returns the key in base64, as it is typed into a client.
func (k Key) String() string { return base64.StdEncoding.EncodeToString(k[:]) }
