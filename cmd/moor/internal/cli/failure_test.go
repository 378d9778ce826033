package cli

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

// textOf returns the text of what a command has written to standard error, which may be an
// error in JSON.
func textOf(t *testing.T, stderr *bytes.Buffer) string {
	t.Helper()
	if !strings.HasPrefix(stderr.String(), "{") {
		return stderr.String()
	}
	var j jsonFailure
	if err := json.Unmarshal(stderr.Bytes(), &j); err != nil || j.Error == "" || j.Class == "" || j.ExitCode == 0 {
		t.Errorf("%s: %+v, %v", stderr.String(), j, err)
	}
	said := "moor: " + j.Error + "\n"
	if j.Advice != "" {
		said += "      " + j.Advice + "\n"
	}
	return said
}

func TestJSONErrors(t *testing.T) {
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"demo", 2, `{"error":"the demo is for people: it has no --json","class":"usage","advice":"see moor demo --help","exit_code":2}`},
		{"scan --purple", 2, `{"error":"unknown flag: --purple","class":"usage","advice":"see moor scan --help","exit_code":2}`},
		{"read C0:FF:EE:00:00:77 2a19", 3, `{"error":"C0:FF:EE:00:00:77 was not seen on air within 10s","class":"not found",` +
			`"advice":"switch it on, bring it closer, or wake it up; with /random or /public after the address, moor connects without having seen it","exit_code":3}`},
		{"pair " + thermometer, 8, `{"error":"C0:FF:EE:00:00:01 (Thermometer): not paired after 1 attempt: pairing refused by the peer: pairing not supported","class":"pairing",` +
			`"advice":"the device does not pair: connect without pairing; or it still has a bond with this host: remove that on the device","exit_code":8}`},
		{"read " + belt + " 2a39", 1, `{"error":"read handle 0x0020, 2a39 (Heart Rate Control Point): read request of handle 0x0020: read not permitted (0x02)",` +
			`"class":"fatal","advice":"it cannot be read: moor services shows whether it can be written or subscribed to","exit_code":1}`},
	} {
		inAir(t, c.args, func(t *testing.T) {
			args := append([]string{"-a", "sim:", "--state", t.TempDir()}, strings.Fields(c.args)...)
			moor(t.Context(), append(args, "--json")...).want(t, c.code, "", c.want+"\n")
		})
	}
}

// TestJSONWarning: an error that does not end the command is JSON too.
func TestJSONWarning(t *testing.T) {
	var stderr bytes.Buffer
	a := &app{globals: globals{JSON: true}, env: &Env{Stderr: &stderr}}
	a.printError("hci: a < b", "do > this")
	if want := `{"warning":"a < b","advice":"do > this"}` + "\n"; stderr.String() != want {
		t.Errorf("%q, want %q", stderr.String(), want)
	}
}

func TestQuantities(t *testing.T) {
	inAir(t, "JSON", func(t *testing.T) {
		moor(t.Context(), "-a", "sim:", "--json", "read", "thermometer", "2a19").want(t, 0,
			`{"address":"C0:FF:EE:00:00:01/random","handle":23,"uuid":"2a19","name":"Battery Level","hex":"57","meaning":"87 %","value":87,"unit":"%"}`+"\n", "")
	})
}

// TestNamedDevice names devices as they do on air.
func TestNamedDevice(t *testing.T) {
	inAir(t, "one", func(t *testing.T) {
		r := moor(t.Context(), "-a", "sim:", "read", "heart rate BELT", "2a38")
		r.want(t, 0, "01  chest\n", "")
		if r.took < nameTime || r.took > nameTime+3*time.Second {
			t.Errorf("it took %v, want %v for other devices of the name, and a moment", r.took, nameTime)
		}
	})
	inAir(t, "none", func(t *testing.T) {
		moor(t.Context(), "-a", "sim:", "read", "kettle", "2a38").want(t, exitNotFound, "", "moor: \"kettle\" was not seen on air within 10s\n"+
			"      moor scan shows the names on air; the address of a device without a name does as well\n")
	})
	// The others are listened for beyond the timeout.
	for _, args := range []string{"connect twin", "services twin --timeout 500ms"} {
		inAir(t, "two/"+args, func(t *testing.T) {
			air := sim.New(nil)
			defer air.Close()
			air.NewController(&sim.ControllerConfig{Name: "hci0"})
			addTwin := func(last byte) {
				data := hci.AppendAD(nil, hci.ADName, []byte("Twin"))
				air.NewRawPeer(&sim.RawPeerConfig{Address: hci.Addr{MAC: hci.MAC{last, 0, 0, 0, 0, 0xC0}, Kind: hci.AddrRandom}, AdvData: data, Interval: time.Second})
			}
			addTwin(2)
			time.AfterFunc(time.Second, func() { addTwin(1) })
			var stdout, stderr bytes.Buffer
			code := Run(t.Context(), append([]string{"-a", "hci0"}, strings.Fields(args)...), &Env{Stdout: &stdout, Stderr: &stderr, Open: air.OpenTransport})
			if want := "moor: 2 devices are named \"twin\"\n        C0:00:00:00:00:01/random\n        C0:00:00:00:00:02/random\n      name one of them by its address\n"; code != exitError || stdout.Len() > 0 || stderr.String() != want {
				t.Errorf("exit code %d, stdout %q, stderr\n%s", code, stdout.String(), stderr.String())
			}
		})
	}
	inAir(t, "why", func(t *testing.T) {
		r := moor(t.Context(), "-a", "sim:", "why", "Thermometer")
		if r.code != 0 || !strings.Contains(r.stdout, "C0:FF:EE:00:00:01") {
			t.Errorf("exit code %d, stdout %q, stderr %q", r.code, r.stdout, r.stderr)
		}
	})
}
