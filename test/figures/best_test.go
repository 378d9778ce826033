package figures

import (
	"math"
	"math/bits"
	"time"

	"github.com/moor-ble/moor/sim"
)

// best is the timetable of the air, for a scheduler that knows it and gives all links the
// same share.
type best struct {
	setting
	anchors    []time.Duration // of one interval, ascending
	peripheral bool
	out        float64 // kbit/s that were measured
}

// exchangeTime is how long a packet with a value and its acknowledgment take on the 2M PHY.
func exchangeTime(value int) time.Duration {
	return exchange - time.Duration(payload-value)*4*time.Microsecond
}

// emptyExchange acknowledges the last packet of an earlier event.
var emptyExchange = exchangeTime(-7)

// mostPackets is the number of packets that one event of a link can carry, if other links
// keep buffers of the controller, and the link itself keeps one of an earlier event.
func (b *best) mostPackets(others int, own bool) int {
	room := b.buffers - others
	if !b.peripheral {
		room-- // kept for a link without any
	}
	enough := b.buffers/2 + 1 // half are reported at once, while one more is on the air
	switch b.completed {
	case sim.CompletedPromptly, sim.CompletedByHalf:
	case sim.CompletedOneByOne:
		enough = 2
	case sim.CompletedAtEventEnd:
		enough = 1 << 30
	}
	most := int(b.interval / exchangeTime(b.value))
	if room >= enough {
		return most
	}
	if own {
		room--
	}
	return min(max(room, 0), most)
}

// rate returns a bound of the kbit/s that the links can carry together in equal shares: the
// most that any plan carries if the packets of each link count as much as its weight, for
// the weights that make this least.
func (b *best) rate() float64 {
	n := len(b.anchors)
	weights := make([]float64, n)
	for i := range weights {
		weights[i] = 1
	}
	least := math.Inf(1)
	for step := range 12 {
		value, packets := b.search(weights)
		least = min(least, value)
		sum := 0.0
		for i := range weights {
			// A link with less than its share counts more from now on.
			weights[i] *= math.Exp((1 - packets[i]*float64(n)/total(packets)) / float64(step+2))
			sum += weights[i]
		}
		for i := range weights {
			weights[i] *= float64(n) / sum
		}
	}
	return least * float64(b.value*8) / (float64(b.interval) / float64(time.Millisecond))
}

func total(of []float64) (sum float64) {
	for _, v := range of {
		sum += v
	}
	return sum
}

// search returns the greatest weight of the packets of an interval, and the packets of each
// link with that plan. A plan skips the event at each anchor, or has it carry some packets.
// After it, the link of a peripheral keeps the buffer of the last packet until its next
// event.
func (b *best) search(weights []float64) (value float64, packets []float64) {
	const intervals = 40
	n := len(b.anchors)
	steps := n * intervals
	at := func(i int) time.Duration { return b.anchors[i%n] + time.Duration(i/n)*b.interval }
	after := func(i int, t time.Duration) int { // the first anchor from t on
		for i++; i < steps && at(i) < t; i++ {
			continue
		}
		return i
	}
	type plan struct {
		value   float64 // from an anchor on
		packets int     // in the event; -1: skip it
	}
	plans := make([][]plan, steps+1) // by the links that keep a buffer
	for i := range plans {
		plans[i] = make([]plan, 1<<n)
	}
	most := int(b.interval / exchangeTime(b.value))
	next := make([][]int, steps) // anchors after an event, by its packets
	for i := steps - 1; i >= 0; i-- {
		link, bit := i%n, 1<<(i%n)
		next[i] = []int{after(i, at(i)+emptyExchange)}
		for k := 1; k <= most; k++ {
			next[i] = append(next[i], after(i, at(i)+time.Duration(k)*exchangeTime(b.value)))
		}
		for kept := range plans[i] {
			p := plan{plans[i+1][kept].value, -1}
			if v := plans[next[i][0]][kept&^bit].value; v > p.value {
				p = plan{v, 0}
			}
			for k := 1; k <= b.mostPackets(bits.OnesCount(uint(kept&^bit)), kept&bit != 0); k++ {
				if v := float64(k)*weights[link] + plans[next[i][k]][b.keep(kept, bit)].value; v > p.value {
					p = plan{v, k}
				}
			}
			plans[i][kept] = p
		}
	}
	packets = make([]float64, n)
	for i, kept := 0, 0; i < steps; {
		bit := 1 << (i % n)
		switch k := plans[i][kept].packets; {
		case k < 0:
			i++
		case k == 0:
			i, kept = next[i][0], kept&^bit
		default:
			packets[i%n] += float64(k)
			i, kept = next[i][k], b.keep(kept, bit)
		}
	}
	// The end of the last interval is better than the others: no buffer is kept for later.
	return (plans[0][0].value - plans[steps/2][0].value) / (intervals / 2), packets
}

// keep adds a link to those that keep a buffer, if it does.
func (b *best) keep(kept, bit int) int {
	if b.peripheral {
		return kept | bit
	}
	return kept
}

// spreadEvenly returns the anchors of n links of one central.
func spreadEvenly(n int, interval time.Duration) []time.Duration {
	var at []time.Duration
	for i := range n {
		at = append(at, time.Duration(i)*interval/time.Duration(n))
	}
	return at
}
