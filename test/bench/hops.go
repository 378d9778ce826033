package main

import (
	"context"
	"fmt"
	"net"
	"time"
)

// measureHops measures what a packet of 256 octets costs that comes alone, 690 times a
// second over TCP, in a program of two goroutines: one reads it and hands it to the other.
// With an argument it is the program that sends them.
func measureHops(ctx context.Context, args []string) error {
	if len(args) == 2 && args[0] == "send" {
		return sendPackets(ctx, args[1])
	}
	var seconds int
	if len(args) != 2 {
		return fmt.Errorf("usage: bench hops PORT SECONDS; hops send PORT")
	}
	if _, err := fmt.Sscan(args[1], &seconds); err != nil {
		return err
	}
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", args[0]))
	if err != nil {
		return err
	}
	defer l.Close()
	c, err := l.Accept()
	if err != nil {
		return err
	}
	defer c.Close()
	packets := make(chan []byte, 64)
	go func() {
		defer close(packets)
		for {
			b := make([]byte, 256)
			if _, err := c.Read(b); err != nil {
				return
			}
			packets <- b
		}
	}()
	begin, before, count := time.Now(), usedCPU(), 0
	for range packets {
		count++
		if time.Since(begin) >= time.Duration(seconds)*time.Second {
			break
		}
	}
	took, used := time.Since(begin), usedCPU()-before
	heard{"bare Go, two goroutines", "paced", float64(count) / took.Seconds(), float64(used.Microseconds()) / float64(count)}.print()
	return nil
}

func sendPackets(ctx context.Context, port string) error {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return err
	}
	defer c.Close()
	b := make([]byte, 256)
	for t := time.NewTicker(time.Second / 690); ; <-t.C {
		if _, err := c.Write(b); err != nil {
			return nil // the reader has seen enough
		}
	}
}
