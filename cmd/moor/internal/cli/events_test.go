package cli

import (
	"encoding/json"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
)

// The recovery of an adapter is told, in words and in JSON.
func TestRecoveryEvent(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, c := range []struct {
		ev         connmgr.RungTaken
		text, json string
	}{
		{connmgr.RungTaken{Time: at, Adapter: "hci0", Rung: connmgr.RungPowerCycle}, "adapter hci0: power cycle, to bring it back",
			`{"time":"2026-01-02T03:04:05Z","event":"recovery","adapter":"hci0","rung":"power cycle"}`},
		{connmgr.RungTaken{Time: at, Adapter: "hci0", Rung: connmgr.RungUSBReset, Err: errors.New("no answer")}, "adapter hci0: USB reset failed: no answer",
			`{"time":"2026-01-02T03:04:05Z","event":"recovery","adapter":"hci0","error":"no answer","rung":"USB reset"}`},
	} {
		if got := eventText(c.ev); got != c.text {
			t.Errorf("%+v is %q, want %q", c.ev, got, c.text)
		}
		if got, err := json.Marshal(newJSONEvent(c.ev)); err != nil || string(got) != c.json {
			t.Errorf("%+v is %s, %v, want %s", c.ev, got, err, c.json)
		}
	}
}

// The end of a controller is explained once, in the event of its adapter, and not again
// for each of its links.
func TestLinkOfAnEndedController(t *testing.T) {
	ended := &controller.Error{What: "transport read", Err: io.EOF}
	peer := hci.Addr{MAC: hci.MAC{1, 0, 0, 0xEE, 0xFF, 0xC0}}
	for _, c := range []struct {
		ev   connmgr.Event
		text string
	}{
		{connmgr.AdapterChanged{Adapter: "hci0", State: connmgr.AdapterDown, Err: ended}, "adapter hci0 is down: ended: transport read: EOF"},
		{connmgr.Disconnected{Adapter: "hci0", Address: peer, Err: &controller.DisconnectError{Peer: peer, Cause: ended}},
			"C0:FF:EE:00:00:01: disconnected on hci0: the adapter went down"},
		{connmgr.Disconnected{Adapter: "hci0", Address: peer, Err: &controller.DisconnectError{Peer: peer, Reason: hci.StatusConnectionTimeout}},
			"C0:FF:EE:00:00:01: disconnected on hci0: link to C0:FF:EE:00:00:01/public ended: connection timeout (0x08)"},
	} {
		if got := eventText(c.ev); got != c.text {
			t.Errorf("%+v is %q, want %q", c.ev, got, c.text)
		}
	}
}
