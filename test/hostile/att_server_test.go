package hostile_test

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestRequests: requests of a client and their answers. The table has GAP at 1 to 5,
// GATT at 6 to 15, and Battery Service at 16 to 19, with its level at 18.
func TestRequests(t *testing.T) {
	for name, test := range map[string]struct {
		send string
		want []string
	}{
		"no opcode known":                {"3f", []string{"01 3f 0000 06"}},
		"a command not known":            {"7f 01 02", nil},
		"an MTU request cut off":         {"02 17", []string{"01 02 0000 04"}},
		"an MTU request of 0":            {"02 0000", []string{"03 0502"}},
		"a read of handle 0":             {"0a 0000", []string{"01 0a 0000 01"}},
		"a read behind the table":        {"0a ffff", []string{"01 0a ffff 01"}},
		"a read cut off":                 {"0a 12", []string{"01 0a 0000 04"}},
		"a read with more behind it":     {"0a 1200 00", []string{"01 0a 0000 04"}},
		"a read beyond the value":        {"0c 1200 0200", []string{"01 0c 1200 07"}},
		"discovery from handle 0":        {"10 0000 ffff 0028", []string{"01 10 0000 01"}},
		"discovery backwards":            {"10 0500 0400 0028", []string{"01 10 0500 01"}},
		"discovery by a type of 3":       {"10 0100 ffff 002800", []string{"01 10 0000 04"}},
		"groups of no group type":        {"10 0100 ffff 0328", []string{"01 10 0100 10"}},
		"values of no type":              {"08 0100 ffff", []string{"01 08 0000 04"}},
		"information without an end":     {"04 0100", []string{"01 04 0000 04"}},
		"find by type without a value":   {"06 0100 ffff 0028", []string{"01 06 0100 0a"}},
		"multiple reads of one":          {"0e 1200", []string{"01 0e 0000 04"}},
		"multiple reads of three halves": {"0e 1200 12", []string{"01 0e 0000 04"}},
		"a write of nothing":             {"12", []string{"01 12 0000 04"}},
		"a write to a declaration":       {"12 1100 00", []string{"01 12 1100 03"}},
		"a write beyond 512 in parts":    {"16 1200 0102 00", []string{"17 1200 0102 00"}},
		"an execute of nothing":          {"18 01", []string{"19"}},
		"an execute with other flags":    {"18 02", []string{"01 18 0000 04"}},
		"a CCCD of one octet":            {"12 1300 01", []string{"01 12 1300 0d"}},
		"a CCCD of three octets":         {"12 1300 010000", []string{"01 12 1300 0d"}},
		"a confirmation of nothing":      {"1e", nil},
		"a signed write":                 {"d2 1200 00 000000000000000000000000", nil},
		"a request beyond the MTU":       {"12 1200 000000000000000000000000000000000000000000000000", []string{"01 12 0000 04"}},
	} {
		t.Run(name, bubble(func(w *world) {
			c, e := w.connect()
			e.take()
			e.att(test.send)
			var want []string
			for _, s := range test.want {
				want = append(want, "0004: "+stripped(s))
			}
			e.want(test.send, want...)
			w.wantRead(c, "on the same link")
		}))
	}
}

// TestRequestsInOneGo: a few requests without waiting for answers are answered in order;
// more of them end the link.
func TestRequestsInOneGo(t *testing.T) {
	bubble(func(w *world) {
		c, e := w.connect()
		e.take()
		e.att("0a 1200")
		e.att("0a ffff")
		e.want("two requests in one go", "0004: 0b4d", "0004: 010affff01")
		w.wantRead(c, "on the same link")
	})(t)
}

// TestPreparedWritesWithoutEnd: the queue is bounded and ends with its link.
func TestPreparedWritesWithoutEnd(t *testing.T) {
	bubble(func(w *world) {
		c, e := w.connect()
		w.wantFlat(func() {
			for range 70 {
				e.att("16 1200 0000 000102030405060708090a0b0c0d0e0f1011")
				time.Sleep(2 * interval)
			}
			e.drain()
		})
		e.att("16 1200 0000 00")
		e.want("one more than the queue holds", "0004: 0116120009")
		e.att("18 00")
		e.drain()
		w.wantRead(c, "on the same link")
	})(t)
}

// TestCommandFlood: writes without response as fast as the air carries them.
func TestCommandFlood(t *testing.T) {
	bubble(func(w *world) {
		c, e := w.connect()
		w.wantFlat(func() {
			for range 5000 {
				e.att("52 1200 01")
			}
			e.drain()
		})
		w.wantRead(c, "on the same link")
	})(t)
}

// TestServerNoise: ten thousand PDUs of noise. The peer may lose its link; no other
// link goes down.
func TestServerNoise(t *testing.T) {
	bubble(func(w *world) {
		rng := rand.New(rand.NewPCG(5, 6))
		lost := 0
		for range 40 {
			c, e := w.connect()
			for range 250 {
				b := make([]byte, rng.IntN(30))
				for i := range b {
					b[i] = byte(rng.Uint32())
				}
				if len(b) > 0 && rng.IntN(2) == 0 {
					b[0] = byte(rng.IntN(0x24))
				}
				if len(b) > 2 {
					b[2] = 0
				}
				e.Send(cidATT, b)
				if rng.IntN(4) == 0 {
					time.Sleep(interval)
				}
			}
			e.drain()
			if c.Err() != nil {
				lost++
				continue
			}
			if _, err := c.GATT().ReadHandle(w.t.Context(), 3); err != nil {
				w.t.Errorf("a link that was not lost: %v", err)
			}
			c.Close()
		}
		w.t.Logf("%d of 40 links lost", lost)
	})(t)
}
