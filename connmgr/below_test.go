package connmgr_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/controller"
)

// A link that the program has made below the Manager is not shared: it is the program's
// to end. The error says so at once, and names the way out.
func TestLinkBelowTheManager(t *testing.T) { inBubble(t, testLinkBelowTheManager) }

func testLinkBelowTheManager(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.device(1)
	time.Sleep(second)
	own, err := l.m.Adapter("hci0").Controller().Connect(t.Context(), address(1), &controller.ConnectOptions{Timeout: 5 * second})
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	e := l.failToEstablish(nil)
	if !errors.Is(e, connmgr.ErrConnection) || len(e.Attempts) != 1 || time.Since(begin) > second ||
		!strings.Contains(e.Advice, "link of its own") {
		t.Errorf("%v, advice %q, after %d attempts in %v", e, e.Advice, len(e.Attempts), time.Since(begin))
	}
	if err := own.Err(); err != nil {
		t.Errorf("the program's own link ended: %v", err)
	}
	if err := own.Disconnect(context.Background()); err != nil {
		t.Error(err)
	}
	l.establish(1, nil).Close()
}
