package aescmac

import (
	"encoding/hex"
	"testing"
)

// RFC 4493, section 4; the same stand in Core, Vol 3, Part H, D.1.
func TestSumOfRFC4493(t *testing.T) {
	const message = "6bc1bee22e409f96e93d7e117393172a" + "ae2d8a571e03ac9c9eb76fac45af8e51" +
		"30c81c46a35ce411e5fbc1191a0a52ef" + "f69f2445df4f9b17ad2b417be66c3710"
	key, msg := [Size]byte(unhex(t, "2b7e151628aed2a6abf7158809cf4f3c")), unhex(t, message)
	for _, tt := range []struct {
		n    int
		want string
	}{
		{0, "bb1d6929e95937287fa37d129b756746"},
		{16, "070a16b46b4d4144f79bdd9dd04a287c"},
		{40, "dfa66747de9ae63030ca32611497c827"},
		{64, "51f0bebf7e3b9d92fc49741779363cfe"},
	} {
		if got := Sum(key, msg[:tt.n]); hex.EncodeToString(got[:]) != tt.want {
			t.Errorf("code of %d octets = %x, want %s", tt.n, got, tt.want)
		}
	}
	if got := hex.EncodeToString(msg); got != message {
		t.Errorf("the message was changed to %s", got)
	}
}

// Subkeys of RFC 4493, section 4.
func TestDouble(t *testing.T) {
	b := [Size]byte(unhex(t, "7df76b0c1ab899b33e42f047b91b546f"))
	for _, want := range []string{"fbeed618357133667c85e08f7236a8de", "f7ddac306ae266ccf90bc11ee46d513b"} {
		if double(&b); hex.EncodeToString(b[:]) != want {
			t.Errorf("doubled to %x, want %s", b, want)
		}
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
