package goble

import (
	"context"
	"sync"

	"github.com/go-ble/ble"
)

// conn is the ble.Conn of a client. It carries no PDUs: the stack's own bearer
// does.
type conn struct {
	c     *link
	local ble.Addr

	mu    sync.Mutex
	ctx   context.Context // guarded by mu, as all below
	rxMTU int
}

func newConn(l *link) *conn {
	return &conn{c: l, local: ble.NewAddr(l.local.String()), ctx: context.Background(), rxMTU: ble.MaxMTU}
}

func (c *conn) Context() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ctx
}

func (c *conn) SetContext(ctx context.Context) {
	c.mu.Lock()
	c.ctx = ctx
	c.mu.Unlock()
}

func (c *conn) LocalAddr() ble.Addr { return c.local }

func (c *conn) RemoteAddr() ble.Addr { return ble.NewAddr(c.c.Peer().MAC.String()) }

func (c *conn) RxMTU() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rxMTU
}

func (c *conn) SetRxMTU(mtu int) {
	c.mu.Lock()
	c.rxMTU = mtu
	c.mu.Unlock()
}

// TxMTU returns the ATT_MTU of the link, but no more than RxMTU.
func (c *conn) TxMTU() int { return min(c.c.GATT().MTU(), c.RxMTU()) }

// SetTxMTU does nothing: the MTU exchange sets it.
func (c *conn) SetTxMTU(int) {}

func (c *conn) ReadRSSI() int { return readRSSI(c.c.Conn) }

func (c *conn) Disconnected() <-chan struct{} { return c.c.ended }

// Read returns ble.ErrNotImplemented.
func (c *conn) Read([]byte) (int, error) { return 0, ble.ErrNotImplemented }

// Write returns ble.ErrNotImplemented.
func (c *conn) Write([]byte) (int, error) { return 0, ble.ErrNotImplemented }

func (c *conn) Close() error { return c.c.close() }
