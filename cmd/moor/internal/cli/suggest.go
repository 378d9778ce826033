package cli

import (
	"fmt"

	"github.com/spf13/pflag"
)

// unknownCommand returns the error for a command that does not exist, with the one
// that was probably meant.
func unknownCommand(name string, all []*command) error {
	var names []string
	for _, c := range all {
		if !c.isHidden() {
			names = append(names, c.name)
		}
	}
	if best := nearest(name, names); best != "" {
		return fmt.Errorf("%q is not a command: did you mean %s?", name, best)
	}
	return fmt.Errorf("%q is not a command", name)
}

// unknownFlag returns the error for a flag that fs does not have, with the one that was
// probably meant.
func unknownFlag(name string, fs *pflag.FlagSet) error {
	var names []string
	fs.VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	if best := nearest(name, names); best != "" {
		return fmt.Errorf("unknown flag: --%s: did you mean --%s?", name, best)
	}
	return fmt.Errorf("unknown flag: --%s", name)
}

// nearest returns the name that name was probably meant to be; "" if there is none.
func nearest(name string, names []string) (best string) {
	least := 3
	for _, n := range names {
		if d := distance(name, n); d < least && d < len(n)/2 {
			best, least = n, d
		}
	}
	return best
}

// distance returns how many octets have to be inserted, deleted, replaced, or
// swapped with the next one to turn a into b.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before, last, row = last, row, before
		row[0] = i + 1
		for j := range len(b) {
			change := 1
			if a[i] == b[j] {
				change = 0
			}
			row[j+1] = min(last[j]+change, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}
