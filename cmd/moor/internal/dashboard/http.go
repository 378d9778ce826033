//go:build !minimal

package dashboard

import (
	"bytes"
	"context"
	_ "embed" // of the page
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/moor-ble/moor/internal/ownweb"
)

// Bounds of a reader.
const (
	maxReaders = 32 // of the events
	writeTime  = 10 * time.Second
)

//go:embed page.html
var pageHTML []byte

//go:embed page.css
var pageCSS []byte

//go:embed page.js
var pageJS []byte

// policy has a browser load nothing from elsewhere, and run no script of a device.
const policy = "default-src 'none'; img-src data:; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Handler returns the handler of all requests.
func (d *Dashboard) Handler() http.Handler {
	mux := http.NewServeMux()
	static := func(kind string, b []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { writeAnswer(w, kind, b) }
	}
	mux.HandleFunc("GET /{$}", static("text/html; charset=utf-8", pageHTML))
	mux.HandleFunc("GET /page.css", static("text/css; charset=utf-8", pageCSS))
	mux.HandleFunc("GET /page.js", static("text/javascript; charset=utf-8", pageJS))
	mux.HandleFunc("GET /state", d.serveState)
	mux.HandleFunc("GET /events", d.serveEvents)
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		var b bytes.Buffer
		d.writeMetrics(&b)
		writeAnswer(w, "text/plain; version=0.0.4; charset=utf-8", b.Bytes())
	})
	return mux
}

// writeAnswer writes an answer that no browser keeps.
func writeAnswer(w http.ResponseWriter, kind string, b []byte) {
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTime))
	_, _ = w.Write(b) // the reader may have gone
}

func (d *Dashboard) serveState(w http.ResponseWriter, _ *http.Request) {
	b, err := json.Marshal(d.state())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	writeAnswer(w, "application/json", append(b, '\n'))
}

// enterReader counts a reader of the events. It is false if there are too many.
func (d *Dashboard) enterReader() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.readers >= maxReaders {
		return false
	}
	d.readers++
	return true
}

func (d *Dashboard) leaveReader() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.readers--
}

// serveEvents sends the state again and again, until the reader goes.
func (d *Dashboard) serveEvents(w http.ResponseWriter, r *http.Request) {
	if !d.enterReader() {
		http.Error(w, fmt.Sprintf("there are %d readers already: close a page", maxReaders), http.StatusServiceUnavailable)
		return
	}
	defer d.leaveReader()
	writeAnswer(w, "text/event-stream", []byte("retry: 2000\n\n"))
	out := http.NewResponseController(w)
	ticker := time.NewTicker(sampleTime)
	defer ticker.Stop()
	for {
		b, err := json.Marshal(d.state())
		if err != nil {
			return
		}
		_ = out.SetWriteDeadline(time.Now().Add(writeTime))
		if _, err := fmt.Fprintf(w, "data: %s\n\n", b); err != nil || out.Flush() != nil {
			return
		}
		select {
		case <-ticker.C:
		case <-r.Context().Done():
			return
		}
	}
}

// Addresses at which a listener is for this machine alone.
func isLocal(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// CheckListen checks an address to listen at, and reports whether only this machine
// reaches it.
func CheckListen(address string) (local bool, err error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return false, fmt.Errorf("%q is no address: write HOST:PORT", address)
	}
	if _, err := net.LookupPort("tcp", port); err != nil {
		return false, fmt.Errorf("%q is no port: write a number up to 65535", port)
	}
	return isLocal(host), nil
}

// URL returns where a browser finds the page of a listener.
func URL(l net.Addr) string {
	host, port, err := net.SplitHostPort(l.String())
	if err != nil {
		return l.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(strings.TrimSpace(host), port) + "/"
}

// Serve gathers and serves until ctx ends, which is no error. It closes l. names are those
// of this machine, under which requests may come.
func (d *Dashboard) Serve(ctx context.Context, l net.Listener, names ...string) error {
	ctx, cancel := context.WithCancel(ctx)
	gathered := make(chan struct{})
	go func() {
		defer close(gathered)
		d.Run(ctx)
	}()
	err := ownweb.Serve(ctx, l, d.Handler(), names...)
	cancel()
	<-gathered
	return err
}
