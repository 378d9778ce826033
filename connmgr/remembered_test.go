package connmgr_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci"
)

// Parameters that the program has set for a device are those that later links settle to,
// also in another Manager, if the options ask for that.
func TestRememberedParams(t *testing.T) { inBubble(t, testRememberedParams) }

func testRememberedParams(t *testing.T) {
	dir := t.TempDir()
	remember := &connmgr.Options{RememberParams: true}
	set := hci.ConnParams{IntervalMin: 200 * time.Millisecond, IntervalMax: 200 * time.Millisecond, Latency: 2, Timeout: 6 * second}
	wantInterval := func(l *lab, o *connmgr.Options, want time.Duration) {
		t.Helper()
		c := l.establish(1, o)
		defer c.Close()
		if err := c.Settled(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := c.Params().Interval; got != want {
			t.Errorf("settled to %v, want %v", got, want)
		}
	}
	l := newLab(t, connmgr.Config{StateDir: dir})
	l.device(1)
	c := l.establish(1, nil)
	if _, err := c.UpdateParams(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	c.Close()
	if p, ok := l.m.RememberedParams(address(1).String()); ok {
		t.Errorf("remembered %+v unasked", p)
	}
	wantInterval(l, remember, 50*time.Millisecond)
	c = l.establish(1, remember)
	if _, err := c.UpdateParams(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	c.Close()
	wantInterval(l, remember, 200*time.Millisecond)
	wantInterval(l, nil, 50*time.Millisecond)
	wantInterval(l, &connmgr.Options{RememberParams: true, SettledParams: hci.ConnParams{IntervalMin: 100 * time.Millisecond, IntervalMax: 100 * time.Millisecond, Timeout: 6 * second}}, 100*time.Millisecond)
	l.m.Close()

	l = newLab(t, connmgr.Config{StateDir: dir})
	l.device(1)
	wantInterval(l, remember, 200*time.Millisecond)
	if p, ok := l.m.RememberedParams("C0:FE:00:00:00:01"); !ok || p != set {
		t.Errorf("remembered %+v, %v, want %+v", p, ok, set)
	}
	if !l.m.ForgetParams(address(1).String()) || l.m.ForgetParams(address(1).String()) {
		t.Error("the parameters are not forgotten once")
	}
	wantInterval(l, remember, 50*time.Millisecond)
	if b, err := os.ReadFile(filepath.Join(dir, "params.json")); err != nil || strings.Contains(string(b), "C0:FE") {
		t.Errorf("params.json is %s, %v", b, err)
	}
}

// A file that cannot be read counts as none. One that is damaged is replaced; one of another
// version stays as it is.
func TestDamagedParams(t *testing.T) { inBubble(t, testDamagedParams) }

func testDamagedParams(t *testing.T) {
	for _, content := range []string{"{", `{"version":2}`, `{"version":1,"devices":[{"address":"C0:FE:00:00:00:01/random","interval_min":-5,"interval_max":9,"timeout":1}]}`} {
		dir := t.TempDir()
		file := filepath.Join(dir, "params.json")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		l := newLab(t, connmgr.Config{StateDir: dir})
		l.device(1)
		if p, ok := l.m.RememberedParams(address(1).String()); ok {
			t.Errorf("%s: remembered %+v", content, p)
		}
		c := l.establish(1, &connmgr.Options{RememberParams: true})
		set := hci.ConnParams{IntervalMin: 200 * time.Millisecond, IntervalMax: 200 * time.Millisecond, Timeout: 6 * second}
		if _, err := c.UpdateParams(t.Context(), set); err != nil {
			t.Error(err)
		}
		if p, ok := l.m.RememberedParams(address(1).String()); !ok || p != set {
			t.Errorf("%s: remembered %+v, %v", content, p, ok)
		}
		l.m.Close()
		b, err := os.ReadFile(file)
		if kept := string(b) == content; err != nil || kept != strings.Contains(content, `"version":2`) {
			t.Errorf("%s: the file is now %s, %v", content, b, err)
		}
	}
}
