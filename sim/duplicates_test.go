package sim

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moor-ble/moor/hci"
)

// TestDuplicateRules changes the data of a device and then its scan response.
func TestDuplicateRules(t *testing.T) {
	for rule, want := range map[DuplicateRule][]string{
		DuplicatesByType:    {"adv 1", "rsp 1"},
		DuplicatesByAddress: {"adv 1"},
		DuplicatesByData:    {"adv 1", "rsp 1", "adv 2", "rsp 2"},
	} {
		bubble(t, nil, func(t *testing.T, a *Air) {
			h := newHost(t, a.NewController(&ControllerConfig{Duplicates: rule})).up()
			p := a.NewRawPeer(&RawPeerConfig{AdvData: []byte("adv 1"), ScanResponse: []byte("rsp 1")})
			h.scan(hci.LESetScanParameters{Active: true}, false)
			var got []string
			collect := func() {
				for {
					b, ok := h.tryRead(10 * time.Second)
					if !ok {
						return
					}
					got = append(got, string(b[14:19]))
				}
			}
			collect()
			p.SetAdvData([]byte("adv 2"), []byte("rsp 1"))
			collect()
			p.SetAdvData([]byte("adv 2"), []byte("rsp 2"))
			collect()
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("rule %d (-want +got):\n%s", rule, diff)
			}
		})
	}
}

// TestDuplicateMemory forgets the oldest of three advertisers when there is room
// for two, and none without a limit.
func TestDuplicateMemory(t *testing.T) {
	for limit, again := range map[int]bool{2: true, 3: false, -1: false} {
		bubble(t, nil, func(t *testing.T, a *Air) {
			h := newHost(t, a.NewController(&ControllerConfig{DuplicateCache: limit})).up()
			for range 3 {
				a.NewRawPeer(&RawPeerConfig{Type: hci.AdvNonconnInd})
			}
			h.scan(hci.LESetScanParameters{}, false)
			heard := map[hci.Addr]int{}
			for {
				b, ok := h.tryRead(time.Second)
				if !ok || len(heard) == 3 && heard[addrOf(t, b)] > 5 {
					break
				}
				heard[addrOf(t, b)]++
			}
			for p, n := range heard {
				if len(heard) != 3 || (n > 1) != again {
					t.Errorf("memory of %d: %v reported %d times", limit, p, n)
				}
			}
		})
	}
}

func addrOf(t *testing.T, b []byte) hci.Addr {
	t.Helper()
	ev, err := hci.ParseEvent(b[1:])
	if err != nil {
		t.Fatal(err)
	}
	return ev.(*hci.LEAdvertisingReport).Reports[0].Addr
}
