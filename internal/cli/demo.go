package cli

import (
	"context"
	"fmt"
	"os"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/demo"
	"github.com/moor-ble/moor/uuid"
)

func runDemo(ctx context.Context, a *app) error {
	if a.JSON {
		return usagef("the demo is for people: it has no --json")
	}
	cfg := &demo.Config{
		Out:   a.out,
		Tree:  tree,
		Value: func(u uuid.UUID, b []byte) string { return newValue(u, b).String() },
		HCI:   hci.Config{Name: "demo", Logger: a.log},
	}
	return a.withCapture(func(capture *os.File) error {
		if capture != nil {
			cfg.HCI.Snoop = capture
		}
		return demo.Run(ctx, cfg)
	})
}

// withCapture runs f with the file of --snoop, nil if there is none.
func (a *app) withCapture(f func(capture *os.File) error) (err error) {
	if a.Snoop == "" {
		return f(nil)
	}
	capture, err := os.Create(a.Snoop)
	if err != nil {
		return fmt.Errorf("capture: %w", err)
	}
	err = f(capture)
	if e := capture.Close(); err == nil && e != nil {
		err = fmt.Errorf("capture: %w", e)
	}
	return err
}
