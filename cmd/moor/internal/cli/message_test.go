package cli

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
)

// TestAdapterErrors: an adapter that cannot be opened is named once, with the remedy
// on a line of its own. Several of them have one each.
func TestAdapterErrors(t *testing.T) {
	const (
		gone    = "moor: hci9: bind user channel: there is no such adapter\n      moor adapters lists them\n"
		several = "moor: no adapter is ready: hci9: hci9: bind user channel: there is no such adapter; moor adapters lists them\n" +
			"      uart: uart: connect: it is silent; plug it in again\n"
	)
	broken := map[string]error{
		"hci9": &hcisock.OpenError{Address: "hci9", Op: "bind user channel", Err: errors.New("there is no such adapter"), Remedy: "moor adapters lists them"},
		"uart": &hcisock.OpenError{Address: "uart", Op: "connect", Err: errors.New("it is silent"), Remedy: "plug it in again"},
		"odd":  errors.New("odd: it does not work"),
	}
	for _, c := range []struct {
		args, stdout, stderr string
		code                 int
	}{
		{"-a hci9 read " + belt + " 2a38", "", gone, 1},
		{"-a hci9 devices", "", gone, 1},
		{"-a hci9 connect " + belt, "", gone, 1},
		{"-a hci9,uart read " + belt + " 2a38", "", several, 1},
		{"-a odd read " + belt + " 2a38", "", "moor: no adapter is ready: odd: odd: it does not work\n", 1},
	} {
		inAir(t, c.args, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := runChecked(t.Context(), strings.Fields(c.args), &Env{Stdout: &stdout, Stderr: &stderr, Open: func(_ context.Context, name string) (hci.Transport, error) {
				return nil, broken[name]
			}})
			result{code, stdout.String(), stderr.String(), 0}.want(t, c.code, c.stdout, c.stderr)
		})
	}
}
