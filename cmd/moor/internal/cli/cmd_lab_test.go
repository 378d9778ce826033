//go:build !minimal

package cli

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moor-ble/moor/sim"
)

const kitchen = `
controllers:
  - {name: hci0, attach: "tcp:127.0.0.1:0"}
  - {name: hci1, attach: vhci}
peripherals:
  - name: Kettle
    address: C0:FF:EE:00:00:0A
    services:
      - uuid: 180f
        characteristics: [{uuid: 2a19, name: Level, value: 87, properties: [read, write]}]
`

const kettle = "C0:FF:EE:00:00:0A/random"

// running is a command that runs in real time, until its end is asked for.
type running struct {
	t      *testing.T
	stdout <-chan string // lines
	stderr lockedBuffer
	stop   context.CancelFunc
	done   chan int
}

// start starts a command with JSON output.
func start(t *testing.T, args ...string) *running {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	w, lines := lineFeed()
	x := &running{t: t, stdout: lines, stop: stop, done: make(chan int, 1)}
	go func() {
		x.done <- runChecked(ctx, append([]string{"--json", "--state", "none"}, args...), &Env{Stdout: w, Stderr: &x.stderr})
		w.Close()
	}()
	return x
}

// await returns the next event of a kind.
func (x *running) await(kind string) (j jsonLab) {
	x.t.Helper()
	for line := range x.stdout {
		j = jsonLab{}
		if err := json.Unmarshal([]byte(line), &j); err != nil {
			x.t.Fatalf("%s: %v", line, err)
		}
		if string(j.Event) == kind {
			return j
		}
	}
	x.t.Fatalf("no event %s; stderr %q", kind, x.stderr.String())
	return j
}

// end interrupts the command, wants exit code 0, and returns the kinds of the events until
// then.
func (x *running) end() (kinds []string) {
	x.t.Helper()
	x.stop()
	for line := range x.stdout {
		var j jsonLab
		if err := json.Unmarshal([]byte(line), &j); err != nil {
			x.t.Errorf("%s: %v", line, err)
		}
		kinds = append(kinds, string(j.Event))
	}
	if code := <-x.done; code != 0 || x.stderr.String() != "" {
		x.t.Errorf("exit code %d, stderr %q", code, x.stderr.String())
	}
	return kinds
}

func writeRoom(t *testing.T, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "room.yaml")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestLab runs a scenario, reads a value from its device through a socket, changes it
// through the control interface, and reads it again.
func TestLab(t *testing.T) {
	control := "unix:" + filepath.Join(t.TempDir(), "control")
	x := start(t, "lab", writeRoom(t, kitchen), "--attach", "hci1=none", "--control", control)
	if j := x.await("control"); j.Place != control {
		t.Errorf("the control interface is at %q, want %q", j.Place, control)
	}
	at := x.await("listening")
	if at.Controller != "hci0" || !strings.HasPrefix(at.Place, "tcp:127.0.0.1:") {
		t.Errorf("%+v", at)
	}
	read := func(want string) {
		t.Helper()
		moor(t.Context(), "--state", "none", "-a", at.Place, "read", kettle, "2a19").want(t, 0, want, "")
		if j := x.await("client"); j.Controller != "hci0" || j.Client == "" {
			t.Errorf("%+v", j)
		}
		if j := x.await("connected"); j.Device != "Kettle" {
			t.Errorf("%+v", j)
		}
		if j := x.await("left"); j.Reason != "the client has gone" {
			t.Errorf("%+v", j)
		}
	}
	read("57  87 %\n")
	set := func(args ...string) result {
		t.Helper()
		return moor(t.Context(), append([]string{"lab", "set", "--control", control}, args...)...)
	}
	set("Kettle", "set-value", "Level", "55").want(t, 0, "", "")
	if j := x.await("action"); j.Action != "set-value Kettle Level 55" || j.Error != "" {
		t.Errorf("%+v", j)
	}
	read("37  55 %\n")
	set("hci0", "fault", "{connect: {times: 1}}").want(t, 0, "", "")
	x.await("action")
	set("Kettle", "move", "40m", "hci0").want(t, 0, "", "")
	x.await("action")
	set("Kettle", "power-off").want(t, 0, "", "")
	x.await("action")
	set("Kettel", "power-off").want(t, 1, "", `moor: no device "Kettel": there are Kettle`+"\n")
	if j := x.await("action"); j.Error != `no device "Kettel": there are Kettle` {
		t.Errorf("%+v", j)
	}
	if kinds := x.end(); len(kinds) != 0 {
		t.Errorf("further events: %q", kinds)
	}
	set("Kettle", "power-on").want(t, 1, "", "moor: no lab at "+control+": no such file or directory: start one with moor lab FILE --control "+control+"\n")
}

// TestLabControl reads the state and the events over HTTP.
func TestLabControl(t *testing.T) {
	x := start(t, "lab", "sensors", "--attach", "sim=tcp:127.0.0.1:0", "--control", "tcp:127.0.0.1:0")
	_, address, _ := strings.Cut(x.await("control").Place, ":")
	place := x.await("listening").Place
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	get := func(path string, change func(*http.Request)) *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if change != nil {
			change(r)
		}
		a, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	events := get("/events", nil)
	defer events.Body.Close()
	_, hci, _ := strings.Cut(place, ":")
	c, err := net.Dial("tcp", hci)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var j jsonLab
	if err := json.NewDecoder(events.Body).Decode(&j); err != nil || j.Event != "client" || j.Client != c.LocalAddr().String() {
		t.Errorf("%+v, %v; want the client %v", j, err, c.LocalAddr())
	}
	a := get("/state", nil)
	defer a.Body.Close()
	var state struct {
		Controllers []struct {
			Name, Place string
			Client      bool
		}
		Devices []struct{ Name, Address string }
	}
	if err := json.NewDecoder(a.Body).Decode(&state); err != nil {
		t.Fatal(err)
	}
	if len(state.Controllers) != 1 || state.Controllers[0].Name != "sim" || state.Controllers[0].Place != place || !state.Controllers[0].Client || len(state.Devices) != 3 {
		t.Errorf("%+v", state)
	}
	for name, change := range map[string]func(*http.Request){
		"of a page":            func(r *http.Request) { r.Header.Set("Origin", "https://example.com") },
		"under a foreign name": func(r *http.Request) { r.Host = "example.com:80" },
	} {
		a := get("/state", change)
		a.Body.Close()
		if a.StatusCode != http.StatusForbidden {
			t.Errorf("a request %s: %s", name, a.Status)
		}
	}
	x.end()
}

func TestLabFiles(t *testing.T) {
	file := writeRoom(t, kitchen)
	moor(t.Context(), "lab", file, "--check").want(t, 0, file+" is right: it has 1 peripheral\n", "")
	moor(t.Context(), "lab", "--example").want(t, 0, string(sim.ExampleFile()), "")
	example := writeRoom(t, string(sim.ExampleFile()))
	moor(t.Context(), "lab", "--check", example).want(t, 0, example+" is right: it has 4 peripherals\n", "")
	wrong := writeRoom(t, "controllers:\n  - {name: hci0, attch: vhci}\n")
	if r := moor(t.Context(), "lab", "--check", wrong); r.code != 1 || !strings.Contains(r.stderr, wrong+":2:") || !strings.Contains(r.stderr, "attch") {
		t.Errorf("%+v", r)
	}
}

func TestWrongLabCommandLines(t *testing.T) {
	file, none := writeRoom(t, kitchen), writeRoom(t, "text: nothing\n")
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{nil, 2, "FILE is missing: a scenario file; --example writes one"},
		{[]string{file, "x"}, 2, `unexpected argument "x"`},
		{[]string{"--example", file}, 2, "--example needs no FILE"},
		{[]string{"--example", "--snoop", "x"}, 2, "--snoop: there are no packets to capture: leave it out"},
		{[]string{"set", "Kettle", "power-off", "--snoop", "x"}, 2, "--snoop: there are no packets to capture: leave it out"},
		{[]string{"sensors", "--attach", "sim=tcp:127.0.0.1:0", "--snoop-keys"}, 2, "--snoop-keys needs a capture: add --snoop FILE"},
		{[]string{"atlantis"}, 1, `no scenario "atlantis": there are sensors`},
		{[]string{none}, 2, "no controller is attached: write --attach sim=tcp:127.0.0.1:9001, or attach in the file"},
		{[]string{file, "--attach", "hci0"}, 2, `"hci0": write NAME=PLACE, such as hci0=tcp:127.0.0.1:9001`},
		{[]string{file, "--attach", "hci0=com1"}, 2, `"com1" is no place: write vhci, pty, tcp:HOST:PORT or unix:PATH`},
		{[]string{file, "--attach", "hci0=pty", "--attach", "hci0=pty"}, 2, "hci0 is attached twice: leave one of them out"},
		{[]string{file, "--attach", "hci1=none", "--attach", "hci7=pty"}, 2, `no controller "hci7": there are hci0, hci1`},
		{[]string{file, "--attach", "hci1=none", "--attach", "hci0=tcp:" + busy.Addr().String()}, 1, "hci0: tcp:" + busy.Addr().String() + ": address already in use: end the program that listens there"},
		{[]string{file, "--control", "tcp:0.0.0.0:1"}, 2, `"tcp:0.0.0.0:1" is no control address: write unix:PATH or tcp:127.0.0.1:PORT`},
		{[]string{"set", "hci0", "unplug"}, 2, "--control is missing"},
		{[]string{"set", "--control", "unix:x", "hci0"}, 2, "NAME ACTION is missing"},
		{[]string{"set", "--control", "unix:x", "hci0", "jump"}, 2, `no action "jump": there are power-off, power-on`},
		{[]string{"set", "--control", "unix:x", "Kettle", "set-value", "Level"}, 2, `set-value takes CHARACTERISTIC VALUE after it, not "Level"`},
		{[]string{"set", "--control", "unix:x", "hci0", "unplug", "now"}, 2, `unplug takes nothing after it, not "now"`},
	} {
		r := moor(t.Context(), append([]string{"lab"}, c.args...)...)
		if r.code != c.code || !strings.Contains(r.stderr, c.want) {
			t.Errorf("%q: %+v, want %d and %q", c.args, r, c.code, c.want)
		}
	}
}

// TestOrders: each action of a scenario has an order, which the world understands.
func TestOrders(t *testing.T) {
	s, err := sim.ParseFile("room.yaml", []byte(kitchen))
	if err != nil {
		t.Fatal(err)
	}
	w, err := s.OpenWorld(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	var actions []string
	for line, want := range map[string]sim.Action{
		"Kettle power-off":            {Do: sim.ActPowerOff, Device: "Kettle"},
		"Kettle power-on":             {Do: sim.ActPowerOn, Device: "Kettle"},
		"Kettle drop-link":            {Do: sim.ActDropLink, Device: "Kettle"},
		"Kettle drop-link 0x13":       {Do: sim.ActDropLink, Device: "Kettle", Reason: 0x13},
		`Kettle set-value Level "1:#`: {Do: sim.ActSetValue, Device: "Kettle", Characteristic: "Level", Value: `"1:#`},
		"Kettle move 3m":              {Do: sim.ActMove, Device: "Kettle", Place: sim.Place{Distance: 3}},
		"Kettle move {distance:\u00a05m,noise:\u00a02} hci1": {Do: sim.ActMove, Device: "Kettle", Controller: "hci1", Place: sim.Place{Distance: 5, Noise: 2}},
		"hci0 unplug":       {Do: sim.ActUnplug, Controller: "hci0"},
		"hci0 replug 3s":    {Do: sim.ActReplug, Controller: "hci0", For: 3 * time.Second},
		"hci0 replug":       {Do: sim.ActReplug, Controller: "hci0"},
		"hci0 hang":         {Do: sim.ActHang, Controller: "hci0"},
		"hci0 crash":        {Do: sim.ActCrash, Controller: "hci0"},
		"hci0 clear-faults": {Do: sim.ActClearFaults, Controller: "hci0"},
	} {
		words := strings.Split(line, " ")
		for i := range words {
			words[i] = strings.ReplaceAll(words[i], "\u00a0", " ")
		}
		b, err := orderOf(words)
		if err != nil {
			t.Fatal(err)
		}
		a, err := w.ParseAction(b)
		if err != nil {
			t.Errorf("%s: %v", b, err)
			continue
		}
		if !reflect.DeepEqual(a, want) {
			t.Errorf("%s:\n%+v, want\n%+v", line, a, want)
		}
		actions = append(actions, string(a.Do))
	}
	for _, o := range []string{
		"hci0 fault {connect:\u00a0{times:\u00a01}}", "Kettle set-temper {}", "Kettle set-table [{uuid:\u00a01809}]",
	} {
		b, err := orderOf(strings.Split(strings.ReplaceAll(o, "\u00a0", " "), " ")[:2])
		if err == nil {
			t.Errorf("%s without its last word: %s", o, b)
		}
		words := strings.SplitN(strings.ReplaceAll(o, "\u00a0", " "), " ", 3)
		if b, err = orderOf(words); err != nil {
			t.Fatal(err)
		}
		a, err := w.ParseAction(b)
		if err != nil {
			t.Errorf("%s: %v", b, err)
		}
		actions = append(actions, string(a.Do))
	}
	for _, kind := range sim.ActionKind("").Choices() {
		if !slices.Contains(actions, kind) {
			t.Errorf("no order has the action %s", kind)
		}
	}
}
