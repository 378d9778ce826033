//go:build kernel

package kernel

import (
	"encoding/json"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/test/moortest"
)

// TestProxyChain has the libraries of Home Assistant, from aioesphomeapi to bleak, use
// bluetoothd's table through moor proxy and Noise. Their second connection finds the
// table in a cache: it asks for no services.
func TestProxyChain(t *testing.T) {
	onNewest(t)
	startAir(t)
	_, table := startPeer(t)
	m := moortest.New(t, "--adapter", "hci0", "--json")
	proxy := m.Start(t, "proxy", "--listen", "127.0.0.1:0")
	var listening struct {
		Address string `json:"address"`
		KeyFile string `json:"key_file"`
	}
	if err := json.Unmarshal([]byte(proxy.Line(t)), &listening); err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(listening.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	chain := startScript(t, "chain.py", listening.Address, strings.TrimSpace(string(key)), peerAddress, scratchUUID, valuesUUID)
	for _, want := range []string{
		`{"step": "heard", "name": "moor-bluez"}`,
		`{"step": "subscribed"}`,
		`{"step": "cold", "before": "01020304", "after": "cold", "notified": "02020304"}`,
		`{"step": "subscribed"}`,
		`{"step": "warm", "before": "636f6c64", "after": "warm", "notified": "03020304"}`,
		`{"step": "done"}`,
	} {
		if got := chain.line(t); got != want {
			t.Fatalf("%s, want %s", got, want)
		}
		switch {
		case strings.Contains(want, "subscribed"):
			table.notify(t)
		case strings.Contains(want, "heard"), strings.Contains(want, `"step": "cold"`):
			table.ready(t)
			if _, err := io.WriteString(chain.in, "\n"); err != nil {
				t.Fatal(err)
			}
		}
	}
	proxy.Interrupt(t)
	proxy.Wait(t).OK(t)
	links := requestsOf(t, proxy.Capture)
	if len(links) != 2 {
		t.Fatalf("%d links with requests, want 2: %v", len(links), links)
	}
	discovers := func(ops []att.Opcode) bool { return slices.Contains(ops, att.OpReadByGroupTypeReq) }
	if !discovers(links[0]) || discovers(links[1]) {
		t.Errorf("requests of the links: %v, want services discovered on the first alone", links)
	}
}

// requestsOf returns the requests of the host in a capture, for each link.
func requestsOf(t *testing.T, path string) (links [][]att.Opcode) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fresh := true
	for r, err := range hci.ReadSnoop(f) {
		if err != nil {
			t.Fatal(err)
		}
		p := r.Packet
		if hci.PacketType(p[0]) == hci.PacketEvent {
			if ev, _ := hci.ParseEvent(p[1:]); ev != nil {
				_, ended := ev.(*hci.DisconnectionComplete)
				fresh = fresh || ended
			}
			continue
		}
		// An attribute PDU follows the headers of ACL data and of channel 4.
		if hci.PacketType(p[0]) != hci.PacketACL || !r.Sent || len(p) < 10 || p[7] != 4 || att.Opcode(p[9]).Kind() != att.KindRequest {
			continue
		}
		if fresh {
			links = append(links, nil)
			fresh = false
		}
		links[len(links)-1] = append(links[len(links)-1], att.Opcode(p[9]))
	}
	return links
}
