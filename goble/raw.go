package goble

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/moor-ble/moor/gatt/att"
)

// maxRaw is the number of PDUs that wait for Read. The oldest gives way to a further one.
const maxRaw = 256

// rawPDUs are the PDUs of the peer for a program that has an attribute client of its own, such
// as that of go-ble's package linux/gatt.
type rawPDUs struct {
	queue  chan []byte
	listen sync.Once
}

// push queues a PDU and never waits.
func (r *rawPDUs) push(pdu []byte) {
	for {
		select {
		case r.queue <- pdu:
			return
		default:
		}
		select {
		case <-r.queue:
		default:
		}
	}
}

// openRaw begins to queue the values that the peer notifies and indicates, until the link or
// the use of it ends.
func (c *conn) openRaw() {
	c.raw.listen.Do(func() {
		stop := c.c.GATT().Listen(func(h att.Handle, value []byte, indication bool) {
			if indication {
				c.raw.push(att.HandleValueIndication{Handle: h, Value: value}.AppendPDU(nil))
			} else {
				c.raw.push(att.HandleValueNotification{Handle: h, Value: value}.AppendPDU(nil))
			}
		})
		go func() {
			<-c.c.ended
			stop()
		}()
	})
}

// Read waits for the next PDU of the peer and copies it to b: the response to a request of
// Write, or a notification or an indication that has arrived since the first call of Read or
// Write. The stack itself confirms indications and answers requests of the peer. At the end
// of the link, the error wraps io.ErrClosedPipe. A PDU longer than b is lost, and the error
// wraps io.ErrShortBuffer.
func (c *conn) Read(b []byte) (int, error) {
	c.openRaw()
	var pdu []byte
	select {
	case pdu = <-c.raw.queue:
	default:
		select {
		case pdu = <-c.raw.queue:
		case <-c.c.ended:
			return 0, c.closed()
		}
	}
	if len(pdu) > len(b) {
		return 0, fmt.Errorf("goble: PDU of %d octets for a buffer of %d: %w", len(pdu), len(b), io.ErrShortBuffer)
	}
	return copy(b, pdu), nil
}

// Write sends a PDU: a command, or a request, which takes its turn with those of the stack.
// Write then returns when the peer has answered, and Read returns the answer. A request
// for another MTU is answered with the MTU of the link if that is exchanged already. A
// confirmation is not sent, since the stack has sent it.
func (c *conn) Write(b []byte) (int, error) {
	c.openRaw()
	select {
	case <-c.c.ended:
		return 0, c.closed()
	default:
	}
	if mtu := c.c.Bearer().MTU(); len(b) > mtu {
		return 0, fmt.Errorf("goble: PDU of %d octets on a link with an MTU of %d: %w", len(b), mtu, io.ErrShortWrite)
	}
	p, err := att.Parse(b)
	if err != nil {
		return 0, fmt.Errorf("goble: PDU % x: %w", b, err)
	}
	switch p.Opcode().Kind() {
	case att.KindConfirmation:
		return len(b), nil
	case att.KindCommand:
		err = c.c.Bearer().Command(context.Background(), p)
	case att.KindRequest:
		err = c.relayRequest(context.Background(), p)
	default:
		return 0, fmt.Errorf("goble: %v is for the attribute server, which answers by itself: write requests and commands", p.Opcode())
	}
	if err != nil {
		if c.c.Err() != nil {
			err = fmt.Errorf("%w: %w", io.ErrClosedPipe, err)
		}
		return 0, err
	}
	return len(b), nil
}

// closed returns the error of a link that has ended.
func (c *conn) closed() error {
	if err := c.c.Err(); err != nil {
		return fmt.Errorf("goble: %w: %w", io.ErrClosedPipe, err)
	}
	return fmt.Errorf("goble: this Client has ended: %w", io.ErrClosedPipe)
}

// relayRequest sends a request and queues the answer for Read.
func (c *conn) relayRequest(ctx context.Context, req att.PDU) error {
	rsp, err := c.askPeer(ctx, req)
	if refusal, ok := errors.AsType[*att.Error](err); ok {
		rsp, err = att.ErrorRsp{Request: refusal.Req, Handle: refusal.Handle, Code: refusal.Code}, nil
	}
	if err == nil {
		c.raw.push(rsp.AppendPDU(nil))
	}
	return err
}

// askPeer returns the response of the peer to a request.
func (c *conn) askPeer(ctx context.Context, req att.PDU) (att.PDU, error) {
	b := c.c.Bearer()
	switch req := req.(type) {
	case att.ExchangeMTUReq:
		mtu, err := b.OfferMTU(ctx, int(req.MTU))
		return att.ExchangeMTURsp{MTU: min(uint16(mtu), req.MTU)}, err
	case att.FindInformationReq:
		return request(ctx, b, req)
	case att.FindByTypeValueReq:
		return request(ctx, b, req)
	case att.ReadByTypeReq:
		return request(ctx, b, req)
	case att.ReadReq:
		return request(ctx, b, req)
	case att.ReadBlobReq:
		return request(ctx, b, req)
	case att.ReadMultipleReq:
		return request(ctx, b, req)
	case att.ReadMultipleVariableReq:
		return request(ctx, b, req)
	case att.ReadByGroupTypeReq:
		return request(ctx, b, req)
	case att.WriteReq:
		return request(ctx, b, req)
	case att.PrepareWriteReq:
		return request(ctx, b, req)
	case att.ExecuteWriteReq:
		return request(ctx, b, req)
	}
	return nil, fmt.Errorf("goble: %v is not a known request", req.Opcode())
}

func request[R att.PDU](ctx context.Context, b *att.Bearer, req att.Request[R]) (att.PDU, error) {
	return att.Do(ctx, b, req)
}
