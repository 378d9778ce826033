package pictures

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/sim"
)

// span is a dial on an adapter, or the wait after a failed attempt, which has none.
type span struct {
	adapter    string
	begin, end time.Duration // since Establish was called
	text       string
	ok         bool // led to a Client
}

// record runs an Establish in the world of a scenario file, with its first peripheral,
// and returns its dials and waits.
func record(t *testing.T, file string) (spans []span) {
	s, err := sim.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		w, err := s.OpenWorld(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		cfg := &connmgr.Config{Kinds: []connmgr.Kind{{Open: w.Air().OpenTransport}}}
		for _, a := range w.Attachments() {
			cfg.Adapters = append(cfg.Adapters, a.Name)
		}
		m, err := connmgr.Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		device, err := w.Address(w.Devices()[0])
		if err != nil {
			t.Fatal(err)
		}
		r := recorder{start: time.Now().Add(time.Second)}
		done := make(chan struct{})
		go func() {
			defer close(done)
			for e := range m.Events(t.Context()) {
				if r.take(e); len(r.spans) > 0 && r.spans[len(r.spans)-1].ok {
					return
				}
			}
		}()
		time.Sleep(time.Second) // both adapters hear the device
		c, err := m.Establish(t.Context(), device.String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		<-done
		c.Close()
		spans = r.spans
	})
	return spans
}

// recorder makes spans of the events of an Establish.
type recorder struct {
	start time.Time
	spans []span
}

// take adds an event.
func (r *recorder) take(e connmgr.Event) {
	switch e := e.(type) {
	case connmgr.AttemptStarted:
		r.end(e.Time, "")
		r.spans = append(r.spans, span{adapter: e.Adapter, begin: e.Time.Sub(r.start), text: fmt.Sprintf("attempt %d, dial %d", e.Attempt, e.Dial)})
	case connmgr.Disconnected:
		r.end(e.Time, reason(e.Err)+"; costs no attempt")
	case connmgr.AttemptFailed:
		if n := len(r.spans); n > 0 { // the link may have ended just before
			r.spans[n-1].text = strings.Replace(r.spans[n-1].text, "; costs no attempt", fmt.Sprintf("; one of the %s", e.Class.Budget), 1)
		}
		r.end(e.Time, fmt.Sprintf("%s; one of the %s", reason(e.Err), e.Class.Budget))
		r.spans = append(r.spans, span{begin: e.Time.Sub(r.start), text: fmt.Sprintf("wait of %v", e.Backoff)})
	case connmgr.Connected:
		r.end(e.Time, fmt.Sprintf("ready after %d attempts and %v", e.Attempts, e.Duration.Round(time.Millisecond)))
		r.spans[len(r.spans)-1].ok = true
	}
}

// end ends the last span, unless it has ended, for a reason.
func (r *recorder) end(at time.Time, why string) {
	if n := len(r.spans); n > 0 && r.spans[n-1].end == 0 {
		s := &r.spans[n-1]
		s.end = at.Sub(r.start)
		s.text = strings.TrimSuffix(s.text+": "+why, ": ")
	}
}

// reason returns the reason for the end of a link without its place.
func reason(err error) string {
	if gone, ok := errors.AsType[*controller.DisconnectError](err); ok {
		return gone.Reason.Error()
	}
	return err.Error()
}

// Sizes of a timeline, in pixels.
const (
	timelineWidth = 860
	laneLeft      = 70
	laneHeight    = 40
	legendHeight  = 20
)

// drawTimeline draws a lane for each adapter, with a bar for each span, and a legend.
func drawTimeline(spans []span) []byte {
	var lanes []string
	for _, s := range spans {
		if s.adapter != "" && !slices.Contains(lanes, s.adapter) {
			lanes = append(lanes, s.adapter)
		}
	}
	slices.Sort(lanes)
	total := spans[len(spans)-1].end
	at := func(d time.Duration) float64 {
		return laneLeft + float64(d)/float64(total)*(timelineWidth-laneLeft-20)
	}
	bottom := 20 + len(lanes)*laneHeight
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">`+"\n",
		timelineWidth, bottom+40+len(spans)*legendHeight)
	b.WriteString(`<rect width="100%" height="100%" fill="#ffffff"/>` + "\n")
	for i, lane := range lanes {
		fmt.Fprintf(&b, `<text x="10" y="%d">%s</text>`+"\n", 20+i*laneHeight+24, html.EscapeString(lane))
		fmt.Fprintf(&b, `<path d="M%d %dH%d" stroke="#d0d0d0"/>`+"\n", laneLeft, 20+i*laneHeight+20, timelineWidth-20)
	}
	for i, s := range spans {
		color, y, height := "#d9772b", 20+slices.Index(lanes, s.adapter)*laneHeight+6, laneHeight-12
		switch {
		case s.ok:
			color = "#4c8c4a"
		case s.adapter == "":
			color, y, height = "#eeeeee", 20, len(lanes)*laneHeight
		}
		fmt.Fprintf(&b, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s" stroke="#ffffff"/>`+"\n", at(s.begin), y, at(s.end)-at(s.begin), height, color)
		fmt.Fprintf(&b, `<text x="%.1f" y="%d" text-anchor="middle">%d</text>`+"\n", (at(s.begin)+at(s.end))/2, y+height/2+4, i+1)
		row := bottom + 30 + i*legendHeight
		fmt.Fprintf(&b, `<text x="10" y="%d">%d</text><text x="36" y="%d">%.3f s</text><text x="100" y="%d">%s</text><text x="150" y="%d">%s</text>`+"\n",
			row, i+1, row, s.begin.Seconds(), row, html.EscapeString(s.adapter), row, html.EscapeString(s.text))
	}
	fmt.Fprintf(&b, `<text x="%d" y="14">0 s</text><text x="%d" y="14" text-anchor="end">%.3f s</text>`+"\n", laneLeft, timelineWidth-20, total.Seconds())
	b.WriteString("</svg>\n")
	return b.Bytes()
}
