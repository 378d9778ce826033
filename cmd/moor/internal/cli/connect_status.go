package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/moor-ble/moor/connmgr"
)

// redrawTime is how often the status line of a terminal is drawn.
const redrawTime = time.Second

// showUntilEnd shows events and the state of the link until keepConnected ends, and
// returns its error.
func (w *watch) showUntilEnd(ctx context.Context, events <-chan connmgr.Event, clients <-chan *connmgr.Client, ended <-chan error) error {
	every := time.Duration(w.c.Every)
	if w.hasStatusLine() {
		every = redrawTime
	}
	var ticks <-chan time.Time
	if every > 0 {
		t := time.NewTicker(every)
		defer t.Stop()
		ticks = t.C
	}
	for {
		select {
		case ev, ok := <-events:
			if !ok {
				events = nil
				continue
			}
			w.showEvent(ev)
			if _, ok := ev.(connmgr.Connected); ok {
				w.announced++
			}
		case w.client = <-clients:
			w.since = time.Now()
			if w.client != nil {
				w.links++
				w.params = w.client.Params()
			}
		case <-ticks:
			w.showStatus(ctx)
		case err := <-ended:
			w.clearStatus()
			if err == nil && !w.a.JSON {
				w.printLine(fmt.Sprintf("ended, after %s", plural(w.links, "connection")))
			}
			return err
		}
		if w.links == w.announced && w.shown < w.links || w.client == nil {
			w.shown = w.links
			w.showStatus(ctx)
		}
	}
}

// hasStatusLine reports whether the last line of a terminal shows the state.
func (w *watch) hasStatusLine() bool { return w.a.env.Terminal != nil && !w.a.JSON }

// showEvent shows an event.
func (w *watch) showEvent(ev connmgr.Event) {
	if w.a.JSON {
		if j := newJSONEvent(ev); j != nil {
			j.Address = w.addKind(j.Address)
			w.a.out.json(j)
		}
		return
	}
	if text := eventText(ev); text != "" {
		w.printLine(text)
	}
}

// addKind returns the address of an event with its kind, as in all other JSON.
func (w *watch) addKind(address string) string {
	if address == "" {
		return "" // an event of an adapter
	}
	if d, ok := w.m.Device(address); ok {
		return d.Addr.String()
	}
	return w.c.Addr.Addr.String() // it was dialed unseen, so the kind was given
}

// showStatus shows signal and parameters.
func (w *watch) showStatus(ctx context.Context) {
	c := w.client
	if c == nil || c.Err() != nil {
		if w.hasStatusLine() {
			w.drawStatus(fmt.Sprintf("not connected for %v, Ctrl-C ends", time.Since(w.since).Truncate(time.Second)))
		}
		return
	}
	ask, cancel := context.WithTimeout(ctx, redrawTime)
	defer cancel()
	rssi, err := c.RSSI(ask)
	if err != nil && (c.Err() != nil || ctx.Err() != nil) {
		return // the next event shows it
	}
	p, mtu := c.Params(), c.GATT().MTU()
	if w.a.JSON {
		j := &jsonEvent{
			Time: time.Now(), Event: "status", Address: c.Address().String(), Adapter: c.Adapter(), MTU: mtu,
			Interval: millis(p.Interval), Latency: &p.Latency, Timeout: millis(p.Timeout),
		}
		if rssi != connmgr.NoRSSI {
			j.RSSI = &rssi
		}
		w.a.out.json(j)
		return
	}
	signal := "? dBm"
	if rssi != connmgr.NoRSSI {
		signal = fmt.Sprintf("%d dBm", rssi)
	}
	text := fmt.Sprintf("%s, %s, MTU %d", signal, paramsText(p), mtu)
	if !w.hasStatusLine() {
		w.printLine(text)
		return
	}
	if p != w.params { // the device has requested others
		w.params = p
		w.printLine(paramsText(p))
	}
	w.drawStatus(fmt.Sprintf("connected for %v on %s: %s", time.Since(w.since).Truncate(time.Second), c.Adapter(), text))
}

// printLine writes a line above the status line.
func (w *watch) printLine(text string) {
	w.clearStatus()
	lines := []string{text}
	if w.hasStatusLine() {
		columns, _ := w.a.env.Terminal()
		lines = wrapText(text, max(columns-12, 20))
	}
	since := sinceText(time.Since(w.start))
	for _, text := range lines {
		w.a.out.printf("%10s  %s\n", since, text)
		since = ""
	}
}

// drawStatus shows text in the status line.
func (w *watch) drawStatus(text string) {
	columns, _ := w.a.env.Terminal()
	w.clearStatus()
	w.a.out.printf("%s", strings.TrimRight(fit(text, columns-1), " "))
}

// clearStatus erases the status line.
func (w *watch) clearStatus() {
	if w.hasStatusLine() {
		w.a.out.printf("\r\x1b[K")
	}
}
