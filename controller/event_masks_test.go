package controller

import (
	"slices"
	"testing"

	"github.com/moor-ble/moor/hci"
)

// upTo returns 0 to n.
func upTo(n int) (bits []int) {
	for bit := range n + 1 {
		bits = append(bits, bit)
	}
	return bits
}

// TestEventMasks checks the masks bit by bit against the tables of Vol 4, Part
// E, 7.3.1 and 7.8.1.
func TestEventMasks(t *testing.T) {
	everything := Info{Extended: true, Features: ^hci.Features(0)}
	for i := range everything.Commands {
		everything.Commands[i] = 0xFF
	}
	for _, test := range []struct {
		name string
		mask uint64
		bits []int
	}{
		{"events", eventMasks()[0], append(upTo(44), 47, 61)},
		{"events, if reserved bits are refused", eventMasks()[1], []int{4, 7, 11, 15, 25, 47, 61}},
		{"LE events of the least controller", (&Info{}).leEventMask(), []int{0, 1, 2, 3, 4}},
		{"LE events of a controller that has everything", everything.leEventMask(), []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17}},
	} {
		var got []int
		for bit := range 64 {
			if test.mask>>bit&1 == 1 {
				got = append(got, bit)
			}
		}
		if !slices.Equal(got, test.bits) {
			t.Errorf("%s: bits %v, want %v", test.name, got, test.bits)
		}
	}
}
