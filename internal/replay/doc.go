// Package replay plays a capture as a controller, for tests.
//
// A [Controller] is an hci.Transport. It answers the packets of a host as the captured
// controller did, and sends the captured events and data when the host has sent the
// packets that came before them:
//
//	records, err := replay.Load("testdata/btsnoop/sim-read.btsnoop")
//	host.Open(ctx, replay.New(records), nil)
//
// The order of the host's packets may differ from the capture, and packets of the capture
// may be missing. A command that the host repeats more often has the same answer again; one
// that the capture does not have is unknown to the controller, and Unexpected lists it.
package replay
