package payload_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/moor-ble/moor/hci"
	. "github.com/moor-ble/moor/payload"
)

func TestKeysText(t *testing.T) {
	var k Keys
	text := "# the sensors at home\n\n" +
		"54:48:E6:8F:80:A5=231d39c1d7cc1ab1aee224cd096db932\r\n" +
		"\tf8:24:41:c5:98:8b  B853075158487CA39A5B5EA9\n" +
		"C0:FF:EE:00:00:01/random = 00112233445566778899aabbccddeeff"
	if err := k.UnmarshalText([]byte(text)); err != nil || k.Len() != 3 {
		t.Fatalf("%d keys, %v", k.Len(), err)
	}
	for _, s := range []string{fmt.Sprint(&k), fmt.Sprintf("%+v %#v %v %#v", &k, &k, k, k)} {
		if s = strings.ReplaceAll(s, "keys of 3 devices", ""); strings.TrimSpace(s) != "" {
			t.Errorf("keys print as %q", s)
		}
	}
	for _, c := range []struct{ text, want string }{
		{"54:48:E6:8F:80:A5", "payload: 17 characters are no key: write ADDRESS=KEY, such as A4:C1:38:00:00:01=00112233445566778899aabbccddeeff"},
		{"\n54:48=00", `payload: line 2: hci: "54:48" is not a device address: write six pairs of hexadecimal digits, such as C0:FF:EE:00:00:01`},
		{"00112233445566778899aabbccddeeff=54:48:E6:8F:80:A5", "payload: 32 characters are no address: write ADDRESS=KEY, the address first"},
		{"00:11:22:33:44:55:66:77:88:99:aa:bb 54:48:E6:8F:80:A5", "payload: 35 characters are no address: write ADDRESS=KEY, the address first"},
		{"b853075158487ca39a5b5ea9 = 54:48:E6:8F:80:A5", "payload: 24 characters are no address: write ADDRESS=KEY, the address first"},
		{"54:48:E6:8F:80:A5=secret", "payload: the key of 54:48:E6:8F:80:A5 is not hexadecimal: write 32 digits, or 24 for MiBeacon 2 and 3"},
		{"54:48:E6:8F:80:A5=231d39", "payload: the key of 54:48:E6:8F:80:A5 has 3 octets: write 16, or 12 for MiBeacon 2 and 3"},
	} {
		var k Keys
		if err := k.UnmarshalText([]byte(c.text)); err == nil || err.Error() != c.want || k.Len() != 0 {
			t.Errorf("%q: error %v, want %s", c.text, err, c.want)
		}
	}
	var none *Keys
	if none.Len() != 0 {
		t.Errorf("nil has %d keys", none.Len())
	}
	if frames := Decode(hci.Addr{}, unhex(t, service(0xFCD2, "41e445f3c9962b332211006c7c4519")), nil, nil); len(frames) != 1 || frames[0].Problem != NoKey {
		t.Errorf("without keys: %+v", frames)
	}
}
