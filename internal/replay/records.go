package replay

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/wire"
)

// Load reads the packets of a btsnoop file. Each packet must be whole.
func Load(file string) ([]hci.SnoopRecord, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	defer f.Close() // it was only read
	var all []hci.SnoopRecord
	for rec, err := range hci.ReadSnoop(f) {
		if err != nil {
			return nil, fmt.Errorf("replay: %s: %w", file, err)
		}
		if rec.Missing > 0 || len(rec.Packet) == 0 {
			return nil, fmt.Errorf("replay: %s: record %d is cut short: capture whole packets", file, len(all)+1)
		}
		all = append(all, rec)
	}
	return all, nil
}

// Seeds returns the captures in a directory, for the seeds of a fuzz target. A directory
// without captures fails the test.
func Seeds(t testing.TB, dir string) [][]hci.SnoopRecord {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.btsnoop"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no captures in %s: %v", dir, err)
	}
	var all [][]hci.SnoopRecord
	for _, file := range files {
		records, err := Load(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, records)
	}
	return all
}

// Frames returns the frames of one channel of L2CAP that a captured host has received, or
// sent, each from a single packet and without its header.
func Frames(records []hci.SnoopRecord, cid uint16, sent bool) (frames [][]byte) {
	for _, rec := range records {
		if rec.Sent != sent || hci.PacketType(rec.Packet[0]) != hci.PacketACL {
			continue
		}
		_, data, err := hci.ParseACL(rec.Packet[1:])
		r := wire.NewReader(data)
		n, channel := r.U16(), r.U16()
		if body := r.Rest(); err == nil && r.Err() == nil && channel == cid && len(body) == int(n) {
			frames = append(frames, body)
		}
	}
	return frames
}
