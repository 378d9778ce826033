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

// Unblock switches on the radio of an adapter that software has switched off. It does
// nothing if the radio is on. It requires write access to /dev/rfkill, which root and
// the user of the local session have. It returns an error if a hardware switch
// disables the radio.
func Unblock(index int) error {
	dir, id, ok := rfkillDir(classDir, index)
	if !ok {
		return nil // an adapter without a switch is always on
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

// writeRFKill sends one event to the rfkill device at path.
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

// rfkillOf reads the radio switches of an adapter. An adapter without switches is on.
func rfkillOf(class string, index int) RFKill {
	dir, _, ok := rfkillDir(class, index)
	if !ok {
		return RFKill{}
	}
	return RFKill{Soft: attr(dir, "soft") == "1", Hard: attr(dir, "hard") == "1"}
}

// rfkillDir returns the folder and the number of an adapter's switch.
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
