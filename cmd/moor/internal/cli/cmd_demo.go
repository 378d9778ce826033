package cli

import (
	"context"
	"io"

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
	return a.withCapture(func(capture io.Writer) error {
		cfg.HCI.Snoop = capture
		return demo.Run(ctx, cfg)
	})
}
