package slots_test

import (
	"fmt"
	"testing"

	"github.com/moor-ble/moor/slots"
)

// BenchmarkGrant serves one device after the other from a queue of constant
// length: one slot is given back, the first ticket gets it, and a new ticket
// takes the last place. Each ticket accepts all of 8 adapters with 4 slots each.
func BenchmarkGrant(b *testing.B) {
	for _, waiting := range []int{50, 200, 800, 3200} {
		b.Run(fmt.Sprintf("waiting=%d", waiting), func(b *testing.B) { benchmarkGrant(b, waiting) })
	}
}

func benchmarkGrant(b *testing.B, waiting int) {
	const adapters, each = 8, 4
	m := slots.New(nil)
	var names []string
	for i := range adapters {
		names = append(names, fmt.Sprintf("hci%d", i))
		m.Register(names[i], each)
	}
	type device struct {
		address, adapter string
		ticket           *slots.Ticket
	}
	devices := make([]device, waiting+adapters*each) // a ring, from the longest served to the last
	join := func(d *device) {
		d.ticket = m.Ticket(d.address, 0)
		d.ticket.SetAdapters(names...)
	}
	serve := func(d *device) {
		adapter, err := d.ticket.Acquire(b.Context(), names...)
		if err != nil {
			b.Fatal(err)
		}
		d.adapter = adapter
		d.ticket.Close()
	}
	for i := range devices {
		devices[i].address = fmt.Sprintf("C0:FF:EE:00:%02X:%02X", i>>8, i&0xFF)
		join(&devices[i])
	}
	for i := range adapters * each {
		serve(&devices[i])
	}
	b.ResetTimer()
	for i := range b.N {
		served := &devices[i%len(devices)]
		m.Release(served.adapter, served.address)
		serve(&devices[(i+adapters*each)%len(devices)])
		join(served)
	}
}
