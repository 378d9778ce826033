//go:build peers

package examples

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestModules: the examples that are modules of their own are tidy, vetted and built.
func TestModules(t *testing.T) {
	for _, name := range ownModules {
		for _, argv := range [][]string{{"go", "mod", "tidy", "-diff"}, {"go", "vet", "."}} {
			cmd := exec.Command(argv[0], argv[1:]...)
			cmd.Dir = root + "/examples/" + name
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %v: %v: %s", name, argv, err, out)
			}
		}
		if err := build(root+"/examples/"+name, "."); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("prometheus", testPrometheus)
	t.Run("mqtt", testMQTT)
}

// testPrometheus: a scrape has the values of the sensors.
func testPrometheus(t *testing.T) {
	p := start(t, program("prometheus"), "-a", "sim:beacons", "-listen", "127.0.0.1:0")
	url := p.want(`^metrics at (http://\S+);`)[1]
	want := []string{
		`ble_reading{device="C0:FF:EE:00:01:01",index="0",kind="temperature",name="Terrace",unit="°C"} 25.06`,
		`ble_reading{device="CB:B8:33:4C:88:4F",index="0",kind="humidity",name="",unit="%"} 53.49`,
		`ble_rssi_dbm{adapter="sim:beacons",device="C0:FF:EE:00:01:01",name="Terrace"} -50`,
	}
	var last string
	for late := time.Now().Add(patience); ; {
		last = scrape(t, url)
		missing := false
		for _, line := range want {
			missing = missing || !strings.Contains(last, line+"\n")
		}
		if !missing {
			break
		}
		if time.Now().After(late) {
			t.Fatalf("want %q in\n%s", want, last)
		}
	}
	if strings.Contains(last, "C0:FF:EE:00:01:04") {
		t.Errorf("a device without values has a series:\n%s", last)
	}
	p.interrupt()
}

func scrape(t *testing.T, url string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %v", answer.Status, err)
	}
	return string(b)
}

// testMQTT: a subscriber of mosquitto gets the descriptions and the values, and learns
// that the program has gone, both after Ctrl-C and after its death.
func testMQTT(t *testing.T) {
	port := broker(t)
	sub := start(t, "mosquitto_sub", "-h", "127.0.0.1", "-p", port, "-v", "-t", "#")
	p := start(t, program("mqtt"), "-a", "sim:beacons", "-broker", "tcp://127.0.0.1:"+port)
	sub.want(`^moor/status online$`)
	described := sub.want(`^homeassistant/sensor/moor_c0ffee000101/temperature/config (.*)$`)[1]
	for _, part := range []string{
		`"availability_topic":"moor/status"`, `"state_topic":"moor/c0ffee000101/temperature"`, `"unit_of_measurement":"°C"`,
		`"device":{"identifiers":["moor_c0ffee000101"],"name":"Terrace"}`, `"unique_id":"moor_c0ffee000101_temperature"`,
	} {
		if !strings.Contains(described, part) {
			t.Errorf("the description %s lacks %s", described, part)
		}
	}
	sub.want(`^moor/c0ffee000101/temperature 25.06$`)
	p.interrupt()
	sub.want(`^moor/status offline$`)

	p = start(t, program("mqtt"), "-a", "sim:beacons", "-broker", "tcp://127.0.0.1:"+port)
	sub.want(`^moor/status online$`)
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	sub.want(`^moor/status offline$`)
}

// TestNoBroker: without a broker, the error names it.
func TestNoBroker(t *testing.T) {
	if err := build(root+"/examples/mqtt", "."); err != nil {
		t.Fatal(err)
	}
	p := start(t, program("mqtt"), "-a", "sim:beacons", "-broker", "tcp://127.0.0.1:1")
	p.wantEnd(1)
	if !strings.Contains(p.stderr.String(), "cannot connect to the broker at tcp://127.0.0.1:1") {
		t.Errorf("stderr: %v", p.stderr)
	}
}

var listens = regexp.MustCompile(`mosquitto version \S+ running`)

// broker starts mosquitto on a free port of this machine.
func broker(t *testing.T) (port string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port = fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
	l.Close()
	cmd := exec.Command("mosquitto", "-p", port, "-v") // without a configuration, for this machine alone
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v; test/peers/run installs mosquitto", err)
	}
	ready := make(chan bool, 1)
	read := make(chan struct{})
	go func() {
		defer close(read)
		for s := bufio.NewScanner(log); s.Scan(); {
			if listens.MatchString(s.Text()) {
				ready <- true
			}
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-read
		_ = cmd.Wait()
	})
	select {
	case <-ready:
	case <-read:
		t.Fatal("mosquitto has ended")
	case <-time.After(patience):
		t.Fatal("mosquitto does not begin")
	}
	return port
}
