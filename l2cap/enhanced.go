package l2cap

import (
	"fmt"
	"slices"
	"time"
)

// PSMEATT is the SPSM of enhanced ATT bearers (Vol 3, Part G, 5.3).
const PSMEATT PSM = 0x0027

// PacketService is a protocol that runs on the loop, on channels of the enhanced
// credit-based mode to one SPSM. Either side opens them; see Mux.OpenPackets.
type PacketService struct {
	// CoC has the limits of the channels, and the protection that the link must
	// have for them. Nil means the defaults; MTU and MPS are at least 64.
	CoC *CoCConfig
	// Accept creates the protocol on a channel that has opened. It runs on the
	// loop.
	Accept func(now time.Time, ch *PacketChannel) Handler
	// Most is the number of channels that may be open at a time, whoever opened
	// them. 0 means 5.
	Most int

	set settings
}

func (p *PacketService) most() int {
	if p.Most == 0 {
		return maxEnhancedChannels
	}
	return p.Most
}

// minEnhanced is the least MTU and MPS of a channel of the enhanced mode (4.25).
const minEnhanced = 64

// enhancedSettings returns the settings of a CoCConfig for the enhanced mode.
func (c *CoCConfig) enhancedSettings() (settings, error) {
	var e CoCConfig
	if c != nil {
		e = *c
	}
	e.Enhanced = true
	return e.settings()
}

// offer is what a request for channels of the enhanced mode can get.
type offer struct {
	set settings
	// make makes one more channel, or returns why it is refused.
	make func() (*endpoint, Result)
	// opened begins the use of a channel once the peer has been told.
	opened func(now time.Time, c *endpoint)
}

// offerOf returns what channels to psm get; ok is false if nobody accepts any.
func (k *channels) offerOf(psm PSM) (offer, bool) {
	if p := k.services[psm]; p != nil {
		return offer{
			set: p.set,
			make: func() (*endpoint, Result) {
				if k.countPackets(psm) >= p.most() {
					return nil, ResultNoResources
				}
				if c := k.allocatePacket(psm, p.set); c != nil {
					return &c.endpoint, ResultSuccess
				}
				return nil, ResultNoResources
			},
			opened: func(now time.Time, c *endpoint) { c.user.(*PacketChannel).startHandler(now, p.Accept) },
		}, true
	}
	l := k.listeners[psm]
	if l == nil || !l.set.enhanced {
		return offer{}, false
	}
	waiting := len(l.queue) // only the loop adds to it
	return offer{
		set: l.set,
		make: func() (*endpoint, Result) {
			if waiting == cap(l.queue) {
				return nil, ResultNoResources
			}
			if c := k.allocate(psm, l.set); c != nil {
				waiting++
				c.enhanced = true
				return &c.endpoint, ResultSuccess
			}
			return nil, ResultNoResources
		},
		opened: func(_ time.Time, c *endpoint) { l.queue <- c.user.(*Conn) },
	}, true
}

// countPackets returns the number of channels to psm that are open or opening.
func (k *channels) countPackets(psm PSM) (n int) {
	for _, c := range k.local {
		if c.psm == psm && (c.state == open || c.state == opening) {
			n++
		}
	}
	return n
}

// handleEnhancedReq handles Credit Based Connection Request (4.25). Each channel
// is accepted or refused on its own; the result names the first refusal.
func (k *channels) handleEnhancedReq(now time.Time, id uint8, req creditBasedConnectionReq) {
	rsp := creditBasedConnectionRsp{Destinations: make([]CID, len(req.Sources))}
	o, ok := k.offerOf(req.PSM)
	if rsp.Result = ResultSPSMNotSupported; ok {
		rsp.Result = req.refusal()
		if rsp.Result == ResultSuccess {
			rsp.Result = k.m.linkSecurity().meets(o.set.need)
		}
	}
	if rsp.Result != ResultSuccess {
		k.m.debug("channels refused", "psm", req.PSM, "result", rsp.Result)
		k.m.sig.sendCommand(id, rsp)
		return
	}
	var made []*endpoint
	for i, source := range answerOrder(req.Sources) {
		c, result := k.acceptOne(o, source)
		if result != ResultSuccess {
			k.m.debug("channel refused", "psm", req.PSM, "source", source, "result", result)
			if rsp.Result == ResultSuccess {
				rsp.Result = result
			}
			continue
		}
		k.establish(c, source, req.MTU, req.MPS, req.Credits)
		rsp.Destinations[i] = c.local
		made = append(made, c)
	}
	if len(made) > 0 {
		rsp.MTU, rsp.MPS, rsp.Credits = uint16(o.set.mtu), uint16(o.set.mps), uint16(o.set.credits)
	}
	k.m.sig.sendCommand(id, rsp)
	for _, c := range made {
		o.opened(now, c)
	}
}

// answerOrder returns the sources of a request in the order in which its sender
// reads the answer: that of the request, but for Linux. Since the end of 2024 (seen
// with 6.1.0-50 and 6.12 of Debian) it puts the channel first whose socket was
// connected last, which has the highest CID, and yet reads the answer in the order
// of CIDs. Without this, its channels would be crossed: each side would answer on
// another channel than that of the request.
func answerOrder(sources []CID) []CID {
	if len(sources) < 2 || !slices.IsSorted(sources[1:]) || sources[0] <= sources[len(sources)-1] {
		return sources
	}
	sorted := slices.Clone(sources)
	slices.Sort(sorted)
	return sorted
}

// acceptOne makes the channel to one source of a request.
func (k *channels) acceptOne(o offer, source CID) (*endpoint, Result) {
	switch {
	case !source.dynamic():
		return nil, ResultInvalidSourceCID
	case k.remote[source] != nil:
		return nil, ResultSourceCIDAllocated
	}
	return o.make()
}

// refusal returns why the parameters of a request are refused; ResultSuccess if
// they are not.
func (s creditBasedConnectionReq) refusal() Result {
	switch {
	case s.Credits == 0:
		return ResultInvalidParameters
	case s.MTU < minEnhanced, s.MPS < minEnhanced, s.MPS > maxMPS:
		return ResultUnacceptableParameters
	}
	return ResultSuccess
}

// openEnhanced requests the channels cs, which are opening. It calls done on the
// loop with those that have opened; err is why the others have not, nil if there
// are none.
func (k *channels) openEnhanced(now time.Time, s settings, cs []*endpoint, done func(now time.Time, opened []*endpoint, err error)) {
	req := creditBasedConnectionReq{PSM: cs[0].psm, MTU: uint16(s.mtu), MPS: uint16(s.mps), Credits: uint16(s.credits)}
	for _, c := range cs {
		req.Sources = append(req.Sources, c.local)
	}
	k.m.sig.sendRequest(now, req, func(now time.Time, answer signal, err error) {
		var opened []*endpoint
		if err == nil {
			opened, err = k.handleEnhancedRsp(now, cs, answer)
		}
		for _, c := range cs {
			if c.state == opening {
				k.forget(c)
			}
		}
		done(now, opened, err)
	})
}

// handleEnhancedRsp handles Credit Based Connection Response (4.26). A response
// with invalid parameters ends the channels that it opens. One that names a CID
// twice, or a CID in use, ends both channels with that CID.
func (k *channels) handleEnhancedRsp(now time.Time, cs []*endpoint, answer signal) (opened []*endpoint, err error) {
	rsp, ok := answer.(creditBasedConnectionRsp)
	if !ok {
		return nil, fmt.Errorf("%w: answered by %v", ErrViolation, answer.Code())
	}
	if rsp.Result != ResultSuccess {
		err = rsp.Result
	}
	var broken error
	switch {
	case len(rsp.Destinations) > len(cs):
		broken = fmt.Errorf("%w: %d channels in answer to a request for %d", ErrViolation, len(rsp.Destinations), len(cs))
	case !slices.ContainsFunc(rsp.Destinations, func(c CID) bool { return c != 0 }): // the limits have no meaning
	case rsp.MTU < minEnhanced, rsp.MPS < minEnhanced:
		broken = fmt.Errorf("%w: channels with MTU %d and MPS %d, the least is %d", ErrViolation, rsp.MTU, rsp.MPS, minEnhanced)
	case rsp.Credits == 0:
		broken = fmt.Errorf("%w: channels without credits", ErrViolation)
	}
	for i, c := range cs {
		if i >= len(rsp.Destinations) || rsp.Destinations[i] == 0 {
			if err == nil {
				err = ResultNoResources // refused without a reason
			}
			continue
		}
		destination := rsp.Destinations[i]
		switch used := k.remote[destination]; {
		case !destination.dynamic():
			broken = fmt.Errorf("%w: a channel with CID %v, want %v to %v", ErrViolation, destination, cidFirst, cidLast)
		case used != nil:
			broken = fmt.Errorf("%w: a channel with CID %v, which is in use", ErrViolation, destination)
			if i := slices.Index(opened, used); i >= 0 {
				opened = slices.Delete(opened, i, i+1)
				k.dropUnopened(now, used)
			} else {
				k.disconnect(now, used, broken)
			}
		default:
			k.establish(c, destination, rsp.MTU, rsp.MPS, rsp.Credits)
			opened = append(opened, c)
		}
	}
	if broken == nil {
		return opened, err
	}
	for _, c := range opened {
		k.dropUnopened(now, c)
	}
	return nil, broken
}

// dropUnopened ends a channel that the peer has opened, but whose user has not
// begun.
func (k *channels) dropUnopened(now time.Time, c *endpoint) {
	c.state = closing
	k.m.sig.sendRequest(now, disconnectionReq{Destination: c.remote, Source: c.local},
		func(time.Time, signal, error) { k.forget(c) })
}
