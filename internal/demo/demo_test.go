package demo

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/uuid"
)

func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		err := Run(context.Background(), &Config{Out: &out, Tree: func(p *gatt.Profile) []string { return []string{fmt.Sprint(len(p.Services))} }, Value: func(u uuid.UUID, b []byte) string { return fmt.Sprintf("%x", b) }})
		t.Log(out.String())
		if err != nil {
			t.Fatal(err)
		}
	})
}
