package proxy_test

import (
	"context"
	"net"
	"os"
	"strings"
	"syscall"
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

// tired is a listener that has no descriptor for a while.
type tired struct {
	*pipe
	failures int
}

func (t *tired) Accept() (net.Conn, error) {
	if t.failures > 0 {
		t.failures--
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	}
	return t.pipe.Accept()
}

// TestNoDescriptors: a proxy survives a while without descriptors, and serves then.
func TestNoDescriptors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 1, 2, proxy.Config{})
		l.stop()
		cfg := proxy.Config{Name: "moor-test", MAC: mac, Version: "0.1.0"}
		s, err := proxy.New(l.m, &cfg)
		if err != nil {
			t.Fatal(err)
		}
		l.pipe = &pipe{conns: make(chan net.Conn), closed: make(chan struct{})}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Serve(ctx, &tired{l.pipe, 10}) }()
		time.Sleep(10 * time.Second)
		select {
		case err := <-ended:
			t.Fatal(err)
		default:
		}
		l.user("first")
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
