package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
)

// interval is the connection interval, in ms, for which the time that the air would add is
// computed. Each request needs two connection events: one for the request, one for the
// answer.
const interval = 30

// printTables prints the results in the files of drive on btvirt's controllers and on those of
// moor lab, and those of listen, bumble_central.py and hops in another one, as tables of
// Markdown.
func printTables(_ context.Context, args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("usage: bench table DRIVEFILE LABFILE HEARDFILE")
	}
	for _, file := range args[:2] {
		results, err := readLines[result](file)
		if err != nil {
			return err
		}
		if len(results) > 0 {
			printOperations(results)
			printPackets(results)
		}
	}
	hs, err := readLines[heard](args[2])
	if err != nil {
		return err
	}
	if len(hs) > 0 {
		printHeard(hs)
	}
	return nil
}

func readLines[T any](path string) (all []T, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for in := bufio.NewScanner(f); in.Scan(); {
		var v T
		if err := json.Unmarshal(in.Bytes(), &v); err != nil {
			return nil, fmt.Errorf("%s: %q: %w", path, in.Text(), err)
		}
		all = append(all, v)
	}
	return all, nil
}

// operations are the rows of the first table.
var operations = []struct{ what, title string }{
	{"cold", "cold connect to services"},
	{"warm", "warm connect to first read"},
	{"close", "disconnect"},
	{"reads", "read"},
	{"writes", "write with response"},
	{"commands", "write without response"},
	{"notifications", "notification, as fast as they come"},
	{"memory", "memory, PSS in MB"},
}

func printOperations(results []result) {
	fmt.Println("Median (quartiles) in milliseconds, for one operation; n is the number of measurements of each side.")
	fmt.Println()
	fmt.Println("| operation | n | moor, wall | bleak, wall | ratio | moor, CPU | bleak, CPU | ratio |")
	fmt.Println("| --- | --: | --: | --: | --: | --: | --: | --: |")
	for _, o := range operations {
		pick := func(side string, of func(result) float64) (values []float64) {
			for _, r := range results {
				if r.Side == side && r.What == o.what && r.HCI == nil {
					values = append(values, of(r)/float64(max(r.N, 1)))
				}
			}
			return values
		}
		wall := func(r result) float64 { return r.MS }
		cpu := func(r result) float64 { return r.CPU }
		if o.what == "memory" {
			wall = func(r result) float64 { return r.PSS }
		}
		mw, bw := pick("moor", wall), pick("bleak", wall)
		if len(mw) == 0 {
			continue // not measured on this air
		}
		fmt.Printf("| %s | %d | %s | %s | %.2f |", o.title, len(mw), spread(mw), spread(bw), median(mw)/median(bw))
		if o.what == "memory" {
			fmt.Println(" | | |")
			continue
		}
		mc, bc := pick("moor", cpu), pick("bleak", cpu)
		fmt.Printf(" %s | %s | %.2f |\n", spread(mc), spread(bc), median(mc)/median(bc))
	}
	fmt.Println()
}

func printPackets(results []result) {
	if !slices.ContainsFunc(results, func(r result) bool { return r.HCI != nil }) {
		return
	}
	fmt.Println("Packets of one operation at the central's adapter. The last column is computed: what connection events would")
	fmt.Printf("add at an interval of %d ms, two of them for each request.\n\n", interval)
	fmt.Println("| operation | side | HCI commands | events | data sent | data received | ATT requests | computed |")
	fmt.Println("| --- | --- | --: | --: | --: | --: | --: | --: |")
	for _, o := range operations {
		for _, side := range []string{"moor", "bleak"} {
			for _, r := range results {
				if n := r.HCI; n != nil && r.Side == side && r.What == o.what {
					fmt.Printf("| %s | %s | %d | %d | %d | %d | %d | %d ms |\n", o.title, side, n.Commands, n.Events, n.Sent, n.Received, n.Requests, 2*interval*n.Requests)
				}
			}
		}
	}
	fmt.Println()
}

func printHeard(hs []heard) {
	fmt.Println("Receiving notifications over TCP: medians of n runs that alternate.")
	fmt.Println()
	fmt.Println("| receiver | n | notifications | CPU of one | moor's ratio to it |")
	fmt.Println("| --- | --: | --: | --: | --: |")
	type row struct{ side, mode string }
	var rows []row
	rates, costs := map[row][]float64{}, map[row][]float64{}
	for _, h := range hs {
		k := row{h.Side, h.Mode}
		if costs[k] == nil {
			rows = append(rows, k)
		}
		rates[k], costs[k] = append(rates[k], h.PerSecond), append(costs[k], h.CPU)
	}
	for _, k := range rows {
		ratio := median(costs[row{"moor", k.mode}]) / median(costs[k])
		fmt.Printf("| %s, %s | %d | %.0f/s | %s µs | %.2f |\n", k.side, k.mode, len(costs[k]), median(rates[k]), spread(costs[k]), ratio)
	}
}

// spread returns the median and the quartiles of values in words.
func spread(values []float64) string {
	if len(values) == 1 {
		return fmt.Sprintf("%.1f", values[0])
	}
	return fmt.Sprintf("%s (%s–%s)", digits(median(values)), digits(quantile(values, 0.25)), digits(quantile(values, 0.75)))
}

// digits returns v with three digits or so.
func digits(v float64) string {
	switch {
	case v < 10:
		return fmt.Sprintf("%.2f", v)
	case v < 100:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

func median(values []float64) float64 { return quantile(values, 0.5) }

// quantile interpolates between the two values next to the place of q; 0 of no value.
func quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return 0
	}
	v := slices.Sorted(slices.Values(values))
	at := q * float64(len(v)-1)
	i := min(int(at), len(v)-1)
	j := min(i+1, len(v)-1)
	return v[i] + (at-float64(i))*(v[j]-v[i])
}
