//go:build !minimal

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moor-ble/moor/esphome"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

// runningProxy is a proxy command in real time.
type runningProxy struct {
	out    printed
	listen jsonListening
	end    func() int
}

// startProxy starts a proxy on a room's adapter and waits for its line.
func startProxy(t *testing.T, state string, args ...string) *runningProxy {
	t.Helper()
	r := newRoom(t, 1)
	p := &runningProxy{}
	ctx, cancel := context.WithCancel(context.Background())
	code := make(chan int, 1)
	go func() {
		code <- r.run(ctx, &p.out, append([]string{"--state", state, "--json", "proxy"}, args...)...)
	}()
	ended := false
	p.end = func() int {
		cancel()
		ended = true
		return <-code
	}
	t.Cleanup(func() {
		if !ended {
			p.end()
		}
	})
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if line := p.out.stdout.String(); strings.HasSuffix(line, "\n") {
			if err := json.Unmarshal([]byte(line), &p.listen); err != nil {
				t.Fatal(err)
			}
			return p
		}
		if time.Now().After(deadline) {
			t.Fatalf("no line; stderr %q", p.out.stderr.String())
		}
	}
}

// greet connects to the proxy with a key, and asks for its name and slots.
func (p *runningProxy) greet(t *testing.T, network string, key *esphome.Key) (*esphome.DeviceInfoResponse, *esphome.Slots) {
	t.Helper()
	c, err := net.Dial(network, p.listen.Address)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := esphome.Connect(t.Context(), c, key)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Write(&esphome.HelloRequest{Major: 1, Minor: 14}, &esphome.DeviceInfoRequest{}, &esphome.SubscribeSlots{}); err != nil {
		t.Fatal(err)
	}
	var info *esphome.DeviceInfoResponse
	for {
		m, err := conn.Read()
		if err != nil {
			t.Fatal(err)
		}
		switch m := m.(type) {
		case *esphome.DeviceInfoResponse:
			info = m
		case *esphome.Slots:
			return info, m
		}
	}
}

// TestProxy: the identity and the key are made once, and clients get in with them.
func TestProxy(t *testing.T) {
	state := t.TempDir()
	var first jsonListening
	for i := range 2 {
		p := startProxy(t, state, "--listen", "127.0.0.1:0", "--max-connections", "5")
		if i == 0 {
			first = p.listen
		}
		if p.listen.Name != first.Name || p.listen.MAC != first.MAC || p.listen.KeyFile != first.KeyFile || !strings.HasPrefix(first.Name, "moor-") || p.listen.MAC[5]&3 != 2 {
			t.Errorf("%+v, then %+v", first, p.listen)
		}
		b, err := os.ReadFile(p.listen.KeyFile)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(p.listen.KeyFile); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the key is %v, %v", info.Mode(), err)
		}
		key, err := esphome.ParseKey(string(b))
		if err != nil {
			t.Fatal(err)
		}
		info, slots := p.greet(t, "tcp", &key)
		if info.Name != first.Name || info.MAC != first.MAC.String() || !info.Encryption || slots.Limit != 5 || slots.Free != 5 {
			t.Errorf("%+v, %+v", info, slots)
		}
		if code := p.end(); code != 0 || p.out.stderr.String() != "" {
			t.Errorf("exit code %d, stderr %q", code, p.out.stderr.String())
		}
	}
	var out printed
	code := newRoom(t, 1).run(t.Context(), &out, "--state", state, "proxy", "--show-key")
	if b, err := os.ReadFile(first.KeyFile); err != nil || code != 0 || out.stdout.String() != string(b) ||
		!strings.Contains(out.stderr.String(), "Home Assistant asks for the encryption key of "+first.Name) {
		t.Errorf("exit code %d, %q, %q, %v", code, out.stdout.String(), out.stderr.String(), err)
	}
}

// TestProxyOnASocket: without a key, for this user alone, in place of a stale one.
func TestProxyOnASocket(t *testing.T) {
	state := t.TempDir()
	path := filepath.Join(t.TempDir(), "proxy")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	p := startProxy(t, state, "--listen", "unix:"+path, "--name", "attic")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if info, _ := p.greet(t, "unix", nil); info.Name != "attic" || info.Encryption || p.listen.KeyFile != "" {
		t.Errorf("%+v, %+v", info, p.listen)
	}
	r := moor(t.Context(), "-a", "sim:empty", "--state", t.TempDir(), "proxy", "--listen", "unix:"+path, "--name", "cellar")
	if r.code != 1 || !strings.Contains(r.stderr, "another program listens there") {
		t.Errorf("%+v", r)
	}
}

func TestWrongProxyCommandLines(t *testing.T) {
	state := t.TempDir()
	file := filepath.Join(state, "short")
	if err := os.WriteFile(file, []byte("abc\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"--listen 6053", 2, `"6053" is no address: write HOST:PORT, :PORT or unix:PATH`},
		{"--listen unix:", 2, "names no socket"},
		{"--listen 127.0.0.1:abc", 2, `--listen: "abc" is no port: write a number up to 65535`},
		{"--listen 127.0.0.1:99999", 2, `"99999" is no port`},
		{"--listen unix:/" + strings.Repeat("a", 200), 2, "the path of a socket has at most 103 octets"},
		{"--listen 127.0.0.1:0 --plaintext --key " + file, 2, "--key: clients are not encrypted with --plaintext: leave one out"},
		{"--listen unix:/nowhere/p --key " + file, 2, "--key: clients at a Unix socket are not encrypted: leave it out"},
		{"--show-key --plaintext", 2, "--show-key: with --plaintext nothing is encrypted, and there is no key: leave one out"},
		{"--show-key --listen unix:/nowhere/p", 2, "--show-key: clients at a Unix socket are not encrypted, and there is no key: leave --listen out"},
		{"--plaintext", 2, "lets everybody who reaches :6053 use the adapters: listen at 127.0.0.1 or at a Unix socket, or add --force"},
		{"--metrics 9153", 2, `--metrics: "9153" is no address: write HOST:PORT`},
		{"--metrics 127.0.0.1:x", 2, `--metrics: "x" is no port: write a number up to 65535`},
		{"--metrics :9153", 2, "--metrics shows everybody who reaches :9153 which devices are near: listen at 127.0.0.1, or add --force"},
		{"--listen 127.0.0.1:0 --metrics 203.0.113.7:9153 --force", 1, "--metrics: listen tcp 203.0.113.7:9153"},
		{"--avahi-service --listen 127.0.0.1:6053", 2, "--avahi-service: other machines do not reach 127.0.0.1:6053: there is nothing to announce"},
		{"--avahi-service --listen unix:/nowhere/p", 2, "there is nothing to announce"},
		{"--avahi-service --listen :0", 2, `--avahi-service: the port "0" changes with each run: name one with --listen`},
		{"--name Attic", 2, `the name "Attic" is no host name`},
		{"--allow kettle", 2, `"kettle" is not an address`},
		{"--max-connections -1", 2, "not a number"},
		{"--key " + file, 1, "a key is base64 of 32 octets, 44 characters"},
		{"--key " + file + "x", 1, "no such file"},
		{"--listen 203.0.113.7:6053", 1, "cannot assign requested address"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		r := moor(ctx, append([]string{"-a", "sim:empty", "--state", state, "proxy"}, strings.Fields(c.args)...)...)
		cancel()
		if r.code != c.code || r.stdout != "" || !strings.Contains(r.stderr, c.want) {
			t.Errorf("%s: %+v", c.args, r)
		}
	}
}

// TestProxyName: a name on the command line wins over one that was made in the same
// directory for an adapter of that name.
func TestProxyName(t *testing.T) {
	state := t.TempDir()
	for _, name := range []string{"", "attic"} {
		home, err := openProxyHome(state, name, []string{"attic"})
		if err != nil {
			t.Fatal(err)
		}
		id, err := home.identity(name)
		home.close()
		if err != nil || (id.Name == "attic") != (name == "attic") {
			t.Errorf("%q: %+v, %v", name, id, err)
		}
	}
}

// countedTransport calls sent with the number of packets that have been sent.
type countedTransport struct {
	hci.Transport
	n    int
	sent func(n int)
}

func (c *countedTransport) WritePacket(b []byte) error {
	c.n++
	c.sent(c.n)
	return c.Transport.WritePacket(b)
}

// TestProxyEndsBeforeItListens: whenever the signal comes, the proxy ends as it usually
// does.
func TestProxyEndsBeforeItListens(t *testing.T) {
	state := t.TempDir()
	for packets := range 200 {
		if endProxyAfter(t, state, packets) {
			if packets < 5 {
				t.Errorf("it listens after %d packets", packets)
			}
			return
		}
	}
	t.Error("it never listens")
}

// endProxyAfter ends a proxy after some packets to its controller, and reports whether it
// listens before that.
func endProxyAfter(t *testing.T, state string, packets int) (listens bool) {
	air := sim.New(nil)
	defer air.Close()
	air.NewController(&sim.ControllerConfig{Name: "hci0"})
	ctx, cancel := context.WithCancelCause(t.Context())
	end := func() { cancel(errors.New("terminated")) }
	var out printed
	env := &Env{Stdout: &out.stdout, Stderr: &out.stderr, Open: func(ctx context.Context, address string) (hci.Transport, error) {
		tr, err := air.OpenTransport(ctx, address)
		return &countedTransport{Transport: tr, sent: func(n int) {
			if n == packets {
				end()
			}
		}}, err
	}}
	if packets == 0 {
		end()
	}
	code := make(chan int, 1)
	go func() {
		code <- Run(ctx, []string{"-a", "hci0", "--state", state, "--json", "proxy", "--listen", "127.0.0.1:0"}, env)
	}()
	for ctx.Err() == nil && !listens {
		time.Sleep(time.Millisecond)
		listens = out.stdout.String() != ""
	}
	end()
	if code := <-code; code != 0 || out.stderr.String() != "" {
		t.Errorf("after %d packets: exit code %d, stderr %q", packets, code, out.stderr.String())
	}
	return listens
}

// TestAvahiService: the file that announces a proxy where Avahi answers for the machine.
func TestAvahiService(t *testing.T) {
	state := t.TempDir()
	args := []string{"-a", "sim:empty", "--state", state, "proxy", "--name", "attic", "--listen", ":6054", "--avahi-service"}
	r := moor(t.Context(), args...)
	if !strings.Contains(r.stderr, "no proxy with this state directory, these adapters and this name has run: this makes a new one in "+filepath.Join(state, "proxy-attic")) {
		t.Errorf("a new one: %s", r.stderr)
	}
	r = moor(t.Context(), args...)
	b, err := os.ReadFile(filepath.Join(state, "proxy-attic", "identity.json"))
	if err != nil {
		t.Fatal(err)
	}
	var id struct{ MAC string }
	if err := json.Unmarshal(b, &id); err != nil {
		t.Fatal(err)
	}
	want := `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE service-group SYSTEM "avahi-service.dtd">
<service-group>
  <name>attic</name>
  <service>
    <type>_esphomelib._tcp</type>
    <port>6054</port>
    <txt-record>mac=` + strings.ToLower(strings.ReplaceAll(id.MAC, ":", "")) + `</txt-record>
    <txt-record>version=2026.11.0</txt-record>
    <txt-record>friendly_name=attic</txt-record>
    <txt-record>platform=host</txt-record>
    <txt-record>network=ethernet</txt-record>
    <txt-record>project_name=moor.proxy</txt-record>
    <txt-record>project_version=` + programVersion() + `</txt-record>
    <txt-record>api_encryption=Noise_NNpsk0_25519_ChaChaPoly_SHA256</txt-record>
  </service>
</service-group>
`
	r.want(t, 0, want, "It belongs into /etc/avahi/services/attic.service.\n")
	r = moor(t.Context(), "-a", "sim:empty", "--state", state, "proxy", "--plaintext", "--force", "--avahi-service")
	if !strings.Contains(r.stdout, "<txt-record>api_encryption_supported=Noise_") || strings.Contains(r.stdout, "api_encryption=") {
		t.Errorf("without encryption: %s", r.stdout)
	}
}

// TestReachedAt: a proxy is announced at the addresses where it is reached.
func TestReachedAt(t *testing.T) {
	four, six := netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("2001:db8::7")
	for _, c := range []struct {
		listen    string
		four, six bool
	}{
		{"0.0.0.0", true, false}, {"::", true, true}, {"192.0.2.7", true, false}, {"::ffff:192.0.2.7", true, false}, {"192.0.2.8", false, false}, {"2001:db8::7", false, true},
	} {
		reached := reachedAt(&net.TCPAddr{IP: net.ParseIP(c.listen), Port: 6053})
		if reached(four) != c.four || reached(six) != c.six {
			t.Errorf("%s: %v, %v", c.listen, reached(four), reached(six))
		}
	}
}

// TestProxyMetrics: the page is where the proxy says, and ends with it.
func TestProxyMetrics(t *testing.T) {
	p := startProxy(t, t.TempDir(), "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	a, err := client.Get(p.listen.Page + "metrics")
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(a.Body)
	a.Body.Close()
	if want := `moor_info{name="` + p.listen.Name + `"`; err != nil || !strings.Contains(string(b), want) {
		t.Errorf("%v, %s", err, b)
	}
	if code := p.end(); code != 0 || p.out.stderr.String() != "" {
		t.Errorf("exit code %d, stderr %q", code, p.out.stderr.String())
	}
	if a, err := client.Get(p.listen.Page); err == nil {
		a.Body.Close()
		t.Error("the page outlives the proxy")
	}
}
