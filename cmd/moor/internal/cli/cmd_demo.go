package cli

import (
	"context"

	"github.com/moor-ble/moor/cmd/moor/internal/demo"
	"github.com/moor-ble/moor/controller"
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
		HCI:   controller.Config{Name: "demo", Logger: a.log},
	}
	capture, err := a.openCapture(ctx)
	if err != nil {
		return err
	}
	cfg.HCI.Snoop, cfg.HCI.SnoopKeys = capture.writer(), a.SnoopKeys
	return a.closeCapture(capture, demo.Run(ctx, cfg))
}
