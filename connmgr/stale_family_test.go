package connmgr

import (
	"errors"
	"syscall"
	"testing"

	"github.com/moor-ble/moor/hci/hcisock"
)

// A kernel without Bluetooth has no links. A network namespace without it, or a process
// that may not look, says nothing of the links of the kernel.
func TestKernelLinksOutOfReach(t *testing.T) {
	for cause, none := range map[hcisock.Cause]bool{
		hcisock.CauseNoBluetooth: true, hcisock.CauseUnsupported: true, hcisock.CauseNamespace: false, hcisock.CausePermission: false,
	} {
		failed := &hcisock.OpenError{Address: "hci", Op: "open control socket", Cause: cause, Err: syscall.EAFNOSUPPORT}
		links, err := kernelLinks(func() error { return failed })
		if len(links) != 0 || none != (err == nil) || !none && !errors.Is(err, failed) {
			t.Errorf("%v: links %v, error %v", cause, links, err)
		}
	}
}
