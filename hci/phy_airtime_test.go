package hci

import (
	"testing"
	"time"
)

// The times are those of the longest data packets, of 251 octets and a MIC: 2120 µs on 1M,
// 1064 µs on 2M and 17040 µs coded (Vol 6, Part B, 4.5.10).
func TestAirtime(t *testing.T) {
	for _, c := range []struct {
		phy  PHY
		n    int
		want time.Duration
	}{
		{PHY1M, 0, 80}, {PHY1M, 27, 296}, {PHY1M, 251 + 4, 2120}, {PHY2M, 251 + 4, 1064}, {PHYCoded, 251 + 4, 17040}, {0, 27, 296},
	} {
		if got := c.phy.Airtime(c.n); got != c.want*time.Microsecond {
			t.Errorf("%v, %d octets: %v, want %v µs", c.phy, c.n, got, int(c.want))
		}
	}
}
