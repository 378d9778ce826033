// Package simreport compares two ways to connect on the same simulated air: this
// module's connection manager with its default policy, and bleak-retry-connector
// over bleak over BlueZ, modeled with the constants and the counting of
// [connmgr.UpstreamPolicy].
//
// A [Scenario] describes the faults of the air, the devices and the adapters.
// Together with a seed it determines a world. Each way gets the same world and must
// make every device in it ready: link up, MTU exchanged, attribute table discovered.
// "make sim-report" runs thousands of worlds and writes docs/sim-report.md and
// docs/sim-report.svg, which also describe the model of upstream.
package simreport
