package servicecache_test

import (
	"crypto/aes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/servicecache"
)

// TestForgedHash stores a table whose UUIDs are chosen so that it has the hash of another
// table, which the public key of the hash allows. No other peer gets it, also if none has
// stored the genuine one; and the peer itself does not once it is bonded.
func TestForgedHash(t *testing.T) {
	c := open(t, "", nil)
	genuine := entry(2)
	hash := computed(t, genuine)
	genuine.Hash = &hash
	forged := &servicecache.Entry{Profile: forge(t, hash), Hash: &hash}
	if got := computed(t, forged); got != hash {
		t.Fatalf("the forged table has the hash %v, want %v", got, hash)
	}
	put(t, c, addr(t, 2), forged)
	wantEntry(t, c, addr(t, 1), nil)
	put(t, c, addr(t, 1), genuine)
	wantEntry(t, c, addr(t, 1), genuine)
	wantEntry(t, c, addr(t, 2), forged)
	for _, p := range []servicecache.Peer{{Bonded: true}, {Bonded: true, HashRead: true, Hash: &hash}} {
		if v := servicecache.Decide(forged, p); v != servicecache.Rediscover {
			t.Errorf("%+v: %v, want rediscover", p, v)
		}
	}
}

// forge returns a table with a given hash: its last characteristic has a 128-bit
// UUID that is the last block of the hash's input.
func forge(t *testing.T, want servicecache.Hash) *gatt.Profile {
	t.Helper()
	s := gatt.Service{
		UUID: gatt.UUID16(0x1812), Handle: 1, End: 20, Primary: true,
		Includes: []gatt.Include{{Handle: 2, UUID: gatt.UUID{1}, Start: 30, End: 40}}, // 8 octets
	}
	for i := range 3 { // 9 octets each
		h := att.Handle(3 + 2*i)
		s.Characteristics = append(s.Characteristics, gatt.Characteristic{UUID: gatt.UUID16(0x2A4D), Handle: h, Value: h + 1, End: h + 1})
	}
	s.Characteristics = append(s.Characteristics, gatt.Characteristic{Handle: 9, Value: 10, End: 20})
	last := &s.Characteristics[3]
	last.UUID[0] = 1 // no 16-bit form
	p := &gatt.Profile{Services: []gatt.Service{s}}

	// CMAC(m) = E(state ^ last block ^ K1): the last block has to change by the
	// difference of the decrypted hashes.
	block, err := aes.NewCipher(make([]byte, aes.BlockSize))
	if err != nil {
		t.Fatal(err)
	}
	is, ok := p.Hash()
	if !ok {
		t.Fatal("no hash")
	}
	slices.Reverse(is[:]) // into the order of AES-CMAC
	slices.Reverse(want[:])
	var a, b, d [aes.BlockSize]byte
	block.Decrypt(a[:], is[:])
	block.Decrypt(b[:], want[:])
	subtle.XORBytes(d[:], a[:], b[:])
	for i := range d {
		last.UUID[15-i] ^= d[i] // it stands in the input in the order of the air
	}
	return p
}

// TestEarlierRecords reads the record of an earlier version with a hash that is not
// that of its table. Get returns the entry, but Decide does not use it.
func TestEarlierRecords(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir, nil)
	e := entry(1)
	e.Hash = &servicecache.Hash{7}
	put(t, c, addr(t, 1), e) // bonded
	path := filepath.Join(dir, "peers", files(t, dir, "peers")[0])
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, body, _ := strings.Cut(string(b), "\n")
	body = strings.Replace(body, `"bonded":true`, `"bonded":false`, 1)
	if err := os.WriteFile(path, []byte(head[:strings.LastIndex(head, " ")+1]+digest(body)+"\n"+body), 0o600); err != nil {
		t.Fatal(err)
	}
	e.Bonded = false
	wantEntry(t, c, addr(t, 1), e)
	if v := servicecache.Decide(e, servicecache.Peer{HashRead: true, Hash: e.Hash}); v != servicecache.Rediscover {
		t.Errorf("got %v, want rediscover", v)
	}
}

// digest is the checksum of a record.
func digest(body string) string {
	sum := sha256.Sum256([]byte(body))
	return hex.EncodeToString(sum[:])
}
