package errclass

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite docs/errors.md")

// TestDocs holds docs/errors.md against the table; with -update it writes it.
func TestDocs(t *testing.T) {
	path := filepath.Join("..", "docs", "errors.md")
	want := document()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the table says: run go test ./errclass -run TestDocs -update", path)
	}
}

// TestRowNames fails on rows that cannot be told apart.
func TestRowNames(t *testing.T) {
	seen := map[string]bool{}
	for i := range table {
		r := &table[i]
		if r.name == "" || seen[r.name] || r.why == "" || r.match == nil {
			t.Errorf("row %d (%q) has no name, a name twice, no reason or no match", i, r.name)
		}
		if r.do.category == None {
			t.Errorf("row %q has no category", r.name)
		}
		seen[r.name] = true
	}
}

// TestRowsReachable fails on a row that no example of its own reaches, since a
// row above takes it: rows of words are tried by what they stand for.
func TestRowsReachable(t *testing.T) {
	for i := range table {
		r := &table[i]
		if !r.word {
			continue
		}
		for word := range strings.SplitSeq(r.name, ", ") {
			if strings.HasPrefix(word, "any other") || word == "failed to discover services" || word == "device disconnected" {
				continue
			}
			if got := findRow(&RemoteError{Text: word}); got != r {
				t.Errorf("%q reaches row %q, not %q", word, got.name, r.name)
			}
		}
	}
}

func document() string {
	var b strings.Builder
	b.WriteString(intro)
	for _, part := range []struct {
		title string
		rows  []row
	}{
		{"HCI error codes", hciRows},
		{"What this host finds out", localRows},
		{"Attributes", attRows},
		{"Pairing", smpRows},
		{"L2CAP", l2capRows},
		{"System", systemRows},
		{"Other stacks, by class", remoteKindRows},
		{"Other stacks, by words", append(slices.Clip(remoteWordRows), unclassified)},
	} {
		fmt.Fprintf(&b, "\n## %s\n\n| error | default: final | redial | budget | wait | before that | upstream: final | budget | wait | why |\n|---|---|---|---|---|---|---|---|---|---|\n", part.title)
		for _, r := range part.rows {
			d, u := r.class(r.like.Kind, r.do), r.class(r.like.Kind, upstream(r.like.Kind, r.like.Text))
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %v | %s | %s | %s | %v | %s |\n", r.name,
				d.Category, redial(d.Redial), d.Budget, d.Backoff, d.Action, u.Category, u.Budget, u.Backoff, r.why)
		}
	}
	return b.String()
}

func redial(r Redial) string {
	switch {
	case r.Times == 0:
		return "none"
	case r.Wait == 0:
		return fmt.Sprintf("%d at once", r.Times)
	}
	return fmt.Sprintf("%d after %v", r.Times, r.Wait)
}

const intro = `# What is done about errors

This is the table of package errclass, made from it by
` + "`go test ./errclass -run TestDocs -update`" + `. The first row that matches an error
decides, in the order that the package gives to its tables.

- **final**: what the failure is to the caller once no attempt is left.
- **redial**: how often the same is tried again within an attempt, which then
  does not count as failed.
- **budget**: what a failed attempt counts against. Timeouts and connect errors
  share one number of attempts, transients have another. "none": not tried again.
- **wait**: how long before the next attempt. News of the device, of the adapter
  or of a free connection cut it short.
- **before that**: what to do before the next try.
- **upstream**: the same in bleak-retry-connector 4.6, with the error that its
  user sees in this situation.
`
