// Package simreport compares two ways to connect on the same simulated
// air: this module's connection manager with its default policy, and
// bleak-retry-connector over bleak over BlueZ, modeled with the constants and
// the counting of [connmgr.UpstreamPolicy].
//
// A scenario describes the faults of the air, the devices and the adapters. A
// scenario and a seed make a world. Each contender gets the same world with the
// same chances, and has to bring every device to ready: link up, MTU exchanged,
// attribute table discovered. "make sim-report" runs thousands of worlds and
// writes docs/sim-report.md and docs/sim-report.svg, which also describe the
// model of upstream.
package simreport
