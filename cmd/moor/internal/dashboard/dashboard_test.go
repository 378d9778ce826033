//go:build !minimal

package dashboard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/errclass"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/proxy"
	"github.com/moor-ble/moor/sim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newDashboard returns a Dashboard that gathers, on an air with an adapter of three slots.
func newDashboard(t *testing.T) (*Dashboard, *sim.Air) {
	t.Helper()
	air := sim.New(&sim.Config{Seed: 1})
	t.Cleanup(func() { air.Close() })
	air.NewController(&sim.ControllerConfig{Name: "hci0"})
	m, err := connmgr.Open(t.Context(), &connmgr.Config{
		Kinds: []connmgr.Kind{{Open: air.OpenTransport}}, Adapters: []string{"hci0"}, Slots: map[string]int{"hci0": 3},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	mac := hci.MAC{1, 0, 0, 0xEE, 0xFF, 2}
	s, err := proxy.New(m, &proxy.Config{Name: "attic", MAC: mac})
	if err != nil {
		t.Fatal(err)
	}
	d := New(Config{Manager: m, Server: s, Name: "attic", MAC: mac, Version: `1 "dev"`})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		d.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return d, air
}

// get returns the answer to a request.
func get(d *Dashboard, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	d.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://127.0.0.1"+path, nil))
	return w
}

// TestMetrics: the numbers after a connect and a failure, word for word.
func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, air := newDashboard(t)
		air.NewDevice(&sim.DeviceConfig{Name: "d1", Address: hci.Addr{MAC: hci.MAC{1, 0, 0, 0, 0xFE, 0xC0}, Kind: hci.AddrRandom}})
		time.Sleep(2 * time.Second)
		c, err := d.cfg.Manager.Establish(t.Context(), "C0:FE:00:00:00:01/random", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		d.record(connmgr.AttemptFailed{Err: errors.New("no luck"), Class: errclass.Class{Row: `lost "link"`, Advice: "try again"}})
		synctest.Wait()
		d.ready = histogram{}
		d.ready.observe(0.1) // the first bucket takes its bound
		d.ready.observe(0.3)
		d.ready.observe(100)
		w := get(d, "/metrics")
		want := `# HELP moor_info The proxy; always 1.
# TYPE moor_info gauge
moor_info{name="attic",mac="02:FF:EE:00:00:01",version="1 \"dev\""} 1
# HELP moor_adapter_up Whether the adapter is ready.
# TYPE moor_adapter_up gauge
moor_adapter_up{adapter="hci0"} 1
# HELP moor_adapter_scanning Whether the adapter hears devices.
# TYPE moor_adapter_scanning gauge
moor_adapter_scanning{adapter="hci0"} 1
# HELP moor_adapter_slots Links that the adapter carries, where it is known.
# TYPE moor_adapter_slots gauge
moor_adapter_slots{adapter="hci0"} 3
# HELP moor_adapter_slots_used Slots of the adapter that are taken.
# TYPE moor_adapter_slots_used gauge
moor_adapter_slots_used{adapter="hci0"} 1
# HELP moor_slots Connection slots of the proxy.
# TYPE moor_slots gauge
moor_slots 2
# HELP moor_slots_used Slots that links and attempts take.
# TYPE moor_slots_used gauge
moor_slots_used 0
# HELP moor_slots_free Slots that are left.
# TYPE moor_slots_free gauge
moor_slots_free 2
# HELP moor_links Links of clients that are up.
# TYPE moor_links gauge
moor_links 0
# HELP moor_clients Clients that are connected.
# TYPE moor_clients gauge
moor_clients 0
# HELP moor_subscribers Clients that want advertisements.
# TYPE moor_subscribers gauge
moor_subscribers 0
# HELP moor_reports_heard_total Advertisements that all adapters have heard for clients.
# TYPE moor_reports_heard_total counter
moor_reports_heard_total 0
# HELP moor_reports_total Advertisements that were sent, each once.
# TYPE moor_reports_total counter
moor_reports_total 0
# HELP moor_dropped_total Messages with advertisements that slow clients have lost.
# TYPE moor_dropped_total counter
moor_dropped_total 0
# HELP moor_notifications_dropped_total Notifications that slow clients have lost.
# TYPE moor_notifications_dropped_total counter
moor_notifications_dropped_total 0
# HELP moor_attempts_total Attempts to connect, by result, and by the class of the failure.
# TYPE moor_attempts_total counter
moor_attempts_total{result="connected",class=""} 1
moor_attempts_total{result="failed",class="lost \"link\""} 1
# HELP moor_ready_seconds Time from the request until a device was ready.
# TYPE moor_ready_seconds histogram
moor_ready_seconds_bucket{le="0.1"} 1
moor_ready_seconds_bucket{le="0.25"} 1
moor_ready_seconds_bucket{le="0.5"} 2
moor_ready_seconds_bucket{le="1"} 2
moor_ready_seconds_bucket{le="2.5"} 2
moor_ready_seconds_bucket{le="5"} 2
moor_ready_seconds_bucket{le="10"} 2
moor_ready_seconds_bucket{le="20"} 2
moor_ready_seconds_bucket{le="45"} 2
moor_ready_seconds_bucket{le="90"} 2
moor_ready_seconds_bucket{le="+Inf"} 3
moor_ready_seconds_sum 100.4
moor_ready_seconds_count 3
`
		if got := w.Body.String(); got != want || w.Header().Get("Content-Type") != "text/plain; version=0.0.4; charset=utf-8" {
			t.Errorf("%v: got\n%s\nwant\n%s", w.Header(), got, want)
		}
	})
}

// TestState: a device with its line, an adapter, and failures, the same ones once.
func TestState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, air := newDashboard(t)
		addr := hci.Addr{MAC: hci.MAC{1, 0, 0, 0, 0xFE, 0xC0}, Kind: hci.AddrRandom}
		dev := air.NewDevice(&sim.DeviceConfig{Name: "<b>d1\x1b[2J", Address: addr})
		time.Sleep(21 * time.Second)
		for range 3 {
			d.record(connmgr.AttemptFailed{Time: time.Now(), Address: addr, Adapter: "hci0", Phase: connmgr.Phase("connect"), Err: errors.New("connmgr: no luck"), Class: errclass.Class{Advice: "try again"}})
		}
		for i := range 20 {
			d.record(connmgr.AttemptFailed{Time: time.Now(), Address: hci.Addr{MAC: hci.MAC{byte(i)}}, Err: fmt.Errorf("number %d", i)})
		}
		d.record(connmgr.AttemptFailed{Time: time.Now(), Address: addr, Adapter: "hci0", Err: errors.New("connmgr: no luck")})
		var s state
		w := get(d, "/state")
		if err := json.Unmarshal(w.Body.Bytes(), &s); err != nil {
			t.Fatal(err)
		}
		if s.Name != "attic" || s.Scan != "idle" || s.Slots.Limit != 3 || s.OnAir != 1 || len(s.Adapters) != 1 || s.SampleMS != 2000 {
			t.Errorf("%s", w.Body)
		}
		if a := s.Adapters[0]; a.Name != "hci0" || a.State != "up" || !a.Scanning || a.Error != "" || a.Slots == nil || *a.Slots != 3 {
			t.Errorf("adapter %+v", a)
		}
		if len(s.Devices) != 1 || len(s.Devices[0].Line) != 10 {
			t.Fatalf("devices %+v", s.Devices)
		}
		one := s.Devices[0]
		if one.Address != addr || strings.ContainsAny(one.Name, "\x1b") || !strings.HasPrefix(one.Name, "<b>d1") || one.RSSI != -50 {
			t.Errorf("device %+v", one)
		}
		for i, v := range one.Line {
			if v != -50 && v != 0 || i > 5 && v == 0 {
				t.Errorf("line %v", one.Line)
				break
			}
		}
		if f := s.Failures; len(f) != maxFailures || f[0].Error != "no luck" || f[0].Count != 1 || f[1].Error != "number 19" {
			t.Errorf("failures %+v", f)
		}
		air.SetAway(dev, true)
		time.Sleep(6 * time.Minute)
		s = state{}
		if err := json.Unmarshal(get(d, "/state").Body.Bytes(), &s); err != nil || s.OnAir != 0 || len(s.Devices) != 0 {
			t.Errorf("%+v, %v", s.Devices, err)
		}
		if d.mu.Lock(); len(d.samples) != 0 {
			t.Errorf("%d devices are sampled", len(d.samples))
		}
		d.mu.Unlock()
	})
}

// TestEvents: a state at once, and one every two seconds; readers are bounded.
func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _ := newDashboard(t)
		ctx, cancel := context.WithCancel(t.Context())
		var all []*httptest.ResponseRecorder
		ended := make(chan struct{}, maxReaders)
		for range maxReaders {
			w := httptest.NewRecorder()
			all = append(all, w)
			go func() {
				d.Handler().ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1/events", nil))
				ended <- struct{}{}
			}()
		}
		time.Sleep(7 * time.Second)
		synctest.Wait()
		if w := get(d, "/events"); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "there are 32 readers already") {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		cancel()
		for range maxReaders {
			<-ended
		}
		for _, w := range all {
			if n := strings.Count(w.Body.String(), "\ndata: {"); n != 4 || w.Header().Get("Content-Type") != "text/event-stream" {
				t.Fatalf("%d states, %v", n, w.Header())
			}
		}
		if d.readers != 0 {
			t.Errorf("%d readers are left", d.readers)
		}
	})
}

// TestPage: the page and what belongs to it, and nothing else; a browser loads nothing
// from elsewhere.
func TestPage(t *testing.T) {
	d := New(Config{})
	for path, kind := range map[string]string{"/": "text/html", "/page.css": "text/css", "/page.js": "text/javascript"} {
		w := get(d, path)
		if w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), kind) || !strings.Contains(w.Header().Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
		if text := strings.ReplaceAll(w.Body.String(), svgNames, ""); strings.Contains(text, "//www") || strings.Contains(text, "http:") || strings.Contains(text, "innerHTML") {
			t.Errorf("%s refers to elsewhere", path)
		}
	}
	if w := get(d, "/else"); w.Code != http.StatusNotFound {
		t.Errorf("%d", w.Code)
	}
}

// svgNames is the name of SVG, which is no address.
const svgNames = "http://www.w3.org/2000/svg"

// TestForeignPages: requests under names of elsewhere are refused.
func TestForeignPages(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	air := sim.New(nil)
	defer air.Close()
	air.NewController(&sim.ControllerConfig{Name: "hci0"})
	m, err := connmgr.Open(t.Context(), &connmgr.Config{Kinds: []connmgr.Kind{{Open: air.OpenTransport}}, Adapters: []string{"hci0"}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	go func() { ended <- New(Config{Manager: m}).Serve(ctx, l, "attic", "attic.local") }()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, c := range []struct {
		host, origin string
		want         int
	}{
		{"", "", 200}, {"localhost:1", "", 200}, {"attic.local:9153", "", 200}, {"attic:9153", "http://attic:9153", 200}, {"[::1]:1", "", 200},
		{"evil.example", "", 403}, {"evil.example:80", "http://evil.example:80", 403}, {"localhost:1", "http://evil.example", 403}, {"attic.local.evil.example", "", 403},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, URL(l.Addr()), nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = c.host
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		a, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if a.Body.Close(); a.StatusCode != c.want {
			t.Errorf("%q, %q: %d, want %d", c.host, c.origin, a.StatusCode, c.want)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
