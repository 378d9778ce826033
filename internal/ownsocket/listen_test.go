//go:build unix

package ownsocket_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moor-ble/moor/internal/ownsocket"
)

func TestListen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	stale.Close()
	l, err := ownsocket.Listen(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket is %v, %v", info, err)
	}
	if _, err := ownsocket.Listen(t.Context(), path); !errors.Is(err, ownsocket.ErrBusy) {
		t.Errorf("a second time: %v", err)
	}
	if _, err := ownsocket.Listen(t.Context(), strings.Repeat("x", ownsocket.MaxPath+1)); !errors.Is(err, ownsocket.ErrLongPath) {
		t.Errorf("a long path: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ownsocket.Listen(t.Context(), file); !errors.Is(err, ownsocket.ErrNoSocket) {
		t.Errorf("a file: %v", err)
	}
}
