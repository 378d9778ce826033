//go:build peers

package peers

import (
	"net"
	"reflect"
	"strings"
	"testing"
	"time"
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
			lines := make(chan string, 64)
			var ready struct{ Step string }
			startScript(t, "client.js", &ready, func(line []byte) { lines <- string(line) }, func() { close(lines) }, host, port, key)
			var got []string
			limit := time.After(2 * time.Minute)
			for len(got) < len(want) {
				select {
				case line, ok := <-lines:
					if !ok {
						t.Fatalf("the client ended after %q", got)
					}
					if got = append(got, line); strings.Contains(line, `"error","text"`) {
						t.Fatalf("%q", got)
					}
				case <-limit:
					t.Fatalf("the client is stuck after %q", got)
				}
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}
