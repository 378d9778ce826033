// Command bench compares moor with what its users have otherwise: in a virtual machine
// with bleak and bleak-retry-connector on BlueZ, and over TCP with Bumble. The script run
// builds it, starts its parts, and prints tables:
//
//	drive   has two centrals do the same in turn, and writes the costs of each (drive.go)
//	central is the central of moor (central.go); that of bleak is bleak_central.py
//	peer    is the device that both connect to (peer.go)
//	air     is simulated air behind TCP, with a device that notifies without pause (air.go)
//	listen  counts its notifications, and the CPU time of each (listen.go); bumble_central.py does too
//	hops    is the least that a Go program takes to read packets at that pace (hops.go)
//	table   prints the results (table.go)
//
// It measures; nothing in it fails for a figure.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
)

func main() {
	parts := map[string]func(context.Context, []string) error{
		"air": serveAir, "central": runCentral, "drive": drive, "hops": measureHops, "listen": listen, "peer": servePeer, "table": printTables,
	}
	if len(os.Args) < 2 || parts[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: bench air|central|drive|hops|listen|peer|table ...; see test/bench/run")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := parts[os.Args[1]](ctx, os.Args[2:])
	interrupted := ctx.Err() != nil
	stop()
	if err != nil && !interrupted {
		fmt.Fprintf(os.Stderr, "bench %s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}
