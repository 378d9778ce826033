package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci"
)

type connectCmd struct {
	peer
	Every durationArg
}

const (
	// redrawTime is how often the status line of a terminal is drawn.
	redrawTime = time.Second
	// firstPause and longestPause bound the wait after all attempts to reconnect
	// have failed; news of the device ends it.
	firstPause, longestPause = time.Second, time.Minute
)

func newConnect() *command {
	c := &connectCmd{Every: durationArg(10 * time.Second)}
	cmd := newCommand(groupPeer, "connect", "Stay connected, reconnect, and show the state.", c.runConnect)
	cmd.detail = "If the first connection cannot be established, the exit code says why. From then on, only lost keys of a pairing or Ctrl-C end it."
	c.addArgs(cmd)
	cmd.flag("every", "show signal and parameters after each `TIME`, default 10s, never with 0; on a terminal they are always shown", &c.Every)
	return cmd
}

func (c *connectCmd) runConnect(ctx context.Context, a *app) error {
	return a.withManager(ctx, air{listen: true, silent: true}, func(m *connmgr.Manager) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		w := &watch{a: a, c: c, m: m, start: time.Now(), since: time.Now()}
		events := make(chan connmgr.Event)
		all := m.Events(ctx)
		go func() { // ends with ctx
			defer close(events)
			for ev := range all {
				select {
				case events <- ev:
				case <-ctx.Done():
					return
				}
			}
		}()
		clients, ended := make(chan *connmgr.Client), make(chan error, 1)
		go func() { ended <- w.keepConnected(ctx, clients) }()
		err := w.showUntilEnd(ctx, events, clients, ended)
		cancel()
		for range events {
		}
		return err
	})
}

// watch is a connection that is kept up and shown. All but m is of the goroutine
// that shows.
type watch struct {
	a                       *app
	c                       *connectCmd
	m                       *connmgr.Manager
	start                   time.Time
	since                   time.Time // of the present state
	client                  *connmgr.Client
	links, announced, shown int // how often client, event and status came
	params                  hci.ConnParamsInUse
	last                    string // what happened last, while there is no link
}

// keepConnected connects, and again when the link has ended, and sends each Client, nil
// for its end. It returns when ctx ends, or an error that ends the whole.
func (w *watch) keepConnected(ctx context.Context, clients chan<- *connmgr.Client) error {
	pause := firstPause
	for links := 0; ; {
		c, err := w.a.establish(ctx, w.m, &w.c.peer, connmgr.Options{})
		switch {
		case ctx.Err() != nil && c == nil:
			return nil
		case err != nil && (links == 0 || !isPassing(err)):
			return err
		case err != nil:
			w.pauseUntilSeen(ctx, pause)
			pause = min(2*pause, longestPause)
			continue
		}
		links, pause = links+1, firstPause
		for _, state := range []*connmgr.Client{c, nil} {
			select {
			case clients <- state:
			case <-ctx.Done():
				return c.Close()
			}
			if state == nil {
				break
			}
			select {
			case <-c.Done():
				_ = c.Close() // says why the link is down, as the event does
			case <-ctx.Done():
				return c.Close()
			}
		}
	}
}

// isPassing reports whether to try to reconnect after err, later.
func isPassing(err error) bool {
	var unseen *notSeenError
	return errors.As(err, &unseen) || errors.Is(err, connmgr.ErrNoAdapter) ||
		connmgr.Retryable(err) && !errors.Is(err, connmgr.ErrBondLost)
}

// pauseUntilSeen waits for d, or until the device is heard again, but not less than
// firstPause.
func (w *watch) pauseUntilSeen(ctx context.Context, d time.Duration) {
	t := time.NewTimer(firstPause)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
	within, cancel := context.WithTimeout(ctx, d-firstPause)
	defer cancel()
	_, _ = w.m.WaitFor(within, w.c.Addr.String())
}

// showUntilEnd tells what happens until the connection is given up.
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

// hasStatusLine reports whether there is a status line.
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
		w.last = text
		w.printLine(text)
	}
}

// addKind adds the kind to the address of an event, as all other JSON has it.
func (w *watch) addKind(address string) string {
	if address == "" {
		return "" // of an adapter
	}
	if d, ok := w.m.Device(address); ok {
		return d.Addr.String()
	}
	return w.c.Addr.Addr.String() // dialed unseen, which takes the kind
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
		return // the next event says so
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
	if p != w.params { // the device has asked for others
		w.params = p
		w.printLine(paramsText(p))
	}
	w.drawStatus(fmt.Sprintf("connected for %v on %s: %s", time.Since(w.since).Truncate(time.Second), c.Adapter(), text))
}

// printLine writes a line that stays.
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

// drawStatus puts text into the status line.
func (w *watch) drawStatus(text string) {
	columns, _ := w.a.env.Terminal()
	w.clearStatus()
	w.a.out.printf("%s", strings.TrimRight(fit(text, columns-1), " "))
}

func (w *watch) clearStatus() {
	if w.hasStatusLine() {
		w.a.out.printf("\r\x1b[K")
	}
}
