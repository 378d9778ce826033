// Package simreport compares how two ways to connect fare on the same
// simulated air: this module's connection manager with its default policy, and
// bleak-retry-connector over bleak over BlueZ, modeled with the constants and
// the counting of [connmgr.UpstreamPolicy].
//
// A [Scenario] says what is wrong with the air, the devices and the adapters.
// From it and a seed comes a world; each way gets the same world, with the same
// chances, and has to bring every device of it to ready: link up, MTU exchanged,
// attribute table discovered. "make sim-report" runs thousands of worlds and
// writes docs/sim-report.md and docs/sim-report.svg, which also say what of
// upstream is modeled.
package simreport
