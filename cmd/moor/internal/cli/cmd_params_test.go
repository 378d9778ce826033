package cli

import (
	"testing"
)

func TestParams(t *testing.T) {
	inAir(t, "params", func(t *testing.T) {
		moor(t.Context(), "-a", "sim:", "params", belt, "--interval", "100ms-125ms", "--latency", "4", "--timeout", "6s").want(t, 0,
			"before  interval 7.5ms, latency 0, supervision timeout 2s\n"+
				"now     interval 125ms, latency 4, supervision timeout 6s\n", "")
	})
	inAir(t, "JSON", func(t *testing.T) {
		moor(t.Context(), "-a", "sim:", "--json", "params", belt, "--interval", "30ms").want(t, 0,
			`{"address":"C0:FF:EE:00:00:02/random","interval_ms":30,"latency":0,"timeout_ms":4200}`+"\n", "")
	})
}
