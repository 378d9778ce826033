package gatt_test

import (
	"encoding/hex"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
)

// modelRuns is how many random histories TestServerAgainstModel plays. MOOR_SOAK
// overrides it.
const modelRuns = 100

// TestServerAgainstModel plays random histories of clients that connect, pair,
// encrypt, subscribe and leave, of a program that changes its table and restarts,
// and compares each answer and each value with a model of what a client may have.
func TestServerAgainstModel(t *testing.T) {
	runs := modelRuns
	if v := os.Getenv("MOOR_SOAK"); v != "" {
		var err error
		if runs, err = strconv.Atoi(v); err != nil {
			t.Fatalf("MOOR_SOAK=%s: %v", v, err)
		}
	}
	for seed := range uint64(runs) {
		ok := t.Run(fmt.Sprint(seed), func(t *testing.T) {
			m := newModel(t, seed)
			for range 80 {
				m.step()
			}
		})
		if !ok {
			return // one history is enough to look at
		}
	}
}

// shape is a table of the program.
type shape struct {
	moved   bool            // a service stands in front
	props   gatt.Properties // of the sensor
	perms   gatt.Require    // to subscribe to the sensor
	removed bool            // the sensor
}

const (
	plainValue  att.Handle = 0x83 // never changes
	plainConfig att.Handle = 0x84
	scConfig    att.Handle = 0x09
)

func (s shape) sensorConfig() att.Handle {
	if s.moved {
		return 0x16
	}
	return 0x13
}

func (s shape) services() []gatt.ServiceDef {
	var defs []gatt.ServiceDef
	if s.moved {
		defs = append(defs, gatt.ServiceDef{UUID: gatt.UUID16(0xFF02), Characteristics: []gatt.CharDef{
			{UUID: gatt.UUID16(0x2A1C), Properties: gatt.PropRead},
		}})
	}
	if !s.removed {
		defs = append(defs, gatt.ServiceDef{UUID: gatt.UUID16(0xFF01), Characteristics: []gatt.CharDef{
			{UUID: gatt.UUID16(0x2A19), Properties: s.props, Permissions: gatt.Permissions{Subscribe: s.perms}},
		}})
	}
	return append(defs, gatt.ServiceDef{UUID: gatt.UUID16(0xFF03), Handle: 0x80, Includes: []gatt.IncludeDef{}, Characteristics: []gatt.CharDef{
		{UUID: gatt.UUID16(0x2A1B), Handle: plainValue - 1, Properties: gatt.PropNotify | gatt.PropIndicate},
	}})
}

// visible is the part of a shape that clients discover.
func (s shape) visible() shape {
	s.perms = gatt.Require{}
	if s.removed {
		s.props = 0
	}
	return s
}

// config is what the model knows of a configuration: its protection and bits.
type config struct {
	value att.Handle
	may   uint16
	perms gatt.Require
}

// configs returns the configurations that a shape has, by handle.
func (s shape) configs() map[att.Handle]config {
	all := map[att.Handle]config{
		scConfig:    {value: 0x08, may: 2},
		plainConfig: {value: plainValue, may: 3},
	}
	if !s.removed {
		c := config{value: s.sensorConfig() - 1, perms: s.perms}
		if s.props.Has(gatt.PropNotify) {
			c.may |= 1
		}
		if s.props.Has(gatt.PropIndicate) {
			c.may |= 2
		}
		all[s.sensorConfig()] = c
	}
	return all
}

// modelClient is a client with its address. bits are by handle of a configuration.
type modelClient struct {
	key    string
	bonded bool
	kept   map[att.Handle]uint16 // what the server must remember; nil: nothing
	keptOf shape                 // the table that the client knows of, then

	w       *wire // nil unless connected
	sec     gatt.Security
	bits    map[att.Handle]uint16 // in force
	recall  bool                  // kept is not in force yet
	aware   bool
	knows   shape // unless aware
	pending bool  // a change is to be indicated
	forgot  bool  // the bond was deleted on this link
}

type model struct {
	t       *testing.T
	r       *rand.Rand
	store   *modelStore
	srv     *gatt.Server
	now     shape
	clients []*modelClient
	log     []string
}

func newModel(t *testing.T, seed uint64) *model {
	m := &model{t: t, r: rand.New(rand.NewPCG(seed, 1)), store: &modelStore{states: map[string]gatt.ClientState{}}}
	for i := range 3 {
		m.clients = append(m.clients, &modelClient{key: fmt.Sprintf("C0:FF:EE:00:00:%02X", i)})
	}
	m.now = m.anyShape()
	m.start()
	return m
}

func (m *model) anyShape() shape {
	return shape{
		moved:   m.r.IntN(3) == 0,
		props:   []gatt.Properties{gatt.PropNotify, gatt.PropIndicate, gatt.PropNotify | gatt.PropIndicate}[m.r.IntN(3)],
		perms:   []gatt.Require{{}, {Encryption: true}, {Authentication: true}}[m.r.IntN(3)],
		removed: m.r.IntN(6) == 0,
	}
}

func (m *model) start() {
	m.srv = newServer(m.t, &gatt.ServerConfig{Services: m.now.services(), Store: m.store})
}

func (m *model) notef(format string, args ...any) {
	m.log = append(m.log, fmt.Sprintf(format, args...))
}

// failf fails the test with the history.
func (m *model) failf(format string, args ...any) {
	m.t.Helper()
	for _, l := range m.log {
		m.t.Log(l)
	}
	m.t.Fatalf(format, args...)
}

// step plays one event and then compares everything that can be seen.
func (m *model) step() {
	m.t.Helper()
	c := m.clients[m.r.IntN(len(m.clients))]
	switch n := m.r.IntN(20); {
	case n == 0:
		m.notef("restart")
		for _, c := range m.clients {
			m.leave(c)
		}
		m.srv.Close()
		m.start()
	case n < 3:
		m.change(m.anyShape())
	case n == 3:
		m.forget(c)
	case c.w == nil:
		m.connect(c)
	case n < 6:
		m.leave(c)
	case n < 9:
		m.protect(c)
	default:
		m.subscribe(c)
	}
	for _, c := range m.clients {
		m.compare(c)
	}
}

func (m *model) connect(c *modelClient) {
	m.notef("%s connects, bonded %v", c.key, c.bonded)
	c.sec = gatt.Security{Bonded: c.bonded}
	c.bits, c.aware, c.pending, c.forgot = map[att.Handle]uint16{}, true, false, false
	c.recall = c.bonded && c.kept != nil
	if c.recall && c.keptOf != m.now.visible() {
		c.aware, c.pending, c.knows = false, true, c.keptOf
	}
	c.w = newWire(m.t, m.srv, 23, gatt.PeerInfo{Key: c.key, Bonded: c.bonded, Security: func() gatt.Security { return c.sec }})
}

func (m *model) leave(c *modelClient) {
	if c.w == nil {
		return
	}
	m.notef("%s leaves", c.key)
	c.w.down()
	c.w = nil
}

// protect encrypts the link with the bond, with more protection than before, or
// pairs.
func (m *model) protect(c *modelClient) {
	if !c.bonded || c.forgot {
		m.notef("%s pairs", c.key)
		c.bonded, c.forgot, c.recall, c.kept = true, false, false, nil
		c.sec = gatt.Security{Encrypted: true, KeySize: 16, Bonded: true, Authenticated: m.r.IntN(2) == 0}
		c.w.s.BondMade(c.w.now, c.key)
	} else {
		c.sec.Encrypted, c.sec.KeySize = true, 16
		c.sec.Authenticated = c.sec.Authenticated || m.r.IntN(3) == 0
		m.notef("%s encrypts, authenticated %v", c.key, c.sec.Authenticated)
		c.w.s.SecurityChanged(c.w.now)
	}
	if c.recall {
		c.recall = false
		for h, bits := range c.kept {
			if bits &= m.now.configs()[h].may; bits != 0 && c.bits[h] == 0 && m.isConfig(h) {
				c.bits[h] = bits
			}
		}
	}
	m.keep(c)
	m.indicated(c)
}

// isConfig reports whether h is a configuration: of the same characteristic as
// ever, since no other one has that handle in any shape.
func (m *model) isConfig(h att.Handle) bool {
	_, ok := m.now.configs()[h]
	return ok
}

// keep notes what the server must remember of c.
func (m *model) keep(c *modelClient) {
	if c.w == nil || c.recall || c.forgot || !c.bonded || !c.sec.Encrypted {
		return
	}
	c.kept, c.keptOf = maps.Clone(c.bits), c.knows
	if c.aware {
		c.keptOf = m.now.visible()
	}
}

// indicated expects the Service Changed that c is owed, and confirms it.
func (m *model) indicated(c *modelClient) {
	sent := c.w.take()
	if !c.pending || c.bits[scConfig] == 0 {
		if len(sent) != 0 {
			m.failf("%s was sent %q", c.key, sent)
		}
		return
	}
	if len(sent) != 1 || sent[0][:6] != "1d0800" {
		m.failf("%s was sent %q, want Service Changed", c.key, sent)
	}
	c.w.b.Frame(c.w.now, []byte{0x1E})
	c.pending, c.aware = false, true
	m.keep(c)
}

func (m *model) change(s shape) {
	m.notef("table %+v", s)
	before := m.now
	setServices(m.t, m.srv, s.services())
	m.now = s
	for _, c := range m.clients {
		if c.w == nil || before.visible() == s.visible() {
			continue
		}
		// What lies between the old and the new services is gone.
		maps.DeleteFunc(c.bits, func(h att.Handle, _ uint16) bool { return h != scConfig && h != plainConfig })
		if c.aware {
			c.knows = before.visible()
		}
		c.aware, c.pending = false, true
		m.keep(c)
		m.indicated(c)
	}
}

func (m *model) forget(c *modelClient) {
	m.notef("%s is forgotten", c.key)
	m.srv.ForgetClient(c.key)
	c.bonded, c.kept = false, nil
	if c.w != nil {
		c.sec.Bonded, c.forgot = false, true
	}
}

// refusal returns the code for access with a protection, 0 if it is allowed.
func refusal(q gatt.Require, s gatt.Security) att.Code {
	switch {
	case q == (gatt.Require{}):
		return 0
	case !s.Encrypted && s.Bonded:
		return att.CodeInsufficientEncryption
	case !s.Encrypted, q.Authentication && !s.Authenticated:
		return att.CodeInsufficientAuthentication
	}
	return 0
}

func (m *model) subscribe(c *modelClient) {
	all := m.now.configs()
	hs := slices.Sorted(maps.Keys(all))
	h := hs[m.r.IntN(len(hs))]
	bits := uint16(m.r.IntN(4))
	m.notef("%s writes %d to %s", c.key, bits, h)
	code := refusal(all[h].perms, c.sec)
	if code == 0 && bits&^all[h].may != 0 {
		code = att.CodeValueNotAllowed
	}
	c.w.b.Frame(c.w.now, att.WriteReq{Handle: h, Value: []byte{byte(bits), 0}}.AppendPDU(nil))
	want := "13"
	if code != 0 {
		want = hex.EncodeToString(att.ErrorRsp{Request: att.OpWriteReq, Handle: h, Code: code}.AppendPDU(nil))
	}
	if len(c.w.sent) == 0 || hex.EncodeToString(c.w.sent[0]) != want {
		m.failf("%s got %x, want %s", c.key, c.w.sent, want)
	}
	c.w.sent = c.w.sent[1:]
	if code == 0 {
		if c.bits[h] = bits; bits == 0 {
			delete(c.bits, h)
		}
		m.keep(c)
	}
	m.indicated(c)
}

// compare reads all configurations of a client, and sends it all values.
func (m *model) compare(c *modelClient) {
	m.t.Helper()
	if c.w == nil {
		return
	}
	for h, cfg := range m.now.configs() {
		c.w.b.Frame(c.w.now, att.ReadReq{Handle: h}.AppendPDU(nil))
		if got, want := c.w.take(), fmt.Sprintf("0b%02x00", c.bits[h]); len(got) != 1 || got[0] != want {
			m.failf("%s reads %q at %s, want %s", c.key, got, h, want)
		}
		if h == scConfig {
			continue
		}
		may := c.bits[h]&1 != 0 && refusal(cfg.perms, c.sec) == 0
		if err := c.w.s.Notify(m.t.Context(), cfg.value, []byte{7}); (err == nil) != may {
			m.failf("%s is notified of %s: %v, want allowed %v", c.key, cfg.value, err, may)
		}
		if sent := c.w.take(); (len(sent) == 1) != may {
			m.failf("%s was sent %q, want allowed %v", c.key, sent, may)
		}
	}
}

// modelStore is a ClientStore in memory.
type modelStore struct {
	mu     sync.Mutex
	states map[string]gatt.ClientState // guarded by mu
}

func (s *modelStore) Clients() ([]gatt.ClientState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.states)), nil
}

func (s *modelStore) SaveClient(c gatt.ClientState) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.states[c.Key] = c
	return nil
}

func (s *modelStore) DeleteClient(key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.states, key)
	return nil
}
