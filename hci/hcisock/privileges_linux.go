package hcisock

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	capNetAdmin = 12                  // CAP_NET_ADMIN
	initUserNS  = "user:[4026531837]" // PROC_USER_INIT_INO, the same on every kernel
)

// ReadPrivileges returns the privileges of this process.
func ReadPrivileges() (Privileges, error) { return privilegesIn(filepath.Join(procDir, "self")) }

// privilegesIn reads the privileges of the process with a folder of /proc.
func privilegesIn(self string) (Privileges, error) {
	status, err := os.ReadFile(filepath.Join(self, "status"))
	if err != nil {
		return Privileges{}, err
	}
	p := Privileges{Unbounded: true} // old kernels have no such line
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch name {
		case "CapEff", "CapBnd":
			caps, err := strconv.ParseUint(value, 16, 64)
			if err != nil {
				return Privileges{}, fmt.Errorf("%s: %w", name, err)
			}
			if has := caps&(1<<capNetAdmin) != 0; name == "CapEff" {
				p.NetAdmin = has
			} else {
				p.Unbounded = has
			}
		case "NoNewPrivs":
			p.NoNewPrivs = value == "1"
		}
	}
	ns, err := os.Readlink(filepath.Join(self, "ns/user"))
	// A kernel without user namespaces has no such link.
	p.InitialUserNS = ns == initUserNS || errors.Is(err, fs.ErrNotExist)
	return p, nil
}
