package hcisock

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// process makes a folder as /proc/self, with a user namespace unless that is "".
func process(t *testing.T, status, userNS string) string {
	t.Helper()
	self := filepath.Join(t.TempDir(), "self")
	if err := os.MkdirAll(filepath.Join(self, "ns"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(self, "status"), []byte(status), 0o644); err != nil {
		t.Fatal(err)
	}
	if userNS != "" {
		if err := os.Symlink(userNS, filepath.Join(self, "ns/user")); err != nil {
			t.Fatal(err)
		}
	}
	return self
}

const (
	noNetAdmin = "CapEff:\t0000000000000000\n"
	mayHave    = "CapBnd:\t000001ffffffffff\n"
	mayNotHave = "CapBnd:\t00000000a80425fb\n" // of docker run
)

func TestPrivileges(t *testing.T) {
	for _, c := range []struct {
		name, status, userNS string
		want                 Privileges
		remedy               string
	}{
		{"root", "Name:\tx\nCapEff:\t000001ffffffffff\n" + mayHave, initUserNS, Privileges{true, true, true, false}, ""},
		{"this capability alone", "CapEff:\t0000000000001000\n", initUserNS, Privileges{true, true, true, false}, ""},
		{"no user namespaces", "CapEff:\t000001ffffffffff\n", "", Privileges{true, true, true, false}, ""},
		{"all but this capability", "CapEff:\t000001ffffffefff\n" + mayHave + "NoNewPrivs:\t0\n", initUserNS,
			Privileges{false, true, true, false}, "setcap cap_net_admin+ep PROGRAM"},
		{"rootless container", "CapEff:\t000001ffffffffff\n", "user:[4026532999]", Privileges{true, false, true, false}, "fd:N"},
		{"container", "CapEff:\t00000000a80425fb\n" + mayNotHave, initUserNS, Privileges{false, true, false, false}, "--cap-add NET_ADMIN"},
		{"no new privileges", noNetAdmin + mayHave + "NoNewPrivs:\t1\n", initUserNS, Privileges{false, true, true, true}, "AmbientCapabilities=CAP_NET_ADMIN"},
	} {
		got, err := privilegesIn(process(t, c.status, c.userNS))
		if err != nil || got != c.want || (got.Remedy() == "") != (c.remedy == "") || !strings.Contains(got.Remedy(), c.remedy) {
			t.Errorf("%s: %+v, %v, %q; want %+v and %q", c.name, got, err, got.Remedy(), c.want, c.remedy)
		}
	}
	if _, err := privilegesIn(process(t, "CapEff:\tmany\n", "")); err == nil {
		t.Error("a capability set that is no number gave no error")
	}
	if _, err := privilegesIn(t.TempDir()); err == nil {
		t.Error("no status file gave no error")
	}
}

// The error of an adapter that may not be opened has a remedy that helps this process.
func TestRemedyOfThisProcess(t *testing.T) {
	self := process(t, noNetAdmin+mayNotHave, initUserNS)
	err := clues{class: t.TempDir(), proc: filepath.Dir(self)}.explain("hci0", "bind user channel", 0, unix.EPERM)
	if !strings.Contains(err.Error(), "--cap-add NET_ADMIN") || strings.Contains(err.Error(), "run it as root") {
		t.Errorf("%v", err)
	}
}
