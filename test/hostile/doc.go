// Package hostile holds tests of the whole stack against peers and controllers
// that break the rules: scripts of octets on the simulated air of package sim.
//
// What must hold in all of them: nothing panics; nobody waits beyond the
// deadline that applies; memory stays within the bounds that the queues name;
// at most the one link is lost, with an error that says which rule was broken
// and by whom; and all other links carry on.
package hostile
