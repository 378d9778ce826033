//go:build peers

package peers

import (
	"net"
	"testing"
)

// TestProxyOfNPM has a client of ESPHome from npm use moor proxy, in plain text and over
// Noise.
func TestProxyOfNPM(t *testing.T) {
	for _, encrypted := range []string{"false", "true"} {
		t.Run("encrypted "+encrypted, func(t *testing.T) {
			args := []string{}
			if encrypted == "false" {
				args = []string{"--plaintext"}
			}
			address, key := startProxy(t, "sim:sensors", args...)
			host, port, err := net.SplitHostPort(address)
			if err != nil {
				t.Fatal(err)
			}
			want := []string{
				`{"step":"info","name":"moor-peers","flags":255,"encrypted":` + encrypted + `}`,
				`{"step":"heard","rssi":true,"kind":1}`,
				`{"step":"read","connected":true,"mtu":true,"octets":2}`,
				`{"step":"notified","octets":2}`,
				`{"step":"disconnected","connected":false,"error":0}`,
				`{"step":"written","value":"01"}`,
				`{"step":"written","value":"00"}`,
				`{"step":"paired","paired":true}`,
				`{"step":"unpaired","success":true}`,
				`{"step":"done"}`,
			}
			wantSteps(t, "client.js", want, host, port, key)
		})
	}
}
