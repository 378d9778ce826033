package assigned

import (
	"fmt"
	"strings"
	"testing"

	"github.com/moor-ble/moor/uuid"
)

func TestNames(t *testing.T) {
	for _, c := range []struct{ what, got, want string }{
		{"first service", Service(uuid.From16(0x1800)), "Generic Access"},
		{"battery service", Service(uuid.From16(0x180F)), "Battery"},
		{"member", Service(uuid.From16(0xFEAA)), "Eddystone (Google LLC)"},
		{"vendor service", Service(uuid.MustParse("6e400001-b5a3-f393-e0a9-e50e24dcca9e")), "Nordic UART Service"},
		{"unknown service", Service(uuid.From16(0x0001)), ""},
		{"unknown vendor service", Service(uuid.MustParse("00000000-0000-0000-0000-000000000001")), ""},
		{"characteristic", Characteristic(uuid.From16(0x2A19)), "Battery Level"},
		{"vendor characteristic", Characteristic(uuid.MustParse("6e400002-b5a3-f393-e0a9-e50e24dcca9e")), "UART RX Characteristic"},
		{"descriptor", Descriptor(uuid.From16(0x2902)), "Client Characteristic Configuration"},
		{"declaration", Descriptor(uuid.From16(0x2803)), "Characteristic"},
		{"any: characteristic", UUID(uuid.From16(0x2A00)), "Device Name"},
		{"any: descriptor", UUID(uuid.From16(0x2901)), "Characteristic User Description"},
		{"first company", Company(0), "Ericsson AB"},
		{"company", Company(0x004C), "Apple, Inc."},
		{"last company", Company(0xFFFF), "reserved for tests"},
		{"unknown company", Company(0xFFFE), ""},
		{"appearance", Appearance(0x00C1), "Sports Watch"},
		{"appearance, kind unknown", Appearance(0x00FF), "Watch"},
		{"appearance, category unknown", Appearance(0xFFFF), ""},
		{"version", Version(13), "5.4"},
		{"unknown version", Version(200), ""},
	} {
		if c.got != c.want {
			t.Errorf("%s: %q, want %q", c.what, c.got, c.want)
		}
	}
}

// TestEveryLineIsFound checks the requirements of findName: sorted lines, keys of one
// width, a name in each line. It finds every line.
func TestEveryLineIsFound(t *testing.T) {
	for name, table := range map[string]string{
		"services": services, "characteristics": characteristics, "descriptors": descriptors, "members": members,
		"companies": companies, "appearances": appearances, "versions": versions,
	} {
		checkTable(t, name, table, 4)
	}
	checkTable(t, "vendor services", vendorServices, 32)
	checkTable(t, "vendor characteristics", vendorCharacteristics, 32)
}

func checkTable(t *testing.T, name, table string, width int) {
	t.Helper()
	last, lines := "", 0
	for line := range strings.Lines(table) {
		line = strings.TrimSuffix(line, "\n")
		if len(line) <= width {
			t.Fatalf("%s: line %q has no name", name, line)
		}
		key, want := line[:width], line[width:]
		if key <= last {
			t.Fatalf("%s: %s after %s", name, key, last)
		}
		if got := findName(table, key); got != want {
			t.Fatalf("%s: findName(%s) = %q, want %q", name, key, got, want)
		}
		last, lines = key, lines+1
	}
	if lines == 0 {
		t.Fatalf("%s: empty", name)
	}
}

func TestTablesAreSmall(t *testing.T) {
	total := 0
	for _, table := range []string{services, characteristics, descriptors, members, vendorServices, vendorCharacteristics, companies, appearances, versions} {
		total += len(table)
	}
	if limit := 200 << 10; total > limit {
		t.Errorf("the tables have %d bytes, more than the %d that the binary can spare", total, limit)
	}
}

func TestFindUnknown(t *testing.T) {
	for v := range 0x10000 {
		key := fmt.Sprintf("%04X", v)
		if got := findName(services, key); got != "" && !strings.Contains(services, key+got+"\n") {
			t.Fatalf("findName(%s) = %q, which is in no line", key, got)
		}
	}
}

func TestFindAttribute(t *testing.T) {
	for name, want := range map[string]string{
		"Battery Level": "2a19", "battery level": "2a19", "Characteristic User Description": "2901", "": "", "Battery": "", "No such name": "",
	} {
		u, ok := FindAttribute(name)
		if ok != (want != "") || ok && u != uuid.MustParse(want) {
			t.Errorf("%q: got %v, %v, want %q", name, u, ok, want)
		}
	}
}
