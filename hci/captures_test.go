package hci

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// captureFiles returns the captures of this project's own runs, by name.
func captureFiles(t testing.TB) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob("../testdata/btsnoop/*.btsnoop")
	if err != nil || len(names) == 0 {
		t.Fatalf("no captures in testdata/btsnoop: %v", err)
	}
	files := map[string][]byte{}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimSuffix(filepath.Base(name), ".btsnoop")] = b
	}
	return files
}

// capturedPackets returns the packets of all captures.
func capturedPackets(t testing.TB) (all []SnoopRecord) {
	t.Helper()
	for name, file := range captureFiles(t) {
		for rec, err := range ReadSnoop(bytes.NewReader(file)) {
			if err != nil || len(rec.Packet) == 0 {
				t.Fatalf("%s: % x, %v", name, rec.Packet, err)
			}
			all = append(all, rec)
		}
	}
	return all
}

// addCaptured adds the captured packets of one type, without the H4 octet, to the seeds of a
// fuzz target.
func addCaptured(f *testing.F, typ PacketType) {
	f.Helper()
	for _, rec := range capturedPackets(f) {
		if PacketType(rec.Packet[0]) == typ {
			f.Add(rec.Packet[1:])
		}
	}
}

// TestCapturesDescribed compares the description of each packet of the captures with the golden files.
func TestCapturesDescribed(t *testing.T) {
	for name, file := range captureFiles(t) {
		var b strings.Builder
		for rec, err := range ReadSnoop(bytes.NewReader(file)) {
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			direction := "<"
			if rec.Sent {
				direction = ">"
			}
			fmt.Fprintf(&b, "%s %s\n", direction, strings.TrimPrefix(Describe(rec.Packet), direction+" "))
		}
		golden := filepath.Join("..", "testdata", "golden", name+".txt")
		if *update {
			if err := cmp.Or(os.MkdirAll(filepath.Dir(golden), 0o755), os.WriteFile(golden, []byte(b.String()), 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(strings.Split(string(want), "\n"), strings.Split(b.String(), "\n")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", golden, diff)
		}
	}
}

// TestCapturesRoundTrip decodes and encodes each command and event of the captures: every
// octet comes back, except those beyond the known parameters.
func TestCapturesRoundTrip(t *testing.T) {
	n := 0
	for _, rec := range capturedPackets(t) {
		body := rec.Packet[1:]
		var again []byte
		switch PacketType(rec.Packet[0]) {
		case PacketCommand:
			cmd, err := ParseCommand(body)
			if err != nil {
				t.Fatalf("% x: %v", rec.Packet, err)
			}
			if again, err = AppendCommand(nil, cmd); err != nil {
				t.Fatalf("% x: %v", rec.Packet, err)
			}
		case PacketEvent:
			ev, err := ParseEvent(body)
			if err != nil {
				t.Fatalf("% x: %v", rec.Packet, err)
			}
			again = AppendEvent([]byte{byte(PacketEvent)}, ev)
		default:
			continue
		}
		n++
		if !bytes.Equal(again, rec.Packet) {
			t.Errorf("% x\nbecame\n% x", rec.Packet, again)
		}
	}
	if n < 100 {
		t.Errorf("only %d packets", n)
	}
}
