package sim

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
)

// TestFileSets hears every set of a device with its packets and its PHY, and connects to the
// extended one.
func TestFileSets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const long = "a name of more than thirty-one octets"
		w, hosts := openFile(t, `
peripherals:
  - name: Gate
    advertising:
      coded: true
      sets:
        - {interval: 1s, manufacturer: [{company: 0xffff, data: 0x0102}]}
        - {extended: true, name: `+long+`}
`, nil)
		address, err := w.Address("Gate")
		if err != nil {
			t.Fatal(err)
		}
		sc, err := hosts[0].Scan(t.Context(), &controller.ScanOptions{PHYs: hci.PHYs1M | hci.PHYsCoded})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		heard := map[string]bool{}
		for len(heard) < 3 {
			r, err := sc.Next(ctx)
			if err != nil {
				t.Fatalf("heard %v: %v", heard, err)
			}
			switch {
			case r.Addr != address:
				t.Errorf("%v advertises", r.Addr)
			case r.Name() == "Gate":
				heard["coded"] = r.Extended && r.Connectable && r.PrimaryPHY == hci.PHYCoded && r.SecondaryPHY == hci.PHYCoded
			case r.Name() == long:
				heard["long"] = r.Extended && !r.Connectable && r.PrimaryPHY == hci.PHY1M
			case len(r.ManufacturerData()) == 1:
				heard["legacy"] = !r.Extended && !r.Connectable
			}
		}
		sc.Close()
		for name, right := range heard {
			if !right {
				t.Errorf("the set %s has other properties", name)
			}
		}
		c, err := hosts[0].Connect(t.Context(), address, &controller.ConnectOptions{PHYs: hci.PHYsCoded})
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	})
}

func TestFileSetErrors(t *testing.T) {
	for _, c := range []struct{ advertising, want string }{
		{"{sets: [{manufacturer: [{company: 1, data: 0x" + strings.Repeat("00", 30) + "}]}]}", "peripherals[0].advertising.sets[0]: "},
		{"{sets: [{interval: 1ms}]}", "peripherals[0].advertising.sets[0].interval: "},
		{"{extended: true, manufacturer: [{company: 1, data: 0x" + strings.Repeat("00", 245) + "}]}", "peripherals[0].advertising: "},
		{"{coded: true}\n    light: true", "a light device has one set of legacy packets"},
	} {
		file := "peripherals:\n  - name: Gate\n    advertising: " + c.advertising + "\n"
		if _, err := ParseFile("a.yaml", []byte(file)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.advertising, err, c.want)
		}
	}
}
