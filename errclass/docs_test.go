package errclass

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math/bits"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite docs/errors.md")

// TestDocs checks that docs/errors.md is the table; with -update it writes it.
func TestDocs(t *testing.T) {
	path := filepath.Join("..", "docs", "errors.md")
	want := document(t)
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

// TestRowNames fails on rows with the same name, and on incomplete ones.
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

// TestRowsReachable fails on a row of words that its own words do not reach, because
// a row above matches them.
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
			if got, _ := findRow(&RemoteError{Text: word}, nil); got != r {
				t.Errorf("%q reaches row %q, not %q", word, got.name, r.name)
			}
		}
	}
}

// parts are the tables of the page, in the order of a reader's interest.
func parts() []part {
	return []part{
		{title: "HCI error codes", rows: hciRows},
		{title: "What the situation changes", text: situations, rows: situationRows},
		{title: "Errors of this host", rows: localRows},
		{title: "Attributes", rows: attRows},
		{title: "Pairing", rows: smpRows},
		{title: "L2CAP", rows: l2capRows},
		{title: "System", rows: systemRows},
		{title: "Other stacks, by class", rows: remoteKindRows},
		{title: "Other stacks, by words", rows: append(slices.Clip(remoteWordRows), unclassified)},
	}
}

type part struct {
	title, text string
	rows        []row
}

func document(t *testing.T) string {
	var b strings.Builder
	b.WriteString(intro)
	for _, a := range actions(t) {
		fmt.Fprintf(&b, "- **%s**: %s\n", a.name, a.contract)
	}
	for _, p := range parts() {
		fmt.Fprintf(&b, "\n## %s\n\n%s", p.title, p.text)
		if p.text != "" { // bleak-retry-connector knows no situation
			b.WriteString("| error | final | redial | budget | wait | before that | why |\n|---|---|---|---|---|---|---|\n")
		} else {
			b.WriteString("| error | default: final | redial | budget | wait | before that | upstream: final | budget | wait | why |\n" +
				"|---|---|---|---|---|---|---|---|---|---|\n")
		}
		for _, r := range p.rows {
			d := r.class(r.like.Kind, r.do)
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %v | %s |", r.name, d.Category, redial(d.Redial), d.Budget, d.Backoff, d.Action)
			if p.text == "" {
				u := r.upstreamClass(upstream{})
				fmt.Fprintf(&b, " %s | %s | %v |", u.Category, u.Budget, u.Backoff)
			}
			fmt.Fprintf(&b, " %s |\n", r.why)
		}
	}
	b.WriteString(outro)
	for _, p := range parts() {
		for _, r := range p.rows {
			u, v := r.upstreamClass(upstream{}), r.upstreamClass(upstream{v47: true})
			if u != v {
				fmt.Fprintf(&b, "| %s | %s, %v | %s, %v |\n", r.name, u.Category, u.Backoff, v.Category, v.Backoff)
			}
		}
	}
	return b.String()
}

func (r *row) upstreamClass(u upstream) Class {
	return r.class(r.like.Kind, u.treat(r.like.Kind, r.like.Text))
}

// action is an action with its comment, which says what connmgr does.
type action struct{ name, contract string }

// actions reads the actions from the source, so that the page cannot differ.
func actions(t *testing.T) (list []action) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "class.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok || v.Doc == nil {
			return true
		}
		ident, text, ok := strings.Cut(strings.Join(strings.Fields(v.Doc.Text()), " "), ": ")
		if ok && ident == v.Names[0].Name {
			list = append(list, action{Action(1 << len(list)).String(), text})
		}
		return true
	})
	if n := bits.Len16(uint16(Adopt)); len(list) != n {
		t.Fatalf("%d actions have a comment, want all %d", len(list), n)
	}
	return list
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

const intro = `# The treatment of errors

This page is the table of package errclass, written by
` + "`go test ./errclass -run TestDocs -update`" + `. The first row that matches an error
decides, in the order that the package gives to its tables.

- **final**: the meaning of the failure for the caller once no attempt is left.
- **redial**: the number of repetitions of the failed step within an attempt. After
  them, the attempt has failed.
- **budget**: the limit on attempts that a failure uses up. Timeouts and connect
  errors share one limit, transients have another. "none": no further attempt.
  "adapter": uses up nothing; the next attempt waits for an adapter.
- **wait**: the time before the next attempt.
- **before that**: the steps of connmgr before the next attempt, see below.
- **upstream**: the treatment by bleak-retry-connector 4.6, for the error that its
  user sees in this situation.

The steps of connmgr before the next attempt:

`

const situations = `These rows come before all others. They apply where connmgr knows the situation: the
phase, whether the link had a bond, whether this host refused a Security Request, and
the last advertisement of the device. The advice to the user depends on the situation
as well. bleak-retry-connector has no such rows.

`

const outro = `
## Upstream 4.7

bleak-retry-connector 4.7.1 differs from 4.6 in these rows:

| error | 4.6: final, wait | 4.7.1: final, wait |
|---|---|---|
`
