// Package doctor finds out what keeps Bluetooth from working on a machine,
// and what to do about it.
//
// [Run] asks an [Env], whose fields are the probes, and judges the answers;
// [System] is the Env of the machine it runs on. Nothing else here touches the
// system, so that every diagnosis can be tested.
package doctor
