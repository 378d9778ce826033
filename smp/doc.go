// Package smp is the Security Manager Protocol: it pairs with a peer, keeps
// the keys as bonds, and encrypts links with them (Vol 3, Part H).
//
// A [Manager] belongs to one controller. It holds the local identity, the
// [Store] of bonds, and what must outlive a link: which peers have failed to
// pair of late. It makes a [Machine] for each link, which is the protocol on
// the link's SMP channel:
//
//	m, err := smp.NewManager(local, &smp.Config{Store: smp.Files(dir), Delegate: smp.NewTerminal(os.Stdin, os.Stdout)})
//	l2capConfig.SMP = func(now time.Time, ch *l2cap.Channel) l2cap.Handler { return m.NewMachine(now, ch, link, nil) }
//
// [Machine.Pair] makes a bond, [Machine.Encrypt] uses one, [Machine.Security]
// says what protects the link.
//
// # What is done
//
// LE Secure Connections, and legacy pairing if Config.AllowLegacy; both roles;
// Just Works, Passkey Entry, Numeric Comparison and out of band. Keys are 16
// octets unless Config.MinKeySize allows less. Keys of the other transport
// (BR/EDR) are never derived, which makes attacks on that derivation idle.
//
// # Rules that protect the user
//
//   - A peer without the key of a bond is [ErrBondLost]. It is paired with again
//     only by [PairOptions].Replace, or as peripheral by Config.AllowRepair.
//   - A Security Request starts encryption or pairing. It never removes a bond.
//   - A failure to encrypt is an error; nothing goes on in plain text by itself.
//   - PDUs that are malformed or out of order end the pairing, as does a peer
//     that sends back our own public key or values.
//   - A procedure takes no longer than 30 s between PDUs. After that nothing
//     more is done on the link (Vol 3, Part H, 3.4).
//   - A peer that fails has to wait, each time twice as long.
//
// # Octets
//
// All values are in the order of the wire, least significant octet first, as
// in PDUs and HCI. The functions of crypto.go turn them for AES.
//
// # Goroutines
//
// A Machine has none while it is idle. A pairing that asks its user starts one,
// which calls the [Delegate] and ends with the pairing; one writes a new bond to
// the Store. The computations on the curve are done on the loop, one pair of
// them per pairing.
package smp
