package slots_test

import (
	"context"
	"fmt"

	"github.com/moor-ble/moor/slots"
)

// A ticket keeps its place in the queue while its owner tries one adapter, gives
// up, and asks again for others.
func ExampleTicket() {
	m := slots.New(nil)
	defer m.Close()
	m.Register("hci0", 1)

	ticket := m.Ticket("C0:FF:EE:00:00:01", 0)
	defer ticket.Close()
	adapter, err := ticket.Acquire(context.Background(), "hci0", "hci1")
	fmt.Println(adapter, err, m.Usage("hci0").Free)

	m.Release(adapter, "C0:FF:EE:00:00:01") // the attempt failed
	m.Remove("hci0")
	ticket.SetAdapters("hci1") // which is not there yet
	m.Register("hci1", 3)
	<-ticket.Ready()
	adapter, err = ticket.Acquire(context.Background(), "hci1")
	fmt.Println(adapter, err, m.Usage("hci1").Free)
	// Output:
	// hci0 <nil> 0
	// hci1 <nil> 2
}
