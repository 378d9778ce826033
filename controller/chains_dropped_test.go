package controller_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcitest"
	"github.com/moor-ble/moor/internal/loop"
)

// TestChainsOfDroppedReports floods a Controller whose loop is busy, so that reports are
// dropped: the first, middle and last pieces of advertisements. No advertisement is put
// together from what is left of them. Those that have lost nothing are delivered.
func TestChainsOfDroppedReports(t *testing.T) { synctest.Test(t, testChainsOfDroppedReports) }

func testChainsOfDroppedReports(t *testing.T) {
	host, ctl := hcitest.Pipe()
	s := newExtendedScript(ctl, hci.StatusSuccess)
	d := open(t, s, host, &controller.Config{ReportQueue: 10_000})
	sc, err := d.Scan(t.Context(), &controller.ScanOptions{Duplicates: true})
	if err != nil {
		t.Fatal(err)
	}
	defer sc.Close()
	const queue = 4096
	piece := func(from byte, incomplete bool, data string) {
		r := hci.ExtAdvReport{Addr: addr(from), PrimaryPHY: hci.PHY1M, SecondaryPHY: hci.PHY1M, SID: 1, Data: hci.AdvData(data)}
		if incomplete {
			r.Type = hci.ExtAdvIncomplete
		}
		s.send(&hci.LEExtendedAdvertisingReport{Reports: []hci.ExtAdvReport{r}})
	}
	flood := func(during func()) { // calls during while the queue is full
		t.Helper()
		busy := make(chan struct{})
		d.Post(loop.Func(func(time.Time) { <-busy }))
		synctest.Wait() // the reader handles packets until the loop does
		for range queue {
			piece(0, false, "flood")
		}
		synctest.Wait()
		during()
		synctest.Wait()
		close(busy)
		synctest.Wait()
	}
	whole := func() (got []string) {
		for {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			r, err := sc.Next(ctx)
			if err != nil {
				if !errors.Is(err, context.Canceled) {
					t.Fatal(err)
				}
				return got
			}
			if !bytes.Equal(r.Data, []byte("flood")) {
				got = append(got, string(r.Data))
			}
		}
	}
	piece(1, true, "last is dropped ")
	piece(2, true, "middle is dropped ")
	piece(4, true, "nothing is ")
	synctest.Wait()
	flood(func() {
		piece(1, false, "x")
		piece(2, true, "x")
		piece(3, true, "first is dropped")
		piece(5, false, "alone")
	})
	piece(2, false, "wrong")
	piece(3, true, "wrong ")
	piece(3, false, "wrong")
	piece(4, false, "dropped")
	for from := range byte(5) {
		piece(1+from, true, "next ")
		piece(1+from, false, "one")
	}
	synctest.Wait()
	want := []string{"nothing is dropped", "next one", "next one", "next one", "next one", "next one"}
	if got := whole(); !slices.Equal(got, want) {
		t.Errorf("delivered %q, want %q", got, want)
	}
	if n := d.Stats().DroppedAdvertRead; n != 4 {
		t.Errorf("%d reports were dropped, want 4", n)
	}
}
