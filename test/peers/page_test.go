//go:build peers

package peers

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moor-ble/moor/esphome"
	"github.com/moor-ble/moor/test/moortest"
)

// pageView is what a browser has seen.
type pageView struct {
	View, Title, Name                                            string
	Scripts, Totals, Adapters, Links, Clients, Failures, Devices []string
	Values, Requests, Errors                                     []string
	Inserted, Lines, Overflow                                    int
	Background                                                   string
	Offline                                                      bool
}

// proxyPage is a proxy with a page.
type proxyPage struct{ Address, Name, Page string }

// startPage starts a proxy with a page on a scenario.
func startPage(t *testing.T, adapters ...string) *proxyPage {
	t.Helper()
	args := []string{"--json", "--state", t.TempDir()}
	for _, a := range adapters {
		args = append(args, "-a", a)
	}
	run := moortest.New(t, args...).Start(t, "proxy", "--name", "attic", "--listen", "127.0.0.1:0", "--plaintext", "--metrics", "127.0.0.1:0")
	p := &proxyPage{}
	if err := json.Unmarshal([]byte(run.Line(t)), p); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		run.Interrupt(t)
		run.Wait(t).OK(t)
	})
	return p
}

// subscribe connects a client that hears devices and asks for some of them.
func (p *proxyPage) subscribe(t *testing.T, name string, devices ...esphome.Address) {
	t.Helper()
	c, err := net.Dial("tcp", p.Address)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := esphome.Connect(context.Background(), c, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.Write(&esphome.HelloRequest{Client: name, Major: 1, Minor: 14}, &esphome.SubscribeAdvertisements{Flags: 1}); err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			m, err := conn.Read()
			if err != nil {
				return
			}
			if _, ok := m.(*esphome.PingRequest); ok {
				_ = conn.Write(&esphome.PingResponse{})
			}
		}
	}()
	for _, d := range devices {
		if err := conn.Write(&esphome.DeviceRequest{Address: d, Type: esphome.ConnectWithoutCache, HasKind: true, Kind: 1}); err != nil {
			t.Fatal(err)
		}
	}
}

// browse has Chromium look at the page, wide, narrow, and at what it has asked for.
func browse(t *testing.T, p *proxyPage, args ...string) (wide, narrow, asked pageView) {
	t.Helper()
	var views []pageView
	over, ended := make(chan struct{}), make(chan struct{})
	var first pageView
	startScript(t, "browser.py", &first, func(line []byte) {
		var v pageView
		if err := json.Unmarshal(line, &v); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		if views = append(views, v); v.View == "requests" {
			close(over)
		}
	}, func() { close(ended) }, append([]string{p.Page}, args...)...)
	select {
	case <-over:
	case <-ended:
		t.Fatalf("the browser ended after %d views", len(views))
	case <-time.After(10 * time.Minute):
		t.Fatal("the browser is stuck")
	}
	if len(views) != 3 {
		t.Fatalf("%d views", len(views))
	}
	return views[0], views[1], views[2]
}

// TestProxyPage has Chromium look at the page of moor proxy. With MOOR_PICTURES, a folder,
// it leaves pictures there: make proxy-pictures.
func TestProxyPage(t *testing.T) {
	p := startPage(t, "sim:./testdata/house.yaml")
	p.subscribe(t, "Home Assistant 2026.11.3", 0xC0FFEE000107, 0xC0FFEE000108)
	p.subscribe(t, "logger")
	args := []string{"5"}
	if folder := os.Getenv("MOOR_PICTURES"); folder != "" {
		args = []string{"240", folder}
	}
	wide, narrow, asked := browse(t, p, args...)
	for _, v := range []pageView{wide, narrow} {
		if v.Title != "attic · moor" || v.Name != "attic" || v.Offline || v.Overflow > 0 {
			t.Errorf("%s: %+v", v.View, v)
		}
		want := []string{"Cellar", "Desk lamp", "Front door", "Garden lock", "Kitchen window", "Living room", "Nursery", "Terrace"}
		heard := slices.DeleteFunc(slices.Clone(want), func(n string) bool { return !slices.Contains(v.Devices, n) })
		if !reflect.DeepEqual(heard, v.Devices) || len(heard) < 6 { // one that is connected does not advertise
			t.Errorf("%s: devices %q, want most of %q, in this order", v.View, v.Devices, want)
		}
		for _, value := range []string{"25 °C", "50.55 %", "window open: yes", "BTHome: no key"} {
			if !slices.Contains(v.Values, value) {
				t.Errorf("%s: values %q without %q", v.View, v.Values, value)
			}
		}
		if v.Lines < 6 {
			t.Errorf("%s: %d devices have a line", v.View, v.Lines)
		}
		if text := strings.Join(v.Clients, "|"); !strings.Contains(text, "Home Assistant 2026.11.3") || !strings.Contains(text, "logger") {
			t.Errorf("%s: clients %q", v.View, v.Clients)
		}
		if text := strings.Join(v.Links, "|"); !strings.Contains(text, "C0:FF:EE:00:01:07") || !strings.Contains(text, "Home Assistant 2026.11.3") {
			t.Errorf("%s: links %q", v.View, v.Links)
		}
		if text := strings.Join(v.Failures, "|"); !strings.Contains(text, "Garden lock") {
			t.Errorf("%s: failures %q", v.View, v.Failures)
		}
	}
	if wide.Background == narrow.Background {
		t.Errorf("light and dark are both %s", wide.Background)
	}
	want := []string{p.Page, p.Page + "events", p.Page + "page.css", p.Page + "page.js"}
	got := slices.DeleteFunc(asked.Requests, func(u string) bool { return strings.HasPrefix(u, "data:") })
	if !reflect.DeepEqual(got, want) || len(asked.Errors) > 0 {
		t.Errorf("requests %q, want %q; errors %q", got, want, asked.Errors)
	}
}

// TestProxyPageOfAHostileDevice: a name that is a script is text.
func TestProxyPageOfAHostileDevice(t *testing.T) {
	p := startPage(t, "sim:./testdata/hostile.yaml")
	p.subscribe(t, "<img src=x onerror=alert(1)>")
	wide, narrow, asked := browse(t, p, "1")
	for _, v := range []pageView{wide, narrow} {
		if !reflect.DeepEqual(v.Devices, []string{"<script>alert(1)</script>"}) || !reflect.DeepEqual(v.Scripts, []string{"page.js"}) || v.Inserted != 0 {
			t.Errorf("%s: devices %q, scripts %q, %d elements of others", v.View, v.Devices, v.Scripts, v.Inserted)
		}
		if len(v.Clients) != 1 || !strings.HasPrefix(v.Clients[0], "<img src=x onerror=alert(1)> ") {
			t.Errorf("%s: clients %q", v.View, v.Clients)
		}
	}
	if len(asked.Errors) > 0 {
		t.Errorf("errors: %q", asked.Errors)
	}
}
