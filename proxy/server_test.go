package proxy_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/esphome"
	"github.com/moor-ble/moor/proxy"
)

func TestConfig(t *testing.T) {
	for _, tt := range []struct {
		cfg  proxy.Config
		want string
	}{
		{proxy.Config{Name: "Attic", MAC: mac}, `the name "Attic" is no host name`},
		{proxy.Config{Name: "attic-", MAC: mac}, "no host name"},
		{proxy.Config{MAC: mac}, `the name "" is no host name`},
		{proxy.Config{Name: strings.Repeat("a", 32), MAC: mac}, "no host name"},
		{proxy.Config{Name: "attic"}, "the MAC is zero"},
		{proxy.Config{Name: "attic", MAC: mac, MaxConnections: -1}, "MaxConnections is -1"},
	} {
		if _, err := proxy.New(nil, &tt.cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: got %v", tt.cfg, err)
		}
	}
}

// TestInfo: a client learns what the proxy is.
func TestInfo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 1, 2, proxy.Config{})
		u := l.user("first")
		u.send(&esphome.DeviceInfoRequest{})
		u.want(&esphome.DeviceInfoResponse{
			Name: "moor-test", FriendlyName: "moor-test", MAC: "02:FF:EE:00:00:01", BluetoothMAC: "02:FF:EE:00:00:01",
			Version: "2026.11.0", Model: "moor", Manufacturer: "moor", Project: "moor.proxy", ProjectVersion: "0.1.0", Proxy: 255,
		})
	})
}

// TestManyClients: as many as the proxy serves, and none of those that go is left.
func TestManyClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 1, 2, proxy.Config{})
		for range 3 {
			var all []*user
			for range proxy.MaxClients {
				u := l.user("one")
				u.send(&esphome.SubscribeSlots{}, &esphome.SubscribeAdvertisements{})
				all = append(all, u)
			}
			time.Sleep(time.Second)
			for _, u := range all {
				u.conn.Close()
			}
			time.Sleep(time.Second)
		}
	})
}
