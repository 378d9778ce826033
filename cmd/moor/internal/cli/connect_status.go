package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/moor-ble/moor/connmgr"
)

// redrawTime is how often the status line of a terminal is drawn.
const redrawTime = time.Second

// showUntilEnd shows events and the state of the link until the Keep has ended.
func (w *watch) showUntilEnd(ctx context.Context, events <-chan connmgr.Event, k *connmgr.Kept, statuses <-chan connmgr.KeepStatus) {
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
		case s, ok := <-statuses:
			if !ok {
				w.clearStatus()
				return
			}
			w.enterStatus(k, &s)
		case <-ticks:
			w.showStatus(ctx)
		}
		if w.links == w.announced && w.shown < w.links || w.client == nil {
			w.shown = w.links
			w.showStatus(ctx)
		}
	}
}

// enterStatus enters a change of the connection.
func (w *watch) enterStatus(k *connmgr.Kept, s *connmgr.KeepStatus) {
	client := k.Client()
	if s.State != connmgr.KeepReady {
		client = nil
	}
	if w.links = s.Establishes; client == w.client {
		return
	}
	if w.client, w.since = client, time.Now(); client != nil {
		w.params = client.Params()
	}
}

// showEnd shows the end of the command, which failed with err if it is not nil. A person
// sees the error alone.
func (w *watch) showEnd(ctx context.Context, err error) {
	switch {
	case w.a.JSON:
		j := jsonEvent{Time: time.Now(), Event: "end", Address: w.c.Addr.String(), Connections: &w.links}
		if d, ok := w.m.Device(w.c.Addr.String()); ok {
			j.Address = d.Addr.String()
		}
		switch {
		case err != nil && ctx.Err() != nil && errors.Is(err, context.Cause(ctx)):
			j.Error = errInterrupted.Error()
		case err != nil:
			j.Error = message(err)
		}
		w.a.out.json(j)
	case err == nil:
		w.printLine(fmt.Sprintf("ended, after %s", plural(w.links, "connection")))
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
