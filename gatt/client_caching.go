package gatt

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/moor-ble/moor/gatt/att"
)

// clientFeatures are the features of this client (Vol 3, Part G, 7.2), but for
// enhanced bearers: see Client.Enhance.
const clientFeatures = featureRobustCaching | featureMultipleNotifications

// DatabaseHash reads the hash of the peer's table (Vol 3, Part G, 7.3). Tables
// with the same hash are the same; the octets have no other meaning. If the peer
// has no hash, the error wraps ErrNotFound.
func (c *Client) DatabaseHash(ctx context.Context) (hash [16]byte, err error) {
	// The specification demands to read it by type over all handles: the peer
	// answers that even to a client that is out of sync.
	rsp, err := do(ctx, c, nil, att.ReadByTypeReq{
		Start: att.HandleMin, End: att.HandleMax, Type: UUID16(typeDatabaseHash),
	})
	if errors.Is(err, att.CodeAttributeNotFound) {
		err = fmt.Errorf("gatt: database hash: %w: %w", ErrNotFound, err)
	}
	if err != nil {
		return hash, err
	}
	for e := range rsp.All() {
		if len(e.Value) != len(hash) {
			return hash, fmt.Errorf("gatt: database hash of %d octets, want %d", len(e.Value), len(hash))
		}
		copy(hash[:], e.Value)
		break
	}
	return hash, nil
}

// WriteClientSupportedFeatures enables robust caching and notifications of
// multiple values at the peer. Bits that are already set stay set, since a
// client must not clear any. A peer that is not bonded forgets them at the end
// of the connection. If the peer has no such characteristic, the error wraps
// ErrNotFound.
//
// With robust caching, the peer refuses one request after a change of its table
// that the client has not learned of; see ErrStale.
func (c *Client) WriteClientSupportedFeatures(ctx context.Context) error {
	return c.writeFeatures(ctx, clientFeatures)
}

// writeFeatures sets bits of Client Supported Features at the peer.
func (c *Client) writeFeatures(ctx context.Context, bits byte) error {
	ch, err := c.Char(ctx, UUID16(typeGenericAttribute), UUID16(typeClientSupportedFeatures))
	if err != nil {
		return err
	}
	have, err := ch.Read(ctx)
	if err != nil {
		return err
	}
	want := slices.Clone(have)
	if len(want) == 0 {
		want = []byte{0}
	}
	if want[0] |= bits; slices.Equal(want, have) {
		return nil
	}
	return ch.Write(ctx, want)
}

// EnableServiceChanged enables indications of Service Changed, by which the peer
// reports changes of its table. A bonded peer remembers that, and reports
// changes at the next connection. A change ends the Chars and Subscriptions in
// its range with ErrStale, and [Client.ServiceChanged] returns it. If the table
// never changes, the peer has no such characteristic and the error wraps
// ErrNotFound.
func (c *Client) EnableServiceChanged(ctx context.Context) error {
	_, err := c.RestoreServiceChanged(ctx)
	return err
}

// RestoreServiceChanged is EnableServiceChanged after a change of the table. kept
// reports that the peer has kept its configuration: it has indicated all changes since.
// Otherwise, further changes may have come before the result.
func (c *Client) RestoreServiceChanged(ctx context.Context) (kept bool, err error) {
	ch, err := c.Char(ctx, UUID16(typeGenericAttribute), UUID16(typeServiceChanged))
	if err != nil {
		return false, err
	}
	c.learnServiceChanged(ch.info.Value)
	return ch.configure(ctx, nil, cccdIndicate)
}
