package sim

import "time"

// instant is a time on the air, in nanoseconds since the air was made.
type instant int64

// never is the time of a timer that is not armed.
const never = instant(1<<63 - 1)

func (t instant) plus(d time.Duration) instant  { return t + instant(d) }
func (t instant) since(u instant) time.Duration { return time.Duration(t - u) }

// timer calls fire at a time. It is embedded in the object that it serves, and is
// armed and disarmed without allocation.
type timer struct {
	at   instant
	ord  uint64
	pos  int // 1 + place in the heap; 0: not armed
	fire func()
}

func (t *timer) armed() bool { return t.pos != 0 }

// clock is a heap of timers, ordered by time and then by ord. Orders below
// firstOrder belong to the packets of hosts and are the index of the controller;
// other timers are numbered in the order of arming.
type clock struct {
	now   instant
	heap  []*timer
	order uint64
}

const firstOrder = 1 << 32

// arm sets t to fire at the time at, or now if that is past. It replaces an
// earlier setting.
func (c *clock) arm(t *timer, at instant) {
	c.order++
	c.armOrdered(t, at, firstOrder+c.order)
}

func (c *clock) armOrdered(t *timer, at instant, ord uint64) {
	t.at, t.ord = max(at, c.now), ord
	if t.pos == 0 {
		c.heap = append(c.heap, t)
		t.pos = len(c.heap)
	}
	c.siftUp(t.pos - 1)
	c.siftDown(t.pos - 1)
}

func (c *clock) disarm(t *timer) {
	if t.pos == 0 {
		return
	}
	i, last := t.pos-1, len(c.heap)-1
	if i != last {
		c.swap(i, last)
	}
	c.heap[last] = nil
	c.heap = c.heap[:last]
	t.pos = 0
	if i != last {
		c.siftUp(i)
		c.siftDown(i)
	}
}

// nextTime returns the time of the first timer, or never.
func (c *clock) nextTime() instant {
	if len(c.heap) == 0 {
		return never
	}
	return c.heap[0].at
}

// fireNext fires the first timer if it is due at limit, and reports whether it was.
func (c *clock) fireNext(limit instant) bool {
	if len(c.heap) == 0 || c.heap[0].at > limit {
		return false
	}
	t := c.heap[0]
	c.disarm(t)
	c.now = t.at
	t.fire()
	return true
}

func (c *clock) less(i, j int) bool {
	a, b := c.heap[i], c.heap[j]
	return a.at < b.at || a.at == b.at && a.ord < b.ord
}

func (c *clock) swap(i, j int) {
	h := c.heap
	h[i], h[j] = h[j], h[i]
	h[i].pos, h[j].pos = i+1, j+1
}

func (c *clock) siftUp(i int) {
	for i > 0 {
		p := (i - 1) / 2
		if !c.less(i, p) {
			return
		}
		c.swap(i, p)
		i = p
	}
}

func (c *clock) siftDown(i int) {
	for {
		m := i
		for k := 2*i + 1; k <= 2*i+2 && k < len(c.heap); k++ {
			if c.less(k, m) {
				m = k
			}
		}
		if m == i {
			return
		}
		c.swap(i, m)
		i = m
	}
}
