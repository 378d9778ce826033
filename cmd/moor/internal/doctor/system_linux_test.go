package doctor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/moor-ble/moor/hci/hcisock"
)

// tree makes files below a new directory; a value that begins with "->" is a
// symbolic link.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if target, ok := strings.CutPrefix(content, "->"); ok {
			err = os.Symlink(target, path)
		} else {
			err = os.WriteFile(path, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestInitialNetNS(t *testing.T) {
	for _, c := range []struct {
		files map[string]string
		want  bool
	}{
		{map[string]string{"sys/net/core/somaxconn": "1", "sys/net/core/netdev_max_backlog": "1000"}, true},
		{map[string]string{"sys/net/core/somaxconn": "1"}, false},
	} {
		if got, err := initialNetNS(tree(t, c.files)); got != c.want || err != nil {
			t.Errorf("%v: %v, %v; want %v", c.files, got, err, c.want)
		}
	}
	if _, err := initialNetNS(t.TempDir()); err == nil {
		t.Error("without /proc/sys there is nothing to tell it by, but no error")
	}
}

func TestDormant(t *testing.T) {
	devices := tree(t, map[string]string{
		// A keyboard, a Bluetooth device without driver, its audio interface,
		// and a Bluetooth device that is an adapter.
		"1-1:1.0/bInterfaceClass": "03\n", "1-1:1.0/bInterfaceSubClass": "01\n", "1-1:1.0/bInterfaceProtocol": "01\n",
		"1-2/idVendor": "0a12\n", "1-2/idProduct": "0001\n",
		"1-2:1.0/bInterfaceClass": "e0\n", "1-2:1.0/bInterfaceSubClass": "01\n", "1-2:1.0/bInterfaceProtocol": "01\n",
		"1-2:1.1/bInterfaceClass": "e0\n", "1-2:1.1/bInterfaceSubClass": "01\n", "1-2:1.1/bInterfaceProtocol": "01\n",
		"1-3:1.0/bInterfaceClass": "e0\n", "1-3:1.0/bInterfaceSubClass": "01\n", "1-3:1.0/bInterfaceProtocol": "01\n",
		"1-3:1.0/bluetooth/hci0/uevent": "",
	})
	if diff := cmp.Diff([]string{"USB 1-2:1.0 (0a12:0001)"}, dormant(devices)); diff != "" {
		t.Errorf("dormant devices differ (-want +got):\n%s", diff)
	}
}

// The real probes on this machine: if the report is not OK, it has the reason.
func TestSystem(t *testing.T) {
	if hcisock.HasAddressFamily() == nil {
		t.Skip("this machine has Bluetooth, which a unit test leaves alone")
	}
	r := Run(t.Context(), System("", nil))
	if f := find(t, r, "adapters"); r.OK || f.OK {
		t.Errorf("OK %v, %+v; want no adapter without Bluetooth", r.OK, f)
	}
	bad := 0
	for _, f := range r.Findings {
		if !f.OK && (f.Check == "kernel" || f.Check == "network namespace") && f.Remedy != "" {
			bad++
		}
	}
	if bad == 0 {
		t.Errorf("nothing tells why: %+v", r.Findings)
	}
}
