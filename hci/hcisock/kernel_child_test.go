//go:build kernel && linux

package hcisock

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/moor-ble/moor/hci"
)

// child is a task for another process, which runs this test binary.
type child struct {
	call    string // "open" or "list"
	address string
	nobody  bool    // as a user without capabilities
	netns   bool    // in a network namespace of its own
	pass    *Socket // as descriptor 3
}

// childResult is the output of a child.
type childResult struct {
	Cause    Cause
	Error    string
	Adapters []Adapter
}

const (
	childEnv  = "MOOR_KERNEL_TEST_CHILD"
	childMark = "child result: "
)

func inChild(t *testing.T, c child) childResult {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), kernelTimeout)
	defer cancel()
	// Not the path: a user without rights may not come along it.
	cmd := exec.CommandContext(ctx, "/proc/self/exe", "-test.run=^TestKernelChild$", "-test.v")
	cmd.Env = append(os.Environ(), childEnv+"="+c.call+" "+c.address)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if c.nobody {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
	}
	if c.netns {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWNET
	}
	if c.pass != nil {
		rc, err := c.pass.conn.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		var dup int
		if err := rc.Control(func(fd uintptr) { dup, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) }); err != nil || dup == 0 {
			t.Fatal(err)
		}
		f := os.NewFile(uintptr(dup), "user channel")
		defer f.Close()
		cmd.ExtraFiles = []*os.File{f}
	}
	out, err := cmd.CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if _, text, ok := strings.Cut(line, childMark); ok {
			var r childResult
			if err := json.Unmarshal([]byte(text), &r); err != nil {
				t.Fatal(err)
			}
			return r
		}
	}
	t.Fatalf("child %+v: %v, printed %q", c, err, out)
	return childResult{}
}

// TestKernelChild is not a test: inChild runs it in the child.
func TestKernelChild(t *testing.T) {
	call, address, ok := strings.Cut(os.Getenv(childEnv), " ")
	if !ok {
		t.Skip("only for the other tests")
	}
	var r childResult
	var err error
	switch call {
	case "open":
		var tr hci.Transport
		if tr, err = Open(t.Context(), address, nil); err == nil {
			err = roundTrip(tr)
			tr.Close()
		}
	case "list":
		r.Adapters, err = Adapters()
	default:
		err = fmt.Errorf("what is %s?", strconv.Quote(call))
	}
	if e, ok := errors.AsType[*OpenError](err); ok {
		r.Cause = e.Cause
	}
	if err != nil {
		r.Error = err.Error()
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("\n%s%s\n", childMark, text)
}
