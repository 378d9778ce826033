package cli

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/payload"
)

const (
	// maxSyncs is the number of periodic advertisers that scan --sync follows at a time.
	maxSyncs = 16
	// syncSearch bounds the search for a device that has just been heard.
	syncSearch = 10 * time.Second
)

// syncView follows the periodic advertising of the devices that a scan hears.
type syncView struct {
	a          *app
	keys       *payload.Keys
	only       *hci.MAC // nil: all devices
	duplicates bool     // shows data that has not changed too
	m          *connmgr.Manager
	ctx        context.Context
	cancel     context.CancelFunc
	start      time.Time
	running    sync.WaitGroup

	mu     sync.Mutex
	follow map[syncKey]bool // guarded by mu, as are the output and all below
	failed map[string]bool  // errors that were shown
}

// syncKey is a set whose periodic advertising is followed.
type syncKey struct {
	adapter string
	addr    hci.Addr
	sid     uint8
}

func newSyncView(a *app, duplicates bool, only *hci.MAC, keys *payload.Keys) *syncView {
	return &syncView{a: a, keys: keys, only: only, duplicates: duplicates, start: time.Now(), follow: map[syncKey]bool{}, failed: map[string]bool{}}
}

// begin sets the Manager of the scan, and the context of what is followed.
func (v *syncView) begin(ctx context.Context, m *connmgr.Manager) {
	v.m = m
	v.ctx, v.cancel = context.WithCancel(ctx)
}

func (v *syncView) report(r *connmgr.Report) {
	k := syncKey{r.Adapter, r.Report.Addr, r.SID}
	if r.PeriodicInterval == 0 || v.only != nil && *v.only != r.Addr.MAC && *v.only != k.addr.MAC {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.follow[k] || len(v.follow) >= maxSyncs {
		return
	}
	ctl := v.m.Adapter(r.Adapter).Controller()
	if ctl == nil {
		return
	}
	v.follow[k] = true
	shown, phy := r.Addr, hci.PHYs(1<<(max(r.PrimaryPHY, hci.PHY1M)-1))
	timeout := max(10*time.Second, (6 * r.PeriodicInterval).Round(10*time.Millisecond))
	v.running.Go(func() { v.followSet(ctl, k, shown, &controller.SyncOptions{PHYs: phy, Timeout: timeout}) })
}

// followSet shows the reports of a set until it is lost.
func (v *syncView) followSet(ctl *controller.Controller, k syncKey, shown hci.Addr, o *controller.SyncOptions) {
	err := v.showSet(ctl, k, shown, o)
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.follow, k) // it may be heard again
	if v.ctx.Err() != nil || err == nil {
		return
	}
	if text := fmt.Sprintf("%v, set %d: %v", shown, k.sid, err); !v.failed[text] {
		v.failed[text] = true
		v.a.printError(text, "")
	}
}

// showSet shows the reports of a set. A set that is lost is no error.
func (v *syncView) showSet(ctl *controller.Controller, k syncKey, shown hci.Addr, o *controller.SyncOptions) error {
	within, cancel := context.WithTimeout(v.ctx, syncSearch)
	defer cancel()
	s, err := ctl.Sync(within, k.addr, k.sid, o)
	if err != nil && within.Err() != nil {
		return fmt.Errorf("heard, but its periodic advertising was not found in %v", syncSearch)
	}
	if err != nil {
		return err
	}
	defer s.Close()
	v.showSync(&jsonSync{Time: time.Now(), Event: "synchronized", Adapter: k.adapter, Address: shown, SID: k.sid, Interval: millis(s.Interval()), PHY: s.PHY().String()})
	var last []byte
	first := true
	for r, err := range s.All(v.ctx) {
		switch {
		case err != nil && v.ctx.Err() != nil:
			return nil
		case err != nil:
			v.showSync(&jsonSync{Time: time.Now(), Event: "lost", Adapter: k.adapter, Address: shown, SID: k.sid, Error: err.Error()})
			return nil
		case !first && !v.duplicates && bytes.Equal(last, r.Data):
			continue
		}
		first, last = false, r.Data
		j := &jsonSync{
			Time: r.Time, Event: "periodic", Adapter: k.adapter, Address: shown, SID: k.sid, Truncated: r.Truncated,
			Data: new(hex.EncodeToString(r.Data)), Payloads: payload.Decode(shown, r.Data, nil, v.keys), Lost: s.Dropped(),
		}
		if r.RSSI != controller.RSSIUnknown {
			j.RSSI = &r.RSSI
		}
		v.showSync(j)
	}
	return nil
}

// jsonSync is the output of scan --sync --json.
type jsonSync struct {
	Time      time.Time       `json:"time"`
	Event     string          `json:"event"` // synchronized, periodic or lost
	Adapter   string          `json:"adapter"`
	Address   hci.Addr        `json:"address"`
	SID       uint8           `json:"sid"`
	Interval  float64         `json:"interval_ms,omitempty"`
	PHY       string          `json:"phy,omitempty"`
	RSSI      *int8           `json:"rssi,omitempty"` // dBm
	Truncated bool            `json:"truncated,omitempty"`
	Data      *string         `json:"data,omitempty"` // hexadecimal
	Payloads  []payload.Frame `json:"payloads,omitempty"`
	Lost      uint64          `json:"lost_reports,omitempty"` // so far
	Error     string          `json:"error,omitempty"`
}

// showSync writes one line.
func (v *syncView) showSync(j *jsonSync) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.a.JSON {
		v.a.out.json(j)
		return
	}
	var text string
	switch j.Event {
	case "synchronized":
		text = fmt.Sprintf("synchronized, every %vms on %s", j.Interval, j.PHY)
	case "lost":
		text = "lost: not heard any more"
	default:
		parts := append([]string{*j.Data}, payloadTexts(j.Payloads)...)
		if j.Truncated {
			parts = append(parts, "cut off")
		}
		strength := "? dBm"
		if j.RSSI != nil {
			strength = rssiText(*j.RSSI)
		}
		text = pad(strength, 8) + "  " + strings.Join(parts, "  ")
	}
	var t table
	t.row(pad(sinceText(j.Time.Sub(v.start)), 9), pad(j.Address.String(), 24), fmt.Sprintf("set %d", j.SID), text)
	v.a.out.table(&t)
}

func (v *syncView) tick(time.Time) {}

// endView ends what is followed.
func (v *syncView) endView(uint64) {
	v.cancel()
	v.running.Wait()
}
