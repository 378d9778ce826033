package remote

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/esphome"
	"github.com/moor-ble/moor/hci"
)

const (
	// pingAfter and deadAfter are the times without a message of the proxy after which it is
	// asked whether it is there, and given up.
	pingAfter = 20 * time.Second
	deadAfter = 90 * time.Second
	// quietAfter is the time without an advertisement after which the subscription is made
	// again, and confirmAfter that in which the proxy has to confirm it. While a device is
	// dialed, dialQuietAfter is in place of quietAfter: the proxy may end the dial with the
	// subscription.
	quietAfter     = 30 * time.Second
	dialQuietAfter = 90 * time.Second
	confirmAfter   = 10 * time.Second
)

// radio is one proxy in the role of a controller: the hci.Transport of its host, and the
// client of the proxy. Its state has one mutex, which is never held while anything is
// waited for: packets and messages enter queues.
type radio struct {
	name   string // of the proxy; written with mu held, by subscribe alone
	cfg    *Config
	log    *slog.Logger
	conn   *esphome.Conn
	host   *packets
	proxy  *requests
	tables *tables
	done   chan struct{} // closed with err
	tasks  sync.WaitGroup

	mu        sync.Mutex // guards the rest
	err       error      // why the proxy is of no use any more
	heard     time.Time  // when the last message came
	watch     *time.Timer
	info      esphome.DeviceInfoResponse
	greetings greetings
	supported hci.SupportedCommands
	legacy    bool // the host uses the legacy commands
	scan      scan
	dial      dial
	links     map[hci.MAC]*link
	handles   map[hci.Handle]*link
	handle    hci.Handle // the last one given
	slots     slots
	refusals  map[hci.MAC]*Error // of the last connects
	requests  map[request]chan answer
}

// request identifies a request that a caller waits for.
type request struct {
	mac  hci.MAC
	kind esphome.RequestType
}

func newRadio(conn *esphome.Conn, cfg *Config, tables *tables) *radio {
	r := &radio{
		name: conn.RemoteAddr().String(), cfg: cfg, log: cfg.Logger, conn: conn, host: newPackets(), proxy: newRequests(), tables: tables,
		done: make(chan struct{}), heard: time.Now(), greetings: newGreetings(), scan: newScan(),
		links: map[hci.MAC]*link{}, handles: map[hci.Handle]*link{}, slots: newSlots(),
		refusals: map[hci.MAC]*Error{}, requests: map[request]chan answer{},
	}
	r.dial.r = r
	r.watch = time.AfterFunc(pingAfter, r.watchProxy)
	r.tasks.Go(r.readMessages)
	r.tasks.Go(func() {
		if err := r.proxy.run(conn); err != nil {
			r.lose(err)
		}
		_ = conn.Close()
	})
	return r
}

// readMessages handles the messages of the proxy until the connection ends.
func (r *radio) readMessages() {
	for {
		m, err := r.conn.Read()
		if err != nil {
			r.lose(fmt.Errorf("the connection has ended: %w", err))
			return
		}
		r.mu.Lock()
		r.heard = time.Now()
		if r.err == nil {
			r.takeMessage(m)
		}
		r.mu.Unlock()
		r.host.awaitRoom()
	}
}

// takeMessage handles one message. r.mu must be held, as for all methods below that do not
// say otherwise.
func (r *radio) takeMessage(m esphome.Message) {
	switch m := m.(type) {
	case *esphome.PingRequest:
		r.send(&esphome.PingResponse{})
	case *esphome.DisconnectRequest:
		r.send(&esphome.DisconnectResponse{})
		r.failLocked(fmt.Errorf("remote: proxy %s ends the connection", r.name))
	case *esphome.TimeRequest, *esphome.PingResponse:
	case *esphome.HelloResponse, *esphome.DeviceInfoResponse:
		r.greetings.take(m)
	case *esphome.Advertisements:
		r.takeReports(m)
	case *esphome.ScannerState:
		r.takeScanner(m)
	case *esphome.Slots:
		r.takeSlots(m)
	case *esphome.DeviceConnection:
		r.takeConnection(m)
	case *esphome.ServicesResponse, *esphome.ServicesDone, *esphome.ReadResponse, *esphome.WriteResponse,
		*esphome.NotifyResponse, *esphome.NotifyData, *esphome.GATTError, *esphome.SetParamsResponse:
		r.takeLinkMessage(m)
	case *esphome.PairResponse:
		r.answerRequest(m.Address, esphome.Pair, m)
	case *esphome.UnpairResponse:
		r.answerRequest(m.Address, esphome.Unpair, m)
	}
}

// takeLinkMessage hands a message to the link that it is about.
func (r *radio) takeLinkMessage(m esphome.Message) {
	var a esphome.Address
	switch m := m.(type) {
	case *esphome.ServicesResponse:
		a = m.Address
	case *esphome.ServicesDone:
		a = m.Address
	case *esphome.ReadResponse:
		a = m.Address
	case *esphome.WriteResponse:
		a = m.Address
	case *esphome.NotifyResponse:
		a = m.Address
	case *esphome.NotifyData:
		a = m.Address
	case *esphome.GATTError:
		a = m.Address
	case *esphome.SetParamsResponse:
		a = m.Address
	}
	if mac, ok := a.Octets(); ok {
		if l := r.links[mac]; l != nil && l.state == linkUp {
			l.takeMessage(m)
		}
	}
}

// send queues messages for the proxy.
func (r *radio) send(ms ...esphome.Message) {
	if r.err != nil {
		return
	}
	if err := r.proxy.pushMessages(ms...); err != nil {
		r.failLocked(err)
	}
}

// watchProxy asks a proxy that is quiet whether it is there, subscribes anew where no
// advertisements come any more, and gives up a proxy that is gone or serves another client.
// It runs as a timer, without r.mu.
func (r *radio) watchProxy() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return
	}
	now := time.Now()
	quiet := now.Sub(r.heard)
	switch {
	case quiet >= deadAfter:
		r.failLocked(fmt.Errorf("remote: proxy %s: %w", r.name, ErrSilent))
		return
	case quiet >= pingAfter:
		r.send(&esphome.PingRequest{})
	}
	r.checkSubscription(now)
	r.watch.Reset(pingAfter / 4)
}

// fail ends the radio: its host learns of the end by its transport. r.mu must not be held.
func (r *radio) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failLocked(err)
}

// lose is fail for an error of the connection.
func (r *radio) lose(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failLocked(fmt.Errorf("remote: proxy %s: %w", r.name, err))
}

func (r *radio) failLocked(err error) {
	if r.err != nil {
		return
	}
	r.err = err
	close(r.done)
	r.watch.Stop()
	for _, l := range r.links {
		l.stopTimer()
	}
	r.slots.change()
	r.host.closePackets(err)
	_ = r.conn.SetWriteDeadline(time.Now().Add(time.Second)) // for what is queued
	r.proxy.close()
}

// ReadPacket implements hci.Transport.
func (r *radio) ReadPacket(b []byte) (int, error) { return r.host.pop(b) }

// WritePacket implements hci.Transport.
func (r *radio) WritePacket(b []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return r.err
	}
	if len(b) > 0 {
		switch hci.PacketType(b[0]) {
		case hci.PacketCommand:
			r.runCommand(b[1:])
		case hci.PacketACL:
			r.takeData(b[1:])
		default: // isochronous and synchronous data, which nobody sends
		}
	}
	return nil
}

// Close implements hci.Transport. It takes leave of the proxy, which ends the links.
func (r *radio) Close() error {
	r.mu.Lock()
	r.send(&esphome.DisconnectRequest{})
	r.failLocked(errClosed)
	r.mu.Unlock()
	r.tasks.Wait()
	return nil
}

var errClosed = fmt.Errorf("remote: %w", net.ErrClosed)

// Drops returns the number of packets for the host that were lost.
func (r *radio) Drops() (uint32, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil && !errors.Is(r.err, net.ErrClosed) {
		return 0, r.err
	}
	return r.host.drops(), nil
}

var (
	_ hci.Transport = (*radio)(nil)
	_ connmgr.Proxy = (*radio)(nil)
)
