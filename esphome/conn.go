package esphome

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// Conn is a connection after its handshake: it reads and writes messages. One goroutine
// may read; any may write and close.
type Conn struct {
	conn     net.Conn
	reader   *bufio.Reader
	frames   framing
	identity Identity

	mu  sync.Mutex // guards out, and the writing half of frames
	out []byte
}

// Accept makes the handshake with the client at the other end of c, which it owns from
// now on. Without a key the server speaks plain text, and refuses clients that encrypt;
// with one it is the other way round. ctx bounds the handshake.
func Accept(ctx context.Context, c net.Conn, key *Key, id Identity) (*Conn, error) {
	conn := &Conn{conn: c, reader: bufio.NewReader(c), identity: id}
	err := conn.within(ctx, func() (err error) {
		if key != nil {
			conn.frames, err = acceptNoise(conn.reader, c, *key, id)
			return err
		}
		conn.frames = &plainFraming{}
		if mark, err := conn.reader.Peek(1); err == nil && mark[0] == markNoise {
			_, err := c.Write([]byte{markPlain, 0, 0}) // which the client understands
			return errors.Join(ErrPeerEncrypts, err)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("esphome: handshake with %v: %w", c.RemoteAddr(), err)
	}
	return conn, nil
}

// Connect makes the handshake with the server at the other end of c, which it owns from
// now on. Without a key the client speaks plain text. ctx bounds the handshake.
func Connect(ctx context.Context, c net.Conn, key *Key) (*Conn, error) {
	conn := &Conn{conn: c, reader: bufio.NewReader(c), frames: &plainFraming{}}
	err := conn.within(ctx, func() (err error) {
		if key != nil {
			conn.frames, conn.identity, err = connectNoise(conn.reader, c, *key)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("esphome: handshake with %v: %w", c.RemoteAddr(), err)
	}
	return conn, nil
}

// within runs f until ctx ends, and closes the connection if f fails.
func (c *Conn) within(ctx context.Context, f func() error) error {
	stop := context.AfterFunc(ctx, func() { _ = c.conn.SetDeadline(time.Unix(1, 0)) })
	err := f()
	if !stop() {
		err = ctx.Err()
	}
	if err != nil {
		_ = c.conn.Close()
	}
	return err
}

// Identity is how the server of an encrypted connection named itself.
func (c *Conn) Identity() Identity { return c.identity }

// Encrypted reports whether the connection is encrypted.
func (c *Conn) Encrypted() bool { _, ok := c.frames.(*noiseFraming); return ok }

// RemoteAddr returns the address of the other end.
func (c *Conn) RemoteAddr() net.Addr { return c.conn.RemoteAddr() }

// Read returns the next message. Messages of unknown numbers are skipped. After an error
// the connection is of no use.
func (c *Conn) Read() (Message, error) {
	for {
		id, payload, err := c.frames.readFrame(c.reader)
		if err != nil {
			return nil, err
		}
		if m, err := Unpack(Packed{id, payload}); m != nil || err != nil {
			return m, err
		}
	}
}

// Write writes messages, in one piece. It waits until the other end has room. After an
// error other than one for a value that is no message, the connection is of no use.
func (c *Conn) Write(ms ...Message) error {
	packed := make([]Packed, len(ms))
	for i, m := range ms {
		var err error
		if packed[i], err = Pack(m); err != nil {
			return err
		}
	}
	return c.WritePacked(packed...)
}

// WritePacked writes messages that have been encoded, as Write does.
func (c *Conn) WritePacked(ps ...Packed) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out = c.out[:0]
	var err error
	for _, p := range ps {
		if c.out, err = c.frames.appendFrame(c.out, p.ID, p.Payload); err != nil {
			break // the frames before it are counted by the cipher, and are sent
		}
	}
	if len(c.out) > 0 {
		if _, failed := c.conn.Write(c.out); failed != nil {
			err = failed
		}
	}
	if cap(c.out) > 2*MaxPayload {
		c.out = nil // rare
	}
	return err
}

// SetWriteDeadline bounds the writes: one that has not ended by then fails.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.conn.SetWriteDeadline(t) }

// Close closes the connection: Read and Write return.
func (c *Conn) Close() error { return c.conn.Close() }
