//go:build !minimal

package yamlfile

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

type inner struct {
	Name   string
	Number int
	Hidden int `yaml:"-"`
}

type outer struct {
	inner
	Number  uint8
	ACLLen  int
	RSSI    *int8
	Renamed bool `yaml:"other"`
	Every   time.Duration
	Octets  []byte
	Words   []string
	List    []inner
	Call    func()
}

// TestKeys has the keys of the fields of a struct.
func TestKeys(t *testing.T) {
	var keys []string
	for _, f := range fieldsOf(reflect.TypeFor[outer]()) {
		keys = append(keys, f.key)
	}
	if got, want := strings.Join(keys, " "), "number acl-len rssi other every octets words list name"; got != want {
		t.Errorf("keys %s, want %s", got, want)
	}
	for name, want := range map[string]string{
		"MaxLinks": "max-links", "RSSINoise": "rssi-noise", "PDU": "pdu", "NoScanWhileInitiating": "no-scan-while-initiating", "At": "at",
		"TxPower": "tx-power", "UUIDs": "uuids",
	} {
		if got := hyphenate(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// TestDecode decodes one of each kind of value, and finds the places of fields.
func TestDecode(t *testing.T) {
	text := `
name: C0:FF:EE:00:00:01
number: 0x2A
acl-len: 27
rssi: -70
other: on
every: 250 ms
octets: 0a 1B
words: alone
list:
  - &a {name: "012", number: -1}
  - <<: *a
    number: 7
  - *a
`
	var got outer
	doc, err := Decode("f.yaml", []byte(text), &got, nil)
	if err != nil {
		t.Fatal(err)
	}
	rssi := int8(-70)
	want := outer{
		inner: inner{Name: "C0:FF:EE:00:00:01"}, Number: 0x2A, ACLLen: 27, RSSI: &rssi, Renamed: true, Every: 250 * time.Millisecond,
		Octets: []byte{0x0A, 0x1B}, Words: []string{"alone"}, List: []inner{{Name: "012", Number: -1}, {Name: "012", Number: 7}, {Name: "012", Number: -1}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v\nwant %+v", got, want)
	}
	for path, place := range map[string]string{
		"every": "f.yaml:7:8: every: x", "list[1].number": "f.yaml:13:13: list[1].number: x", "list[1].name.more[3]": "f.yaml:11:15: list[1].name.more[3]: x",
	} {
		if e := doc.ErrorAt(path, errors.New("x")).Error(); e != place {
			t.Errorf("%s, want %s", e, place)
		}
	}
}

// TestAliases: aliases that contain themselves, or that multiply, end.
func TestAliases(t *testing.T) {
	type tree struct{ Sub []tree }
	var b strings.Builder
	b.WriteString("sub:\n  - &a0 {}\n")
	for i := range 9 {
		b.WriteString("  - &a" + string(rune('1'+i)) + " {sub: [" + strings.TrimSuffix(strings.Repeat("*a"+string(rune('0'+i))+", ", 10), ", ") + "]}\n")
	}
	for text, want := range map[string]string{
		"sub: &a [sub: *a]\n": "more than 64 levels of nesting", b.String(): "the aliases make more than 100000 values",
		"&a\n*a": "the alias *a is its own value",
	} {
		var v tree
		if _, err := Decode("f.yaml", []byte(text), &v, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: %v, want %s", text, err, want)
		}
	}
}
