// Package doctor finds what keeps Bluetooth from working on a machine, and the
// remedy.
//
// [Run] calls the probes of an [Env] and judges their results; [System] returns the
// Env of the machine that the program runs on. Nothing else here touches the system,
// so that every diagnosis can be tested.
package doctor
