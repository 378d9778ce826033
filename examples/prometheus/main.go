// Command prometheus is an exporter of the values that sensors broadcast.
//
//	prometheus [-a ADAPTER]... [-listen ADDRESS]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/sim"
)

const most = 1000 // devices

var (
	labels  = []string{"device", "name"}
	reading = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "ble_reading", Help: "The last value of a sensor."},
		append(labels, "kind", "index", "unit"))
	rssi = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "ble_rssi_dbm", Help: "The last signal strength."},
		append(labels, "adapter"))
	seen = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "ble_seen_timestamp_seconds", Help: "The time of the last advertisement; old values are those of devices that are gone.",
	}, labels)
)

func main() {
	cfg := &connmgr.Config{Kinds: []connmgr.Kind{connmgr.HCI(nil), {Prefix: "sim:", Open: sim.OpenTransport}}}
	flag.Func("a", "use `ADAPTER`, such as hci0 or sim:beacons; may be repeated; default every free one",
		func(s string) error { cfg.Adapters = append(cfg.Adapters, s); return nil })
	listen := flag.String("listen", "localhost:9955", "serve /metrics at `ADDRESS`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := export(ctx, cfg, *listen); err != nil {
		fmt.Fprintln(os.Stderr, "prometheus:", err)
		os.Exit(1)
	}
}

// export serves the metrics until ctx ends.
func export(ctx context.Context, cfg *connmgr.Config, listen string) error {
	registry := prometheus.NewRegistry()
	registry.MustRegister(reading, rssi, seen)
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", listen)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	server := &http.Server{Handler: mux}
	defer server.Close()
	go func() { _ = server.Serve(l) }() // ends with Close
	fmt.Printf("metrics at http://%s/metrics; Ctrl-C ends\n", l.Addr())

	m, err := connmgr.Open(ctx, cfg)
	if err != nil {
		return err
	}
	defer m.Close()
	devices := map[string]bool{}
	// Duplicates keep the signal strength and the time up to date.
	for r, err := range m.Scan(ctx, &connmgr.ScanOptions{Duplicates: true}) {
		if lost, ok := errors.AsType[*connmgr.AdapterError](err); ok {
			fmt.Fprintln(os.Stderr, "prometheus:", lost)
			continue
		}
		if ctx.Err() != nil {
			return nil // Ctrl-C
		}
		if err != nil {
			return err
		}
		device := r.Addr.MAC.String()
		for _, f := range r.Payloads(nil) {
			if len(f.Readings) == 0 || !devices[device] && len(devices) == most {
				continue // phones change their address all day: each would be a series of its own
			}
			devices[device] = true
			for _, v := range f.Readings {
				reading.WithLabelValues(device, r.Name(), string(v.Kind), fmt.Sprint(v.Index), v.Unit).Set(v.Value)
			}
			rssi.WithLabelValues(device, r.Name(), r.Adapter).Set(float64(r.RSSI))
			seen.WithLabelValues(device, r.Name()).Set(float64(r.Time.UnixMilli()) / 1000)
		}
	}
	return nil
}
