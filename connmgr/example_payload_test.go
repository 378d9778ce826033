package connmgr_test

import (
	"context"
	"fmt"
	"log"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/payload"
)

// A program that only reads broadcasts prints the values that all adapters hear. It
// ends after three devices; a scan delivers each device again when its data changes.
func ExampleReport_Payloads() {
	cfg, ctx, keys := simulated("beacons"), context.Background(), &payload.Keys{}
	if err := keys.UnmarshalText([]byte("54:48:E6:8F:80:A5=231d39c1d7cc1ab1aee224cd096db932")); err != nil {
		log.Fatal(err)
	}
	m, err := connmgr.Open(ctx, cfg) // nil for all adapters that no other program uses
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	devices := 0
	for r := range m.Scan(ctx, &connmgr.ScanOptions{Passive: true}) {
		for _, f := range r.Payloads(keys) {
			for _, v := range f.Readings[:min(len(f.Readings), 2)] {
				fmt.Println(r.Addr, f.Format, v.Kind, v.Value, v.Unit)
			}
			devices += min(len(f.Readings), 1)
		}
		if devices == 3 {
			break
		}
	}
	// Unordered output:
	// C0:FF:EE:00:01:01/random BTHome battery 97 %
	// C0:FF:EE:00:01:01/random BTHome temperature 25.06 °C
	// 54:48:E6:8F:80:A5/public BTHome temperature 25.06 °C
	// 54:48:E6:8F:80:A5/public BTHome humidity 50.55 %
	// CB:B8:33:4C:88:4F/random RuuviTag 5 temperature 24.3 °C
	// CB:B8:33:4C:88:4F/random RuuviTag 5 humidity 53.49 %
}
