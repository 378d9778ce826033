//go:build unix && !minimal

package cli

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestProxyLeavesABusySocket: a socket whose program is slow to accept is in use.
func TestProxyLeavesABusySocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "proxy")
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		c, err := net.Dial("unix", path)
		if err != nil {
			break
		}
		defer c.Close()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	r := moor(ctx, "-a", "sim:empty", "--state", t.TempDir(), "proxy", "--listen", "unix:"+path)
	if _, err := os.Lstat(path); err != nil || r.code != 1 || !strings.Contains(r.stderr, path) {
		t.Errorf("%v, %+v", err, r)
	}
}
