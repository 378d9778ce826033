package cli

import (
	"slices"
	"strings"
	"testing"
)

func TestInfo(t *testing.T) {
	inAir(t, "info", func(t *testing.T) {
		r := moor(t.Context(), "-a", "sim:", "info", belt)
		for _, want := range []string{
			"address      C0:FF:EE:00:00:02/random, static random address\n", "version      Bluetooth 5.3\n",
			"PHY          2M out, 2M in\n", "data length  251 octets out, 251 octets in\n", "MTU          517 octets\n",
			"RSSI         -50 dBm\n", "interval     7.5ms\n", "latency      0 intervals\n", "timeout      2s\n", "encrypted    no\n",
		} {
			if !strings.Contains(r.stdout, want) {
				t.Errorf("no %q in:\n%s", want, r.stdout)
			}
		}
		if r.code != 0 || r.stderr != "" {
			t.Errorf("exit code %d, stderr %q", r.code, r.stderr)
		}
	})
	inAir(t, "JSON", func(t *testing.T) {
		got := objects[jsonInfo](t, moor(t.Context(), "-a", "sim:", "--json", "info", belt))
		if len(got) != 1 || got[0].Address.String() != belt || got[0].Interval != 7.5 || got[0].Timeout != 2000 || !slices.Contains(got[0].Features, "LE 2M PHY") {
			t.Errorf("got %+v, want %s with an interval of 7.5 ms, a timeout of 2000 ms and LE 2M PHY among the features", got, belt)
		}
	})
}
