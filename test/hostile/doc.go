// Package hostile contains tests of the whole stack against peers and controllers that
// break the rules, as scripts of octets on the simulated air of package sim.
//
// In all of them nothing may panic, no call may wait beyond its deadline, and memory
// must stay within the bounds of the queues. At most the one link may go down, with an
// error that names the broken rule and the side that broke it. All other links must
// keep working.
package hostile
