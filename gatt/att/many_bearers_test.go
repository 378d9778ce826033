package att_test

import (
	"iter"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/gatt/att/atttest"
)

// manyBearers is a link with several bearers whose PDUs the test takes in the order
// in which they were sent.
type manyBearers struct {
	b  *att.Bearer
	ch *atttest.Channel
	es []*atttest.Enhanced

	mu   sync.Mutex
	sent []sentPDU
}

type sentPDU struct {
	at  int
	pdu []byte
}

// spy notes what is sent on an enhanced channel.
type spy struct {
	*atttest.Enhanced
	m  *manyBearers
	at int
}

func (s *spy) Send(pdu []byte) { s.m.note(s.at, pdu) }

func (m *manyBearers) note(at int, pdu []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sent = append(m.sent, sentPDU{at, append([]byte(nil), pdu...)})
}

// newManyBearers returns a link with n enhanced bearers, which have passed their
// trial.
func newManyBearers(t *testing.T, n int) *manyBearers {
	t.Helper()
	m := &manyBearers{}
	m.ch = atttest.New(t, func(pdu []byte) [][]byte { m.note(0, pdu); return nil })
	m.b = att.NewBearer(m.ch, nil)
	m.ch.Attach(m.b)
	for i := range n {
		e := m.ch.NewEnhanced(64)
		e.Attach(func(now time.Time) atttest.Protocol { return m.b.AddEnhanced(now, &spy{e, m, i + 1}) })
		m.es = append(m.es, e)
	}
	done := prove(m.b)
	for range n {
		for at, pdu := range m.takeSent() {
			m.answer(at, pdu, nil)
		}
	}
	if err := returned(t, done); err != nil {
		t.Fatal(err)
	}
	return m
}

// takeSent returns what was sent since the last call.
func (m *manyBearers) takeSent() iter.Seq2[int, []byte] {
	synctest.Wait()
	m.mu.Lock()
	sent := m.sent
	m.sent = nil
	m.mu.Unlock()
	return func(yield func(int, []byte) bool) {
		for _, s := range sent {
			if !yield(s.at, s.pdu) {
				return
			}
		}
	}
}

// answer carries out a request or a command of the bearer at, and answers it there.
func (m *manyBearers) answer(at int, pdu []byte, written map[byte][]byte) {
	rsp := "0b 01"
	if pdu[0] != 0x0A {
		written[pdu[1]] = append(written[pdu[1]], pdu[3])
		rsp = "13"
	}
	if pdu[0] == 0x52 {
		return
	}
	if at == 0 {
		m.ch.Receive(rsp)
	} else {
		m.es[at-1].Receive(rsp)
	}
}
