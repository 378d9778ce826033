//go:build kernel

package kernel

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moor-ble/moor/hci/hcisock"
)

// The service of server.py and its characteristics: readable and writable, with
// notifications, writable without response, with a long value, and readable on
// encrypted links only.
const (
	serviceUUID = "6d6f6f72-0001-4000-8000-0123456789ab"
	scratchUUID = "6d6f6f72-0002-4000-8000-0123456789ab"
	valuesUUID  = "6d6f6f72-0003-4000-8000-0123456789ab"
	pipeUUID    = "6d6f6f72-0004-4000-8000-0123456789ab"
	longUUID    = "6d6f6f72-0005-4000-8000-0123456789ab"
	guardedUUID = "6d6f6f72-0006-4000-8000-0123456789ab"
)

// server is a running server.py, which gives bluetoothd a table. bluetoothctl
// could do that too, but version 5.82 forgets the values that are written.
type server struct {
	in     io.Writer
	stop   func() // ends it
	events chan serverEvent
	failed string // why the server is of no more use, or ""
}

type serverEvent struct{ Event, Value string }

// startServer offers the service on hci1, which is powered, and advertises. ""
// means the next free handle.
func startServer(t *testing.T, handle string) *server {
	t.Helper()
	cmd := exec.Command("python3", "/share/server.py")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	log, err := logFile("server.log")
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &server{in: in, events: make(chan serverEvent, 4096)} // more than a test brings about
	read := make(chan struct{})
	go func() {
		defer close(read)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var e serverEvent
			if json.Unmarshal(lines.Bytes(), &e) == nil {
				s.events <- e
			}
		}
	}()
	s.stop = sync.OnceFunc(func() {
		_ = in.Close()
		<-read
		if err := cmd.Wait(); err != nil {
			t.Errorf("server.py: %v", err)
		}
		_ = log.Close()
	})
	t.Cleanup(s.stop)
	s.await(t, "ready")
	s.offer(t, handle)
	s.order(t, "advertise "+peerName, "advertising")
	return s
}

// await waits for an event with a name and drops the events before it. Once that
// has failed, every later call fails at once.
func (s *server) await(t *testing.T, name string) serverEvent {
	t.Helper()
	if s.failed != "" {
		t.Fatalf("failed before: %s", s.failed)
	}
	for late := time.After(patience); ; {
		select {
		case e := <-s.events:
			if e.Event == "failed" {
				s.fail(t, e.Value)
			}
			if e.Event == name {
				return e
			}
		case <-late:
			s.fail(t, fmt.Sprintf("server.py was not %s within %v", name, patience))
		}
	}
}

// fail fails the test for the reason, after all that may explain it.
func (s *server) fail(t *testing.T, reason string) {
	t.Helper()
	s.failed = reason
	diagnose(t)
	t.Fatal(reason)
}

func (s *server) order(t *testing.T, order, answer string) {
	t.Helper()
	if _, err := io.WriteString(s.in, order+"\n"); err != nil {
		t.Fatal(err)
	}
	s.await(t, answer)
}

// offer adds the service to bluetoothd's table.
func (s *server) offer(t *testing.T, handle string) {
	t.Helper()
	s.order(t, strings.TrimSpace("offer "+handle), "offered")
}

// withdraw removes the service from bluetoothd's table.
func (s *server) withdraw(t *testing.T) {
	t.Helper()
	s.order(t, "withdraw", "withdrawn")
}

// notify sends a notification to the subscribers.
func (s *server) notify(t *testing.T) {
	t.Helper()
	time.Sleep(200 * time.Millisecond)
	s.order(t, "notify", "notified")
}

// ready waits until bluetoothd has removed every link. Version 5.66 was seen to
// answer "unlikely error" and "request not supported", and to end the new link,
// when a host reconnected before that.
func (s *server) ready(t *testing.T) {
	t.Helper()
	eventually(t, "the kernel has removed the link", func() bool {
		if _, err := os.Stat("/sys/class/bluetooth/hci1"); errors.Is(err, os.ErrNotExist) {
			return true
		}
		links, err := hcisock.Links(1)
		if err != nil {
			t.Fatal(err)
		}
		return len(links) == 0
	})
	s.order(t, "idle", "idle")
}
