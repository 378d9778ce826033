//go:build peers

package peers

import (
	"context"
	"net"
	"reflect"
	"strings"
	"testing"

	"github.com/moor-ble/moor/esphome"
	"github.com/moor-ble/moor/test/conntest"
	"github.com/moor-ble/moor/uuid"
)

// TestESPHomeClient has aioesphomeapi, Home Assistant's library, speak to a server of
// package esphome, in plain text and with Noise, and with keys that do not fit.
func TestESPHomeClient(t *testing.T) {
	key, other := esphome.NewKey(), esphome.NewKey()
	whole := []string{
		`{"step": "info", "name": "moor-test", "mac": "02:C0:FF:EE:00:01", "flags": 255, "bluetooth_mac": "02:C0:FF:EE:00:01", "project": "moor.proxy"}`,
		`{"step": "slots", "values": [2, 3, [2748]]}`,
		`{"step": "state", "values": [2, 0]}`,
		`{"step": "heard", "values": [[[212205442170881, -60, 1, "020106"], [2, -127, 0, ""]]]}`,
		`{"step": "link", "values": [true, 247, 0]}`,
		`{"step": "services", "values": [["0000180f-0000-1000-8000-00805f9b34fb", 1, [["00002a19-0000-1000-8000-00805f9b34fb", 3, 18, ["00002902-0000-1000-8000-00805f9b34fb"]]]]]}`,
		`{"step": "read", "value": "57"}`,
		`{"step": "failed", "error": 5}`,
		`{"step": "link", "values": [false, 0, 0]}`,
		`{"step": "done"}`,
	}
	tests := []struct {
		name           string
		server, client *esphome.Key
		want           []string
	}{
		{"plain", nil, nil, whole},
		{"noise", &key, &key, whole},
		{"wrong key", &key, &other, []string{`{"step": "refused", "error": "InvalidEncryptionKeyAPIError"}`}},
		{"client without a key", &key, nil, []string{`{"step": "refused", "error": "RequiresEncryptionAPIError"}`}},
		{"server without a key", nil, &key, []string{`{"step": "refused", "error": "EncryptionPlaintextAPIError"}`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			host, port := serveESPHome(t, tt.server)
			var text string
			if tt.client != nil {
				text = tt.client.String()
			}
			lines := make(chan string, 64)
			var ready struct{ Step string }
			startScript(t, "esphome.py", &ready, func(line []byte) { lines <- string(line) }, func() { close(lines) }, host, port, text)
			var got []string
			for len(got) < len(tt.want) {
				select {
				case line, ok := <-lines:
					if !ok {
						t.Fatalf("the client ended after %q", got)
					}
					got = append(got, line)
				case <-conntest.Within(t).Done():
					t.Fatalf("the client is stuck after %q", got)
				}
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}

// serveESPHome serves clients with what the test expects of them, on a port of loopback.
func serveESPHome(t *testing.T, key *esphome.Key) (host, port string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	t.Cleanup(func() { cancel(); l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conn, err := esphome.Accept(ctx, c, key, esphome.Identity{Name: "moor-test", MAC: "02c0ffee0001"})
			if err != nil {
				continue
			}
			_ = esphome.NewSession(conn, esphome.SessionConfig{
				Info: esphome.DeviceInfoResponse{
					Name: "moor-test", MAC: "02:C0:FF:EE:00:01", BluetoothMAC: "02:C0:FF:EE:00:01", Version: "2026.11.0",
					Project: "moor.proxy", ProjectVersion: "0.1.0", Proxy: esphome.AllFlags, Encryption: key != nil,
				},
				Server: "moor",
				Handle: answerESPHome,
			}).Run(ctx)
		}
	}()
	host, port, err = net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return host, port
}

// answerESPHome answers the requests of esphome.py for one device with one service.
func answerESPHome(s *esphome.Session, m esphome.Message) {
	const device = 0xC0FFEE000001
	switch m := m.(type) {
	case *esphome.SubscribeSlots:
		s.Send(&esphome.Slots{Free: 2, Limit: 3, Allocated: []esphome.Address{0xABC}})
	case *esphome.SubscribeAdvertisements:
		s.Send(&esphome.ScannerState{State: esphome.ScanRunning})
		s.Send(&esphome.Advertisements{Reports: []esphome.Advertisement{
			{Address: device, RSSI: -60, Kind: 1, Data: []byte{2, 1, 6}}, {Address: 2, RSSI: -127},
		}})
	case *esphome.DeviceRequest:
		up := m.Type == esphome.ConnectWithoutCache
		r := &esphome.DeviceConnection{Address: m.Address, Connected: up}
		if up {
			r.MTU = 247
		}
		s.Send(r)
	case *esphome.ServicesRequest:
		short := s.ShortUUIDs()
		var svc esphome.Service
		var chr esphome.Characteristic
		var dsc esphome.Descriptor
		svc.UUID, svc.Short = esphome.EncodeUUID(uuid.From16(0x180F), short)
		chr.UUID, chr.Short = esphome.EncodeUUID(uuid.From16(0x2A19), short)
		dsc.UUID, dsc.Short = esphome.EncodeUUID(uuid.From16(0x2902), short)
		svc.Handle, chr.Handle, dsc.Handle, chr.Properties = 1, 3, 4, 0x12
		chr.Descriptors = []esphome.Descriptor{dsc}
		svc.Characteristics = []esphome.Characteristic{chr}
		s.Send(&esphome.ServicesResponse{Address: m.Address, Services: []esphome.Service{svc}})
		s.Send(&esphome.ServicesDone{Address: m.Address})
	case *esphome.ReadRequest:
		if m.Handle == 3 {
			s.Send(&esphome.ReadResponse{Address: m.Address, Handle: m.Handle, Data: []byte{87}})
		} else {
			s.Send(&esphome.GATTError{Address: m.Address, Handle: m.Handle, Error: 5})
		}
	}
}
