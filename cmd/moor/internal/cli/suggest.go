package cli

import "fmt"

// unknownCommand returns the error for a command that does not exist, with the one
// that was probably meant.
func unknownCommand(name string, all []*command) error {
	const far = 3
	best, nearest := "", far
	for _, c := range all {
		if d := distance(name, c.name); d < nearest && d < len(c.name)/2 {
			best, nearest = c.name, d
		}
	}
	if best == "" {
		return fmt.Errorf("%q is not a command", name)
	}
	return fmt.Errorf("%q is not a command: did you mean %s?", name, best)
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
