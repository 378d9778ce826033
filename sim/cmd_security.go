package sim

import (
	"crypto/aes"
	"crypto/ecdh"
	"slices"
	"time"

	"github.com/moor-ble/moor/hci"
)

// keyTime is the duration of a computation on the curve.
const keyTime = 5 * time.Millisecond

// p256 is the controller's key pair.
type p256 struct {
	key  *ecdh.PrivateKey
	busy bool
}

func (c *Controller) securityCommand(p hci.Params, r *reply) bool {
	switch p := p.(type) {
	case hci.LEEncrypt:
		r.ret = hci.EncryptedBlock{Data: encrypt(p.Key, p.Plaintext)}
	case hci.LEEnableEncryption:
		c.onLink(p.Handle, r, func(k *conn) {
			if k.endpoint.role != central || k.endpoint.paused {
				r.st = hci.StatusCommandDisallowed
				return
			}
			r.after(func() {
				k.endpoint.startProcedure(procedure{kind: procEncrypt, quiet: true, rand: p.Rand, ediv: p.EDIV, key: p.Key})
			})
		})
	case hci.LELongTermKeyRequestReply:
		c.replyKey(p.Handle, r, &p.Key)
	case hci.LELongTermKeyRequestNegativeReply:
		c.replyKey(p.Handle, r, nil)
	case hci.LEReadLocalP256PublicKey:
		c.startKey(r, c.newKey)
	case hci.LEGenerateDHKey:
		if c.p256.key == nil {
			r.st = hci.StatusCommandDisallowed
			break
		}
		c.startKey(r, func() hci.Event { return c.sharedKey(p) })
	default:
		return false
	}
	return true
}

func (c *Controller) replyKey(h hci.Handle, r *reply, key *[16]byte) {
	r.ret = h
	c.onLink(h, r, func(k *conn) {
		if k.endpoint.role != peripheral || !k.endpoint.proc.enc.asked {
			r.st = hci.StatusCommandDisallowed
			return
		}
		r.after(func() { k.endpoint.replyKey(key) })
	})
}

// startKey starts a computation on the curve, unless one is running.
func (c *Controller) startKey(r *reply, work func() hci.Event) {
	if c.p256.busy {
		r.st = hci.StatusCommandDisallowed
		return
	}
	c.p256.busy = true
	p := c.port
	r.after(func() {
		c.air.arm(&timer{fire: func() {
			if c.port == p && c.p256.busy {
				c.p256.busy = false
				c.sendEvent(work())
			}
		}}, c.air.now.plus(keyTime))
	})
}

// newKey generates a key pair from the air's random numbers, so that runs can be
// repeated.
func (c *Controller) newKey() hci.Event {
	ev := &hci.LEReadLocalP256PublicKeyComplete{}
	for {
		var secret [32]byte
		for i := range secret {
			secret[i] = byte(c.air.rng.Uint32())
		}
		key, err := ecdh.P256().NewPrivateKey(secret[:])
		if err != nil {
			continue // one in 2^32: not below the curve's order
		}
		c.p256.key = key
		point := key.PublicKey().Bytes() // 4, X, Y; most significant octet first
		copy(ev.X[:], point[1:33])
		copy(ev.Y[:], point[33:65])
		slices.Reverse(ev.X[:])
		slices.Reverse(ev.Y[:])
		return ev
	}
}

// sharedKey makes the Diffie-Hellman key; a point that is not on the curve is
// an error (Vol 4, Part E, 7.7.65.9).
func (c *Controller) sharedKey(p hci.LEGenerateDHKey) hci.Event {
	slices.Reverse(p.X[:])
	slices.Reverse(p.Y[:])
	fail := &hci.LEGenerateDHKeyComplete{Status: hci.StatusInvalidParameters}
	for i := range fail.Key {
		fail.Key[i] = 0xFF
	}
	point := append(append([]byte{4}, p.X[:]...), p.Y[:]...)
	pub, err := ecdh.P256().NewPublicKey(point)
	if err != nil {
		return fail
	}
	secret, err := c.p256.key.ECDH(pub)
	if err != nil {
		return fail
	}
	ev := &hci.LEGenerateDHKeyComplete{}
	copy(ev.Key[:], secret)
	slices.Reverse(ev.Key[:])
	return ev
}

// encrypt is the security function e; key and data are least significant
// octet first (Vol 3, Part H, 2.2.1).
func encrypt(key, data [16]byte) [16]byte {
	slices.Reverse(key[:])
	slices.Reverse(data[:])
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return [16]byte{} // keys of 16 octets never fail
	}
	block.Encrypt(data[:], data[:])
	slices.Reverse(data[:])
	return data
}
