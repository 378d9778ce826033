// Package simreport compares three ways to connect on the same simulated
// air: this module's connection manager as it is by default; bleak-retry-connector over
// bleak over BlueZ, modeled with the constants and the counting of
// [connmgr.Upstream47Policy]; and the same with habluetooth 7.2, with its connection
// parameters, slots, choice of paths and endless discovery.
//
// A scenario describes the faults of the air, the devices and the adapters. A
// scenario and a seed make a world. Each contender gets the same world with the
// same chances, and has to bring every device to ready: link up, MTU exchanged,
// attribute table discovered. "make sim-report" runs thousands of worlds and
// writes docs/sim-report.md and docs/sim-report.svg, which begin with the figures in which
// moor loses, and also describe the models of upstream.
package simreport
