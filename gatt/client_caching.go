package gatt

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/moor-ble/moor/gatt/att"
)

// clientFeatures is what this client can do (Vol 3, Part G, 7.2).
const clientFeatures = featureRobustCaching | featureMultipleNotifications

// DatabaseHash reads the hash over the peer's table (Vol 3, Part G, 7.3). A table
// with the same hash is the same; the octets have no other meaning. A peer that
// has none gives an error that wraps ErrNotFound.
func (c *Client) DatabaseHash(ctx context.Context) (hash [16]byte, err error) {
	// By type over all handles, as the specification demands: that is answered
	// even if the peer takes our knowledge of its table for outdated.
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

// WriteClientSupportedFeatures tells the peer that this client knows robust
// caching and notifications of multiple values. Bits that are set already stay
// set: a client may not clear any. A peer that is not bonded forgets them with
// the connection. The error wraps ErrNotFound if the peer does not want to know.
//
// After this, the peer refuses requests once when it has changed its table
// behind the client's back; see ErrStale.
func (c *Client) WriteClientSupportedFeatures(ctx context.Context) error {
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
	if want[0] |= clientFeatures; slices.Equal(want, have) {
		return nil
	}
	return ch.Write(ctx, want)
}

// EnableServiceChanged asks the peer to say when its table changes. A bonded peer
// remembers that, and says it at the next connection. What it says ends what it
// concerns with ErrStale, and is told by [Client.ServiceChanged]. A peer whose
// table never changes has nothing to ask; the error then wraps ErrNotFound.
func (c *Client) EnableServiceChanged(ctx context.Context) error {
	ch, err := c.Char(ctx, UUID16(typeGenericAttribute), UUID16(typeServiceChanged))
	if err != nil {
		return err
	}
	c.learnServiceChanged(ch.info.Value)
	return ch.configure(ctx, nil, cccdIndicate)
}
