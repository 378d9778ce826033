package servicecache

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/moor-ble/moor/gatt"
)

// FuzzDecode reads tables that anybody may have written. What is taken comes out
// as it went in.
func FuzzDecode(f *testing.F) {
	for _, p := range []*gatt.Profile{
		{},
		{Services: []gatt.Service{{UUID: gatt.UUID16(0x1800), Handle: 1, End: 5, Primary: true, Characteristics: []gatt.Characteristic{
			{UUID: gatt.UUID16(0x2A00), Handle: 2, Value: 3, End: 5, Properties: gatt.PropRead, Descriptors: []gatt.Descriptor{{Handle: 4}}},
		}}}},
		{Services: []gatt.Service{{Handle: 0xFFFF, End: 0xFFFF}}},
	} {
		b, err := encode(kindTable, p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[bytes.IndexByte(b, '\n')+1:])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > 1<<16 {
			return
		}
		if p, err := decodeTable(body); err == nil {
			t.Errorf("took %q without a first line: %+v", body, p)
		}
		// With a checksum that is right, so that the body is looked at.
		p, err := decodeTable([]byte(magic + fmt.Sprintf(" %d ", version) + kindTable + " " + digest(body) + "\n" + string(body)))
		if err != nil {
			return
		}
		b, err := encode(kindTable, p)
		if err != nil {
			t.Fatal(err)
		}
		q, err := decodeTable(b)
		if err != nil {
			t.Fatalf("what was encoded cannot be decoded: %v\n%s", err, b)
		}
		if c, err := encode(kindTable, q); err != nil || !bytes.Equal(b, c) {
			t.Errorf("%v\n%s\n%s", err, b, c)
		}
	})
}
