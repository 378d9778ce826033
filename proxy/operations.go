package proxy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/esphome"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
)

// answer runs one operation and returns its answer.
func (l *link) answer(ctx context.Context, m esphome.Message) []esphome.Message {
	switch m := m.(type) {
	case *esphome.ServicesRequest:
		return l.services(ctx)
	case *esphome.ReadRequest:
		return l.read(ctx, m.Handle)
	case *esphome.ReadDescriptorRequest:
		return l.read(ctx, m.Handle)
	case *esphome.WriteRequest:
		return l.write(ctx, m.Handle, m.Data, m.Response)
	case *esphome.WriteDescriptorRequest:
		return l.writeDescriptor(ctx, m.Handle, m.Data)
	case *esphome.NotifyRequest:
		return l.notify(ctx, m)
	case *esphome.SetParams:
		return l.setParams(ctx, m)
	case *esphome.DeviceRequest:
		return l.pair(ctx)
	}
	return nil
}

// attribute makes a handle of a client's number.
func attribute(n uint32) (att.Handle, error) {
	if n == 0 || n > 0xFFFF {
		return 0, fmt.Errorf("proxy: handle %d: handles are 1 to 65535: %w", n, att.CodeInvalidHandle)
	}
	return att.Handle(n), nil
}

func (l *link) failed(handle uint32, err error) []esphome.Message {
	l.server.log.Debug("operation failed", "address", l.dev, "handle", handle, "error", err)
	return []esphome.Message{&esphome.GATTError{Address: l.address, Handle: handle, Error: codeOf(err)}}
}

func (l *link) read(ctx context.Context, handle uint32) []esphome.Message {
	var value []byte
	h, err := attribute(handle)
	if err == nil {
		err = l.client.Heal(ctx, func(ctx context.Context) (err error) {
			value, err = l.client.GATT().ReadLong(ctx, h)
			return err
		})
	}
	if err != nil {
		return l.failed(handle, err)
	}
	return []esphome.Message{&esphome.ReadResponse{Address: l.address, Handle: handle, Data: value}}
}

func (l *link) write(ctx context.Context, handle uint32, value []byte, response bool) []esphome.Message {
	h, err := attribute(handle)
	if err == nil {
		err = l.client.Heal(ctx, func(ctx context.Context) error {
			switch g := l.client.GATT(); {
			case !response:
				return g.WriteNoResponse(ctx, h, value)
			case len(value) > g.MTU()-3:
				return g.WriteLong(ctx, h, value)
			default:
				return g.WriteHandle(ctx, h, value)
			}
		})
	}
	if err != nil {
		return l.failed(handle, err)
	}
	return []esphome.Message{&esphome.WriteResponse{Address: l.address, Handle: handle}}
}

// writeDescriptor writes a descriptor. The client writes the CCCD itself after it has
// asked for notifications, which the subscription has written already.
func (l *link) writeDescriptor(ctx context.Context, handle uint32, value []byte) []esphome.Message {
	for _, f := range l.values {
		for _, d := range f.sub.Char().Info().Descriptors {
			if d.UUID == cccd && uint32(d.Handle) == handle && len(value) == 2 && value[0]|value[1] != 0 {
				return []esphome.Message{&esphome.WriteResponse{Address: l.address, Handle: handle}}
			}
		}
	}
	return l.write(ctx, handle, value, true)
}

// notify begins or ends the forwarding of a characteristic's values.
func (l *link) notify(ctx context.Context, m *esphome.NotifyRequest) []esphome.Message {
	h, err := attribute(m.Handle)
	if err == nil && m.Enable {
		err = l.subscribe(ctx, h)
	} else if err == nil {
		if f := l.values[h]; f != nil {
			delete(l.values, h)
			err = f.sub.Close()
			f.cancel()
			<-f.done // no value follows the answer
		}
	}
	if err != nil {
		return l.failed(m.Handle, err)
	}
	return []esphome.Message{&esphome.NotifyResponse{Address: l.address, Handle: m.Handle}}
}

// maxQueuedValues is how many values of one characteristic wait for a client, beside those
// in the queue of its session.
const maxQueuedValues = 256

// forwarded is the forwarding of one characteristic's values.
type forwarded struct {
	sub    *gatt.Subscription
	cancel context.CancelFunc // ends the wait for a client that reads slowly
	done   chan struct{}      // closed when no value follows
}

func (l *link) subscribe(ctx context.Context, h att.Handle) error {
	if f := l.values[h]; f != nil && f.sub.Err() == nil {
		return nil
	}
	f := &forwarded{done: make(chan struct{})}
	err := l.client.Heal(ctx, func(ctx context.Context) error {
		char, err := l.client.GATT().CharByHandle(ctx, h)
		if err != nil {
			return err
		}
		f.sub, err = char.Subscribe(ctx, &gatt.SubscribeOptions{Queue: maxQueuedValues})
		return err
	})
	if err != nil {
		return err
	}
	l.begin = func() {
		if l.values == nil {
			l.values = map[att.Handle]*forwarded{}
		}
		l.values[h] = f
		ctx, cancel := context.WithCancel(l.ctx)
		f.cancel = cancel
		l.server.background.Go(func() { l.forward(ctx, h, f) })
	}
	return nil
}

// forward sends the values of a subscription to the client until it ends. While a client
// reads slowly, forward waits: notifications are lost then once the queue of the
// subscription is full, the oldest first, and the device waits with its indications.
func (l *link) forward(ctx context.Context, h att.Handle, f *forwarded) {
	defer close(f.done)
	defer f.cancel()
	for value, err := range f.sub.All(ctx) {
		if err != nil {
			return
		}
		if value.Dropped > 0 {
			l.server.lostValues.Add(value.Dropped)
			l.server.log.Info("notifications lost: the client reads slowly", "address", l.dev, "handle", h, "client", l.owner.describe(), "lost", value.Dropped)
		}
		v := &esphome.NotifyData{Address: l.address, Handle: uint32(h), Data: value.Data}
		if l.owner.session.SendValue(ctx, v) != nil {
			return
		}
	}
}

func (l *link) setParams(ctx context.Context, m *esphome.SetParams) []esphome.Message {
	p := hci.ConnParams{
		IntervalMin: time.Duration(m.IntervalMin) * 1250 * time.Microsecond,
		IntervalMax: time.Duration(m.IntervalMax) * 1250 * time.Microsecond,
		Latency:     uint16(min(m.Latency, 0xFFFF)), //nolint:gosec // bounded
		Timeout:     time.Duration(m.Timeout) * 10 * time.Millisecond,
	}
	_, err := l.client.UpdateParams(ctx, p)
	return []esphome.Message{&esphome.SetParamsResponse{Address: l.address, Error: codeOf(err)}}
}

// pair pairs with the device, unless there is a bond.
func (l *link) pair(ctx context.Context) []esphome.Message {
	var err error
	if l.client.Paired() == nil && !l.client.Security().Bonded {
		_, err = l.client.Pair(ctx, nil)
	}
	return []esphome.Message{&esphome.PairResponse{Address: l.address, Paired: err == nil, Error: codeOf(err)}}
}

// services returns the table of the device, in messages of a bounded length.
func (l *link) services(ctx context.Context) []esphome.Message {
	var profile *gatt.Profile
	err := l.client.Heal(ctx, func(ctx context.Context) (err error) {
		if profile = l.client.Profile(); profile == nil {
			profile, err = l.client.GATT().Discover(ctx)
		}
		return err
	})
	if err == nil && len(profile.Services) == 0 {
		err = errors.Join(connmgr.ErrConnection, errors.New("proxy: the device shows no service"))
	}
	if err != nil {
		return l.failed(0, err)
	}
	table := tableOf(l.address, profile, l.owner.session.ShortUUIDs())
	for _, m := range table {
		if p, err := esphome.Pack(m); err != nil || len(p.Payload) > maxTable {
			return l.failed(0, errors.Join(err, errors.New("proxy: a service of the device fits no frame")))
		}
	}
	return table
}
