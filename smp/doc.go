// Package smp implements the Security Manager Protocol: it pairs with a peer, saves
// the keys as bonds, and encrypts links with them (Vol 3, Part H).
//
// A [Manager] belongs to one controller. It holds the local identity, the [Store] of
// bonds, and the peers that have failed to pair lately. It makes a [Machine] for each
// link, which runs the protocol on the link's SMP channel:
//
//	m, err := smp.NewManager(local, &smp.Config{
//		Store:    smp.Files(dir),
//		Delegate: smp.NewTerminal(os.Stdin, os.Stdout),
//	})
//	l2capConfig.SMP = func(now time.Time, ch *l2cap.Channel) l2cap.Handler {
//		return m.NewMachine(now, ch, link, nil)
//	}
//
// [Machine.Pair] makes a bond, [Machine.Encrypt] encrypts the link with a bond, and
// [Machine.Security] returns how the link is protected. Package host does this wiring.
//
// # Features
//
// LE Secure Connections, and legacy pairing if Config.AllowLegacy is set; both roles;
// Just Works, Passkey Entry, Numeric Comparison and Out of Band. Keys have 16 octets
// unless Config.MinKeySize permits less. Keys for BR/EDR are never derived, so attacks
// on cross-transport key derivation have no target.
//
// # Rules that protect the user
//
//   - A peer without the key of its bond leads to [ErrBondLost]. It can pair again only
//     by [PairOptions].Replace, or as central by Config.AllowRepair.
//   - A Security Request starts encryption or pairing. It never removes a bond.
//   - A failure to encrypt is an error. This package never falls back to plain text.
//   - A PDU that is malformed or out of order ends the pairing. So does a peer that
//     returns this host's own public key or random value.
//   - The peer has 30 s for each PDU. After a timeout the link accepts no more of this
//     protocol (Vol 3, Part H, 3.4).
//   - A peer that fails to pair has to wait, each time twice as long.
//
// # Byte order
//
// All values have the byte order of PDUs and HCI: least significant octet first. The
// functions of crypto.go reverse them for AES.
//
// # Goroutines
//
// An idle Machine has no goroutine. A pairing that asks the user starts one, which
// calls the [Delegate] and ends with the pairing. Another one writes a new bond to the
// Store. The P-256 computations of a pairing, one key pair and one shared key, run on
// the loop.
package smp
