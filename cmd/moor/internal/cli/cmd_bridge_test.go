package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moor-ble/moor/hci"
)

// lineFeed returns a writer and the lines that are written to it, of which it takes a
// thousand without a reader.
func lineFeed() (io.WriteCloser, <-chan string) {
	r, w := io.Pipe()
	lines := make(chan string, 1000)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(r); s.Scan(); {
			lines <- s.Text()
		}
	}()
	return w, lines
}

// TestBridge uses an adapter through a bridge, twice, and captures its packets.
func TestBridge(t *testing.T) {
	dir := t.TempDir()
	place, file := "unix:"+filepath.Join(dir, "hci"), filepath.Join(dir, "capture")
	w, lines := lineFeed()
	ctx, stop := context.WithCancel(context.Background())
	var stderr lockedBuffer
	done := make(chan int, 1)
	go func() {
		done <- runChecked(ctx, []string{"--json", "--snoop", file, "bridge", "sim:sensors", "--listen", place}, &Env{Stdout: w, Stderr: &stderr})
		w.Close()
	}()
	var kinds []string
	next := func() {
		t.Helper()
		line, ok := <-lines
		if !ok {
			t.Fatalf("no line; stderr %q", stderr.String())
		}
		var j jsonLab
		if err := json.Unmarshal([]byte(line), &j); err != nil || j.Controller != "sim:sensors" || j.Place != place {
			t.Errorf("%s, %v", line, err)
		}
		kinds = append(kinds, string(j.Event))
	}
	next()
	for range 2 {
		moor(t.Context(), "--state", "none", "-a", place, "read", belt, "2a38").want(t, 0, "01  chest\n", "")
		next()
		next()
	}
	stop()
	if code := <-done; code != 0 || stderr.String() != "" {
		t.Errorf("exit code %d, stderr %q", code, stderr.String())
	}
	if want := "listening client left client left"; strings.Join(kinds, " ") != want {
		t.Errorf("events %q, want %s", kinds, want)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	resets := 0
	for rec, err := range hci.ReadSnoop(f) {
		if err != nil {
			t.Fatal(err)
		}
		if rec.Sent && slices.Equal(rec.Packet, []byte{1, 3, 0x0C, 0}) {
			resets++
		}
	}
	// A client resets the controller as it begins and as it ends. The bridge's own are not
	// captured.
	if resets != 4 {
		t.Errorf("the capture has %d resets, want two of each client", resets)
	}
}

func TestWrongBridgeCommandLines(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"bridge", 2, "ADAPTER is missing"},
		{"bridge sim:", 2, "--listen is missing: write --listen tcp:127.0.0.1:9001, or another place"},
		{"bridge hcix --listen unix:" + dir + "/hci", 1, `"hcix": parse address: adapter index "x" is not a number`},
		{"bridge sim:,sim:empty --listen pty", 2, "bridge serves one adapter: name one"},
		{"-a sim: bridge sim: --listen pty", 2, "bridge has its adapter as an argument: leave --adapter out"},
		{"bridge sim: --listen vhci", 2, "an adapter is no place for vhci, which Linux has already"},
		{"bridge sim: --listen 9001", 2, `"9001" is no place: write vhci, pty, tcp:HOST:PORT or unix:PATH`},
		{"bridge sim: --listen tcp:0.0.0.0:9001", 2, "everybody who reaches tcp:0.0.0.0:9001 can use the adapter: listen at tcp:127.0.0.1:PORT or unix:PATH, or add --force"},
		{"bridge sim: --listen tcp::9001", 2, "everybody who reaches tcp::9001 can use the adapter"},
		{"bridge unix:" + dir + "/none --listen unix:" + dir + "/hci", 1, "no such file or directory"},
		{"bridge sim:empty --listen tcp:203.0.113.7:9001 --force", 1, "cannot assign requested address"},
	} {
		r := moor(t.Context(), strings.Fields(c.args)...)
		if r.code != c.code || r.stdout != "" || !strings.Contains(r.stderr, c.want) {
			t.Errorf("%s: %+v, want %d and %q", c.args, r, c.code, c.want)
		}
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) > 0 {
		t.Errorf("left behind: %v, %v", list, err)
	}
}
