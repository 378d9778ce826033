package slots_test

import (
	"encoding/json"
	"testing"

	"github.com/moor-ble/moor/slots"
)

// TestCountJSON checks that an unknown number of slots differs from 0.
func TestCountJSON(t *testing.T) {
	for c, want := range map[slots.Count]string{slots.Unknown: "null", 0: "0", 5: "5"} {
		b, err := json.Marshal(c)
		if err != nil || string(b) != want {
			t.Errorf("%d is %s, %v, want %s", int(c), b, err, want)
		}
		got := slots.Count(99)
		if err := json.Unmarshal(b, &got); err != nil || got != c {
			t.Errorf("%s is %d, %v, want %d", b, int(got), err, int(c))
		}
	}
	var c slots.Count
	for _, bad := range []string{`"5"`, "-1", "1.5"} {
		if err := json.Unmarshal([]byte(bad), &c); err == nil {
			t.Errorf("%s is %d, want an error", bad, int(c))
		}
	}
	for c, want := range map[slots.Count]string{slots.Unknown: "unknown", 0: "0", 5: "5"} {
		if c.String() != want {
			t.Errorf("%d is written %s, want %s", int(c), c, want)
		}
	}
}

func TestUnknownCapacityJSON(t *testing.T) {
	m := slots.New(nil)
	m.Register("hci0", 0)
	for _, c := range []struct {
		v    any
		want string
	}{
		{m.Allocations("hci0"), `{"adapter":"hci0","slots":null,"free":null,"allocated":[]}`},
		{m.Diagnostics().Adapters, `[{"adapter":"hci0","slots":null,"free":null,"held":[]}]`},
		{m.Allocations("none"), `{"adapter":"none","slots":0,"free":0,"allocated":[]}`},
	} {
		if b, err := json.Marshal(c.v); err != nil || string(b) != c.want {
			t.Errorf("got %s, %v, want %s", b, err, c.want)
		}
	}
}
