package cli

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcitest"
)

// TestSilentDescriptor: a controller behind a descriptor that does not answer may be one
// whose answers another process reads.
func TestSilentDescriptor(t *testing.T) {
	for adapter, want := range map[string]bool{"fd:3": true, "hci0": false} {
		inAir(t, adapter, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := runChecked(t.Context(), []string{"-a", adapter, "--state", "none", "scan"}, &Env{
				Stdout: &stdout, Stderr: &stderr,
				Open: func(context.Context, string) (hci.Transport, error) {
					host, _ := hcitest.Pipe()
					return host, nil
				},
			})
			const other = "; or another process has the same descriptor\n"
			if code == 0 || !strings.Contains(stderr.String(), "no answer from the controller") || strings.Contains(stderr.String(), other) != want {
				t.Errorf("exit code %d, stderr %q", code, stderr.String())
			}
		})
	}
}

// TestAdviceOnChangedServices promises nothing that the command does not do.
func TestAdviceOnChangedServices(t *testing.T) {
	const want = "the services of the device have changed: run the command again, and see moor services for what it has now"
	if got := advice(fmt.Errorf("notify: %w", gatt.ErrStale)); got != want {
		t.Errorf("advice %q, want %q", got, want)
	}
}

// TestSlowStart: a person at a terminal learns that an adapter takes its time.
func TestSlowStart(t *testing.T) {
	for command, want := range map[string]string{"scan": "starting fd:3\n", "doctor": "trying the adapters\n"} {
		inAir(t, command, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			runChecked(t.Context(), []string{"-a", "fd:3", "--state", "none", command}, &Env{
				Stdout: &stdout, Stderr: &stderr, Terminal: func() (int, int) { return 80, 24 },
				Open: func(context.Context, string) (hci.Transport, error) {
					host, _ := hcitest.Pipe()
					return host, nil
				},
			})
			if !strings.HasPrefix(stderr.String(), want) {
				t.Errorf("stderr %q, want %q first", stderr.String(), want)
			}
		})
	}
}
