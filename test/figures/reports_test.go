//go:build figures

package figures

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
)

const (
	// lostReports bounds the share of lost reports beside two busy processes, in percent.
	lostReports = 0.5
	reportsTime = 5 * time.Second
)

// TestLostReports scans in real time, through a Unix socket: 10,000 reports a second that
// come one by one, beside two processes that never rest, and bursts of 256 at a mean of
// 1,000 a second, on a machine as busy as it happens to be.
func TestLostReports(t *testing.T) {
	for _, c := range []struct {
		name      string
		perSecond int
		atOnce    int
		burners   int
	}{{"even", 10_000, 10, 2}, {"bursts", 1000, 256, 0}} {
		for range c.burners {
			burn(t)
		}
		sent, got := scanCrowd(t, c.perSecond, c.atOnce)
		figure(t, "lost-reports/"+c.name, 100*float64(sent-got)/float64(sent), 0, lostReports, "%")
		figure(t, "reports/"+c.name, float64(sent)/reportsTime.Seconds(), 0.9*float64(c.perSecond), 1.1*float64(c.perSecond), "reports/s")
	}
}

// burn starts a process that uses a processor until the test ends.
func burn(t *testing.T) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), burnEnv+"=1")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}

// scanCrowd returns how many reports were sent and how many were delivered.
func scanCrowd(t *testing.T, perSecond, atOnce int) (sent, got int) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hci")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ended := make(chan int, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			ended <- 0
			return
		}
		defer conn.Close()
		ended <- serveCrowd(hcisock.NewStream(conn), perSecond, atOnce)
	}()
	tr, err := hcisock.Open(t.Context(), "unix:"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctl, err := controller.Open(t.Context(), tr, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ctl.Close()
	sc, err := ctl.Scan(t.Context(), &controller.ScanOptions{Duplicates: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range sc.All(context.Background()) {
		if err != nil { // the controller has ended
			break
		}
		got++
	}
	return <-ended, got
}

// serveCrowd is a controller that reports advertisements for reportsTime and then goes.
// It returns their number.
func serveCrowd(host hci.Transport, perSecond, atOnce int) (sent int) {
	scans, failed := make(chan struct{}), make(chan error, 1)
	go func() { failed <- answerCommands(host, scans) }()
	select {
	case <-scans:
	case <-failed:
		return 0
	}
	tick := time.NewTicker(time.Duration(atOnce) * time.Second / time.Duration(perSecond))
	defer tick.Stop()
	begin := time.Now()
	for time.Since(begin) < reportsTime {
		<-tick.C
		for due := int(time.Since(begin).Seconds() * float64(perSecond)); sent+atOnce <= due; {
			for range atOnce {
				sent++
				ev := hci.LEAdvertisingReport{Reports: []hci.AdvReport{{
					Type: hci.AdvNonconnInd, Addr: hci.Addr{MAC: hci.MAC{byte(sent % 200)}}, Data: []byte{3, 0xFF, byte(sent), byte(sent >> 8)}, RSSI: -60,
				}}}
				if err := host.WritePacket(hci.AppendEvent([]byte{byte(hci.PacketEvent)}, &ev)); err != nil {
					return 0
				}
			}
		}
	}
	return sent
}

var errBadCommand = errors.New("packet too short")

// answerCommands answers as a plain controller and closes scans when it has to scan.
func answerCommands(host hci.Transport, scans chan<- struct{}) error {
	b := make([]byte, hci.MaxPacketLen)
	for {
		n, err := host.ReadPacket(b)
		if err != nil {
			return err
		}
		if n < 4 {
			return errBadCommand
		}
		op := hci.Opcode(uint16(b[1]) | uint16(b[2])<<8)
		ret := make([]byte, 70) // success, and zeros for what it is asked
		if op == hci.OpLEReadBufferSize {
			ret[1], ret[3] = 27, 4
		}
		err = host.WritePacket(hci.AppendEvent([]byte{byte(hci.PacketEvent)}, &hci.CommandComplete{NumPackets: 1, Opcode: op, Return: ret}))
		if err != nil {
			return err
		}
		if op == hci.OpLESetScanEnable {
			close(scans)
			return nil
		}
	}
}
