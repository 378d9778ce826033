//go:build figures

package figures

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moor-ble/moor/esphome"
)

// Bounds of a proxy under a throng of devices: processor time for each client in percent of a
// core, and its resident set in octets.
const (
	throngClient   = 5
	throngResident = 30_000_000
)

// throngTime is the time for which the proxy is measured with one number of clients;
// $MOOR_FIGURES_TIME replaces it.
func throngTime(t *testing.T) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(os.Getenv("MOOR_FIGURES_TIME"))
	if err != nil {
		return 20 * time.Second
	}
	return d
}

// subscriber is a client of the proxy, which looks for gaps in the numbers of advertisements.
type subscriber struct {
	conn       *esphome.Conn
	got, lost  atomic.Int64
	last       [throngSize]uint32
	confirmed  chan struct{}
	ended      chan struct{}
	damage     atomic.Int64 // reports that are not the throng's
	subscribed bool
}

// subscribe makes a client.
func subscribe(t *testing.T, address string, key esphome.Key) *subscriber {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	s := &subscriber{confirmed: make(chan struct{}), ended: make(chan struct{})}
	if s.conn, err = esphome.Connect(t.Context(), c, &key); err != nil {
		t.Fatal(err)
	}
	if err := s.conn.Write(&esphome.HelloRequest{Client: "figures", Major: 1, Minor: 14}, &esphome.SubscribeAdvertisements{Flags: 1}); err != nil {
		t.Fatal(err)
	}
	go s.run()
	<-s.confirmed
	return s
}

func (s *subscriber) run() {
	defer close(s.ended)
	for {
		m, err := s.conn.Read()
		if err != nil {
			return
		}
		switch m := m.(type) {
		case *esphome.PingRequest:
			_ = s.conn.Write(&esphome.PingResponse{})
		case *esphome.ScannerState:
			if !s.subscribed {
				s.subscribed = true
				close(s.confirmed)
			}
		case *esphome.Advertisements:
			for _, r := range m.Reports {
				s.note(&r)
			}
		}
	}
}

func (s *subscriber) note(r *esphome.Advertisement) {
	device := byte(r.Address)
	n, ok := throngNumber(r.Data)
	if !ok || int(device) >= throngSize {
		s.damage.Add(1)
		return
	}
	s.got.Add(1)
	if last := s.last[device]; last != 0 && n != last+1 {
		s.lost.Add(int64(n - last - 1))
	}
	s.last[device] = n
}

// spent returns the processor time and the resident set of a process.
func spent(t *testing.T, pid int) (cpu time.Duration, resident float64) {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	var user, system, pages int64
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')'):]))
	_, _ = fmt.Sscan(fields[12], &user)
	_, _ = fmt.Sscan(fields[13], &system)
	_, _ = fmt.Sscan(fields[22], &pages)
	const tick = 10 * time.Millisecond
	return time.Duration(user+system) * tick, float64(pages) * float64(os.Getpagesize())
}

// startProxy starts moor proxy on a controller at a Unix socket.
func startProxy(t *testing.T, moor, socket string) (pid int, address string, key esphome.Key) {
	t.Helper()
	cmd := exec.Command(moor, "--adapter", "unix:"+socket, "--state", t.TempDir(), "--json", "proxy", "--listen", "127.0.0.1:0")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var listening struct {
		Address string `json:"address"`
		KeyFile string `json:"key_file"`
	}
	if err := json.Unmarshal([]byte(line), &listening); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(listening.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	if key, err = esphome.ParseKey(string(text)); err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid, listening.Address, key
}

// TestProxiedThrong measures moor proxy with 2,000 advertisements a second and one client, and
// with three.
func TestProxiedThrong(t *testing.T) {
	moor := build(t)
	socket := filepath.Join(t.TempDir(), "hci")
	startServer(t, throngEnv, socket)
	pid, address, key := startProxy(t, moor, socket)
	clients := []*subscriber{subscribe(t, address, key)}
	measure := func() (share float64, reports int64) {
		time.Sleep(2 * time.Second)
		begin, before := time.Now(), clients[0].got.Load()
		cpu, _ := spent(t, pid)
		time.Sleep(throngTime(t))
		now, _ := spent(t, pid)
		return (now - cpu).Seconds() / time.Since(begin).Seconds() * 100, clients[0].got.Load() - before
	}
	one, reports := measure()
	for range 2 {
		clients = append(clients, subscribe(t, address, key))
	}
	three, _ := measure()
	_, resident := spent(t, pid)
	figure(t, "ProxiedThrong/reports", float64(reports)/throngTime(t).Seconds(), 1900, 2100, "reports/s")
	figure(t, "ProxiedThrong/one-client", one, 0, 100, "%-core")
	figure(t, "ProxiedThrong/three-clients", three, 0, 100, "%-core")
	figure(t, "ProxiedThrong/client", max(0, three-one)/2, 0, throngClient, "%-core")
	figure(t, "ProxiedThrong/resident", resident, 1, throngResident, "B")
	for i, c := range clients {
		_ = c.conn.Close()
		<-c.ended
		figure(t, fmt.Sprintf("ProxiedThrong/lost/%d", i), float64(c.lost.Load()), 0, 0, "reports")
		figure(t, fmt.Sprintf("ProxiedThrong/damaged/%d", i), float64(c.damage.Load()), 0, 0, "reports")
	}
}

// throngNumber returns the number in the data of throngData.
func throngNumber(d []byte) (n uint32, ok bool) {
	if len(d) != 11 {
		return 0, false
	}
	return binary.LittleEndian.Uint32(d[7:]), true
}
