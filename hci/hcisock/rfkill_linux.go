package hcisock

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// rfkillEvent is the kernel's struct rfkill_event (version 1).
type rfkillEvent struct {
	id   uint32
	kind uint8
	op   uint8
	soft uint8
	hard uint8
}

const (
	rfkillBluetooth = 2 // RFKILL_TYPE_BLUETOOTH
	rfkillChange    = 2 // RFKILL_OP_CHANGE
)

// Unblock turns the radio of an adapter on that software has switched off. It
// does nothing when it is on. It needs write access to /dev/rfkill: root, or
// the user at the screen. A hardware switch stays an error.
func Unblock(index int) error {
	dir, id, ok := rfkillDir(classDir, index)
	if !ok {
		return nil // no switch, nothing off
	}
	if attr(dir, "soft") == "1" {
		if err := writeRFKill("/dev/rfkill", rfkillEvent{id: id, kind: rfkillBluetooth, op: rfkillChange}); err != nil {
			return &OpenError{Address: indexName(index), Op: "turn radio on", Err: err, Cause: CausePermission,
				Remedy: "run it as root: `sudo rfkill unblock bluetooth`"}
		}
	}
	if attr(dir, "hard") == "1" {
		return explain(indexName(index), "turn radio on", index, unix.ERFKILL)
	}
	return nil
}

func writeRFKill(path string, ev rfkillEvent) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if _, err := f.Write(unsafe.Slice((*byte)(unsafe.Pointer(&ev)), unsafe.Sizeof(ev))); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// rfkillOf reads the adapter's switches. One that has none is not blocked.
func rfkillOf(class string, index int) RFKill {
	dir, _, ok := rfkillDir(class, index)
	if !ok {
		return RFKill{}
	}
	return RFKill{Soft: attr(dir, "soft") == "1", Hard: attr(dir, "hard") == "1"}
}

// rfkillDir returns the directory of an adapter's switch and its number.
func rfkillDir(class string, index int) (dir string, id uint32, ok bool) {
	parent := filepath.Join(class, indexName(index))
	entries, err := os.ReadDir(parent)
	if err != nil {
		return "", 0, false
	}
	for _, e := range entries {
		if digits, ok := strings.CutPrefix(e.Name(), "rfkill"); ok {
			if n, err := strconv.ParseUint(digits, 10, 32); err == nil {
				return filepath.Join(parent, e.Name()), uint32(n), true
			}
		}
	}
	return "", 0, false
}
