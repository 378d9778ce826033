package smp

import (
	"crypto/ecdh"
	"errors"
	"time"

	"github.com/moor-ble/moor/hci"
)

// pairing is one pairing, from the first PDU to the last key. It is a plain state
// machine: advance handles an input, and leaves in fx what the Machine has to do. It
// knows no goroutine, clock or link.
//
//	central (initiator)                                peripheral (responder)
//	           Pairing Request  ->
//	                            <- Pairing Response
//	           legacy.go: confirm, random   or   sc.go: public key, …, DHKey check
//	           encrypt
//	                            <- its keys            keys.go
//	           our keys         ->
type pairing struct {
	set       settings
	initiator bool
	own, peer hci.Addr // on the air

	preq, pres [7]byte // the first two PDUs as they were sent, for c1
	req, rsp   features
	method     Method
	sc         bool
	keySize    int

	passkey Passkey
	legacy  legacy
	curve   curve
	dist    distribution

	state state
	// While the user is asked, answered handles the answer. One PDU with the code
	// early may come in the meantime and waits in held: the peer's user may be faster.
	answered func(p *pairing, a answer) (state, error)
	early    code
	held     command

	// key encrypts the link. Until it is set, a peer that wants to encrypt is refused.
	key *Key

	done bool // all keys are exchanged
	fx   effects
}

// settings are the part of the configuration that a pairing needs.
type settings struct {
	io         IOCapability
	auth       authReq // as sent
	needMITM   bool
	needSC     bool
	minKeySize int
	sign       bool // distribute signing keys, and ask for them
	oob        *OOB
	keyPair    func() (*ecdh.PrivateKey, error)
	identity   Identity
	passkey    func() Passkey // to display
}

// effects are what the Machine has to do after a step, in this order.
type effects struct {
	send    []command
	ask     *question
	encrypt *Key // encrypt the link as central with this key
	done    bool // the pairing has succeeded
}

// question is a call of the Delegate.
type question struct {
	kind    questionKind
	passkey Passkey
}

type questionKind uint8

const (
	askEnter questionKind = iota
	askConfirm
	tellPasskey
)

// The inputs of a pairing are the peer's PDUs and these two.
type (
	answer struct { // the user's reply to a question
		passkey Passkey
		err     error
	}
	encrypted struct{} // the link is encrypted with key
)

// state handles the next input and returns the state after it. An error ends the
// pairing.
type state func(p *pairing, in any) (state, error)

// newInitiator begins a pairing as central, with a Pairing Request.
func newInitiator(set settings, own, peer hci.Addr) *pairing {
	p := &pairing{set: set, initiator: true, own: own, peer: peer}
	keys := set.distributedKeys()
	p.req = features{
		IO: set.io, OOB: set.oob.hasPeerData(), Auth: set.auth, MaxKeySize: keySizeMax,
		InitiatorKeys: keys, ResponderKeys: keys,
	}
	p.preq = p.queueFeatures(pairingRequest(p.req))
	p.state = awaitResponse
	return p
}

// newResponder begins a pairing as peripheral, with the peer's request.
func newResponder(set settings, own, peer hci.Addr, req pairingRequest) (*pairing, error) {
	p := &pairing{set: set, own: own, peer: peer, req: features(req)}
	p.preq = [7]byte(req.AppendPDU(nil))
	keys := set.distributedKeys()
	if !req.Auth.bonds() {
		keys = 0 // a peer that does not bond needs no keys
	}
	p.rsp = features{
		IO: set.io, OOB: set.oob.hasPeerData(), Auth: set.auth, MaxKeySize: keySizeMax,
		InitiatorKeys: req.InitiatorKeys & keys, ResponderKeys: req.ResponderKeys & keys,
	}
	if err := p.agreeOnFeatures(); err != nil {
		return nil, err
	}
	p.pres = p.queueFeatures(pairingResponse(p.rsp))
	next, err := p.beginPhaseTwo()
	p.state = next
	return p, err
}

// queueFeatures queues the PDU of the first exchange and returns it as sent.
func (p *pairing) queueFeatures(pdu command) [7]byte {
	p.queuePDU(pdu)
	return [7]byte(pdu.AppendPDU(nil))
}

// distributedKeys returns the keys that this host distributes and asks for: none unless
// it bonds.
func (s *settings) distributedKeys() keyDist {
	switch {
	case !s.auth.bonds():
		return 0
	case s.sign:
		return distEncKey | distIDKey | distSignKey
	}
	return distEncKey | distIDKey
}

func (p *pairing) queuePDU(pdu command) { p.fx.send = append(p.fx.send, pdu) }

// takeEffects returns the effects since the last call.
func (p *pairing) takeEffects() effects {
	fx := p.fx
	p.fx = effects{}
	return fx
}

// advance handles an input. An error ends the pairing.
func (p *pairing) advance(in any) (err error) {
	switch in := in.(type) {
	case pairingKeypressNotification:
		if p.method.passkey() && p.key == nil {
			return nil // the progress of the peer's user is not shown
		}
	case pairingFailed:
		return &Error{Reason: in.Reason}
	case answer:
		return p.handleAnswer(in)
	}
	if p.answered != nil {
		pdu, ok := in.(command)
		if !ok || pdu.Code() != p.early || p.held != nil {
			return unexpected(in)
		}
		p.held = pdu
		return nil
	}
	p.state, err = p.state(p, in)
	return err
}

// handleAnswer handles the user's answer, and then the PDU that had to wait for it.
func (p *pairing) handleAnswer(a answer) (err error) {
	f := p.answered
	if f == nil { // the answer to tellPasskey
		if a.err != nil {
			return &Error{Reason: ReasonPasskeyEntryFailed, Local: true, Err: a.err}
		}
		return nil
	}
	p.answered = nil
	if p.state, err = f(p, a); err != nil || p.held == nil {
		return err
	}
	held := p.held
	p.held = nil
	return p.advance(held)
}

// askUser asks the user, and f handles the answer. Until then one PDU with the code
// early may come; none if early is 0.
func (p *pairing) askUser(q question, early code, f func(p *pairing, a answer) (state, error)) {
	p.fx.ask = &q
	p.early, p.answered = early, f
}

// unexpected returns the error for an input out of order.
func unexpected(in any) error {
	if pdu, ok := in.(command); ok {
		return localError(ReasonUnspecified, "%v out of order", pdu.Code())
	}
	return localError(ReasonUnspecified, "%T out of order", in)
}

// expect returns in as a T, or the error for an input out of order.
func expect[T any](in any) (T, error) {
	v, ok := in.(T)
	if !ok {
		return v, unexpected(in)
	}
	return v, nil
}

func awaitResponse(p *pairing, in any) (state, error) {
	rsp, err := expect[pairingResponse](in)
	if err != nil {
		return nil, err
	}
	p.rsp = features(rsp)
	p.pres = [7]byte(rsp.AppendPDU(nil))
	extra := p.rsp.InitiatorKeys&^p.req.InitiatorKeys | p.rsp.ResponderKeys&^p.req.ResponderKeys
	if extra &= distKnown; extra != 0 {
		return nil, localError(ReasonInvalidParameters, "the response adds the keys %v", extra)
	}
	if err := p.agreeOnFeatures(); err != nil {
		return nil, err
	}
	return p.beginPhaseTwo()
}

// agreeOnFeatures derives the kind of pairing from the features of both sides, and
// refuses a kind that does not meet the settings.
func (p *pairing) agreeOnFeatures() error {
	p.sc = secureConnections(p.req, p.rsp)
	p.method = chooseMethod(p.req, p.rsp)
	p.keySize = int(min(p.req.MaxKeySize, p.rsp.MaxKeySize))
	theirs := p.req
	if p.initiator {
		theirs = p.rsp
	}
	switch {
	case p.keySize < p.set.minKeySize:
		return localError(ReasonEncryptionKeySize, "the peer offers %d octets, %d are needed", p.keySize, p.set.minKeySize)
	case p.set.needSC && !p.sc:
		return localError(ReasonAuthenticationRequirements,
			"the peer has no LE Secure Connections, and legacy pairing is not allowed")
	case p.set.needMITM && !p.method.Authenticated() && p.set.oob.hasPeerData():
		return localError(ReasonAuthenticationRequirements,
			"no protection against a man in the middle: the peer does not use the out-of-band data")
	case p.set.needMITM && !p.method.Authenticated():
		return localError(ReasonAuthenticationRequirements,
			"no protection against a man in the middle with %v here and %v there", p.set.io, theirs.IO)
	case p.method == OutOfBand && !p.set.oob.suffices(p.sc, theirs.OOB):
		return localError(ReasonOOBNotAvailable, "no out-of-band data for this kind of pairing")
	}
	p.dist.plan(p)
	return nil
}

// beginPhaseTwo begins the authentication of both sides (Vol 3, Part H, 2.3.5).
func (p *pairing) beginPhaseTwo() (state, error) {
	if p.sc {
		return beginCurve(p)
	}
	return beginLegacy(p)
}

// getPasskey calls then once this side knows the passkey: it generates and displays
// one, or the user types one.
func (p *pairing) getPasskey(early code, then func(p *pairing) (state, error)) (state, error) {
	if p.method.displays(p.initiator) {
		p.passkey = p.set.passkey()
		p.fx.ask = &question{kind: tellPasskey, passkey: p.passkey}
		return then(p)
	}
	p.askUser(question{kind: askEnter}, early, func(p *pairing, a answer) (state, error) {
		if a.err == nil && a.passkey >= passkeys {
			a.err = errLongPasskey
		}
		if a.err != nil {
			return nil, &Error{Reason: ReasonPasskeyEntryFailed, Local: true, Err: a.err}
		}
		p.passkey = a.passkey
		return then(p)
	})
	return nil, nil
}

// encryptWith sets the key that the central encrypts the link with.
func (p *pairing) encryptWith(key Key) (state, error) {
	key = key.truncate(p.keySize)
	if key.IsZero() {
		return nil, localError(ReasonUnspecified, "%w", errZeroKey)
	}
	p.key = &key
	if p.initiator {
		p.fx.encrypt = &key
	}
	return awaitEncryption, nil
}

// errZeroKey refuses a key that anybody could guess (CVE-2019-19194).
var errZeroKey = errors.New("the key is zero")

func awaitEncryption(p *pairing, in any) (state, error) {
	if _, err := expect[encrypted](in); err != nil {
		return nil, err
	}
	return p.dist.beginDistribution(p)
}

// linkSecurity returns the Security of a link that the pairing has encrypted. A key
// that is public knowledge authenticates nobody.
func (p *pairing) linkSecurity() Security {
	known := p.curve.usesDebugKey()
	return Security{
		Encrypted: p.key != nil, Authenticated: p.method.Authenticated() && !known,
		SecureConnections: p.sc && !known, KeySize: p.keySize,
	}
}

// bothBond reports whether both sides want to bond.
func (p *pairing) bothBond() bool { return p.req.Auth.bonds() && p.rsp.Auth.bonds() }

// peerIdentity returns the address to find the peer's bond by, and the key that resolves
// the peer's private addresses. ok is false if the peer has no such address.
//
// A peer states its identity address itself. The statement counts only if the peer uses a
// private address on air: a device with a public or static address is known by that one,
// and must not take the place of another device.
func (p *pairing) peerIdentity() (addr hci.Addr, irk Key, ok bool) {
	d, onAir := &p.dist, p.peer.Identity()
	switch {
	case onAir.IsResolvable() || onAir.IsNonResolvable():
		if d.peerAddr == nil {
			return hci.Addr{}, Key{}, false
		}
		return *d.peerAddr, d.irk, true
	case p.claimsOtherIdentity():
		return onAir, Key{}, true // the key belongs to the other address
	}
	return onAir, d.irk, true
}

// claimsOtherIdentity reports whether the peer has stated an identity address other than
// the public or static address that it uses on air.
func (p *pairing) claimsOtherIdentity() bool {
	onAir, stated := p.peer.Identity(), p.dist.peerAddr
	return stated != nil && *stated != onAir && !onAir.IsResolvable() && !onAir.IsNonResolvable()
}

// newBond returns the bond of a pairing that has succeeded. It returns nil if one side
// does not bond, if the key is public knowledge, or if the peer has no address by which
// to find the bond again.
func (p *pairing) newBond(now time.Time) *Bond {
	d := &p.dist
	peer, irk, ok := p.peerIdentity()
	if !ok || !p.bothBond() || p.curve.usesDebugKey() {
		return nil
	}
	b := &Bond{
		Peer: peer, Created: now, Authenticated: p.method.Authenticated(), SecureConnections: p.sc, KeySize: p.keySize,
		IRK: irk, GaveIRK: d.give.has(distIDKey) && !p.set.identity.IRK.IsZero(),
		PeerCSRK: d.peerCSRK, LocalCSRK: d.ownCSRK,
	}
	if p.sc {
		k := LongTermKey{Key: *p.key}
		b.Central, b.Peripheral = &k, &k
		return b
	}
	// The key that a side distributes is for links on which it is the peripheral,
	// whichever role it had during the pairing (2.4.2).
	b.Central, b.Peripheral = d.peerKey, d.ownKey
	return b
}
