//go:build !minimal

package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/moor-ble/moor/internal/replay"
	"github.com/moor-ble/moor/lab"
)

// TestLabOutputUnread shows more events than the queue takes while nobody reads the output:
// show does not wait, and the output has the number of missing events.
func TestLabOutputUnread(t *testing.T) {
	for _, asJSON := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			r, w := io.Pipe()
			a := &app{globals: globals{JSON: asJSON}, env: &Env{Stderr: io.Discard}, out: &output{w: w, cancel: func(error) {}}}
			v, end := newLabView(a, false)
			show := func(n int) {
				v.showClient(fmt.Sprintf("hci%d", n), lab.Event{Kind: lab.EventClient, Client: "somebody"})
			}
			show(0)
			synctest.Wait() // the first event is being written
			for n := range labQueue + 7 {
				show(n + 1)
			}
			read := make(chan []byte, 1)
			go func() {
				b, _ := io.ReadAll(r)
				read <- b
			}()
			synctest.Wait() // all that was queued is read
			show(5000)
			end()
			w.Close()
			lines := strings.Split(strings.TrimSpace(string(<-read)), "\n")
			missing, last := "7 events dropped: the output was not read", "hci5000: somebody has come"
			if asJSON {
				missing, last = `"event":"dropped","dropped":7}`, `"controller":"hci5000","client":"somebody"}`
			}
			if n := len(lines); n != 1+labQueue+2 || !strings.HasSuffix(lines[n-2], missing) || !strings.HasSuffix(lines[n-1], last) {
				t.Errorf("%d lines, the last ones are %q", n, lines[max(0, n-2):])
			}
		})
	}
}

// TestLabCloses: the last dropped events are told at the end.
func TestLabCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		var out bytes.Buffer
		a := &app{env: &Env{Stderr: io.Discard}, out: &output{w: w, cancel: func(error) {}}}
		v, end := newLabView(a, false)
		for range labQueue + 5 {
			v.showClient("hci0", lab.Event{Kind: lab.EventClient})
			synctest.Wait()
		}
		go func() {
			end()
			w.Close()
		}()
		if _, err := io.Copy(&out, r); err != nil || !strings.HasSuffix(out.String(), "\n4 events dropped: the output was not read\n") {
			t.Errorf("%v, the end is %q", err, out.String()[max(0, out.Len()-100):])
		}
	})
}

// TestLabForce: a place that other machines reach needs --force, and is warned of.
func TestLabForce(t *testing.T) {
	room := writeRoom(t, kitchen)
	r := moor(t.Context(), "lab", room, "--attach", "hci1=none", "--attach", "hci0=tcp:0.0.0.0:0")
	if r.code != exitUsage || !strings.Contains(r.stderr, "hci0: everybody who reaches tcp:0.0.0.0:0 can use the controller") || !strings.Contains(r.stderr, "--force") {
		t.Errorf("exit code %d, stderr %q", r.code, r.stderr)
	}
	x := start(t, "lab", room, "--attach", "hci1=none", "--attach", "hci0=tcp:0.0.0.0:0", "--force")
	x.await("listening")
	x.stop()
	for range x.stdout {
	}
	if want := `{"warning":"hci0: there is no password, and everybody who reaches tcp:0.0.0.0:0 can use the controller"}` + "\n"; <-x.done != 0 || x.stderr.String() != want {
		t.Errorf("stderr %q, want %q", x.stderr.String(), want)
	}
}

// TestLabSnoop captures the sessions of two clients of a controller.
func TestLabSnoop(t *testing.T) {
	dir := t.TempDir()
	x := start(t, "lab", writeRoom(t, kitchen), "--attach", "hci1=none", "--snoop", dir)
	at := x.await("listening")
	for range 2 {
		moor(t.Context(), "--state", "none", "-a", at.Place, "read", kettle, "2a19").want(t, 0, "57  87 %\n", "")
		x.await("left")
	}
	x.end()
	records, err := replay.Load(filepath.Join(dir, "hci0.btsnoop"))
	resets := 0
	for _, rec := range records {
		if rec.Sent && bytes.Equal(rec.Packet, []byte{1, 3, 0x0C, 0}) {
			resets++
		}
	}
	if err != nil || resets < 2 {
		t.Errorf("%d packets with %d resets, %v; want those of both clients", len(records), resets, err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("%v, %v; want the file of the attached controller alone", files, err)
	}
}

func TestCaptureFiles(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		snoop       string
		controllers string
		want        string // the files, or the error
	}{
		{dir, "a b", "a=" + dir + "/a.btsnoop b=" + dir + "/b.btsnoop"},
		{dir, "../a", `--snoop: the controller "../a" has a name that no file can have: write --snoop ../a=FILE`},
		{"b=x/y=z", "a b", "b=x/y=z"},
		{"c=x", "a b", `--snoop: "c=x": write NAME=FILE with the name of an attached controller (a, b)`},
		{"a=", "a b", `--snoop: "a=": write NAME=FILE with the name of an attached controller (a, b)`},
		{"file", "a", "a=file"},
		{"file", "a b", "--snoop: 2 controllers are attached (a, b): name a directory that exists, or write NAME=FILE for one of them"},
	} {
		files, err := captureFiles(c.snoop, strings.Fields(c.controllers))
		var got []string
		for name, file := range files {
			got = append(got, name+"="+file)
		}
		slices.Sort(got)
		if err != nil {
			got = []string{err.Error()}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s for %s: %q, want %q", c.snoop, c.controllers, got, c.want)
		}
	}
}
