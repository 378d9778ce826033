// Package hcitest connects a host stack to a scripted controller in memory.
//
// [Pipe] returns the two ends. The stack under test uses the [Host]. The test plays
// the controller with the [Controller], in the order in which the packets cross
// HCI:
//
//	host, ctl := hcitest.Pipe()
//	go stack.Run(host)
//	ctl.WantSent(t, reset)           // the stack sent exactly this, now
//	ctl.Send(resetComplete)          // the controller answers
//	ctl.WantIdle(t)                  // nothing more until something happens
//	ctl.Fail(syscall.EPIPE)          // the adapter was pulled out
//
// The Want methods first wait until every goroutine of the bubble is blocked, so
// "now" is exact. They work only in a testing/synctest bubble; the rest of the
// package works everywhere. The package does not import hci, so that tests in
// package hci can use it.
package hcitest
