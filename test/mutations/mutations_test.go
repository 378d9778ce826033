package mutations

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	root  = "../.."
	table = "docs/upstream-tests.md"
	list  = "docs/upstream-mutations.txt"
)

// testTimeout is the longest time for one test. A test that a mutation hangs is red.
const testTimeout = time.Minute

// mutation is a change of one line that breaks the behavior of a row.
type mutation struct {
	number   int // of its line in the list
	row      string
	tests    []testName // each of them fails
	file     string
	from, to string
}

// testName is package.Test or package.Test/subtest.
type testName string

func (n testName) pkg() string { p, _, _ := strings.Cut(string(n), "."); return p }

// function returns the name of the function.
func (n testName) function() string {
	_, name, _ := strings.Cut(string(n), ".")
	name, _, _ = strings.Cut(name, "/")
	return name
}

// pattern returns the value of -run that selects this test alone.
func (n testName) pattern() string {
	_, name, _ := strings.Cut(string(n), ".")
	var parts []string
	for part := range strings.SplitSeq(name, "/") {
		parts = append(parts, "^"+regexp.QuoteMeta(part)+"$")
	}
	return strings.Join(parts, "/")
}

// whole returns the name without the subtest.
func (n testName) whole() string { return n.pkg() + "." + n.function() }

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// readMutations parses the list.
func readMutations(t *testing.T) (all []mutation) {
	t.Helper()
	var block []string
	begin := 0
	end := func() {
		if block == nil {
			return
		}
		m := mutation{number: begin}
		if len(block) == 5 {
			for n := range strings.FieldsSeq(block[1]) {
				m.tests = append(m.tests, testName(n))
			}
			m.row, m.file = strings.TrimPrefix(block[0], "== "), block[2]
			m.from, m.to = strings.TrimPrefix(block[3], "- "), strings.TrimPrefix(block[4], "+ ")
		}
		if len(block) != 5 || m.row == block[0] || m.from == block[3] || m.to == block[4] || m.from == m.to {
			t.Fatalf("%s:%d: want a case, its tests, a file, the text to replace and the new text, got %q", list, begin, block)
		}
		all = append(all, m)
		block = nil
	}
	for i, line := range strings.Split(read(t, list), "\n") {
		switch {
		case strings.HasPrefix(line, "#"):
		case line == "":
			end()
		default:
			if block == nil {
				begin = i + 1
			}
			block = append(block, line)
		}
	}
	end()
	return all
}

// readTable returns the tests that each row of the table names.
func readTable(t *testing.T) map[string][]string {
	t.Helper()
	rows := map[string][]string{}
	for line := range strings.Lines(read(t, table)) {
		cells := strings.Split(line, "|")
		if len(cells) < 3 || strings.HasPrefix(line, "|---") || strings.TrimSpace(cells[1]) == "case" {
			continue
		}
		row := strings.TrimSpace(cells[1])
		if _, ok := rows[row]; ok {
			t.Errorf("%s has the row %q twice", table, row)
		}
		rows[row] = nil
		for _, m := range regexp.MustCompile("`([a-z]+\\.Test\\w+)`").FindAllStringSubmatch(line, -1) {
			rows[row] = append(rows[row], m[1])
		}
	}
	return rows
}

// TestMutationsAreCurrent checks that the changes cover every test that a row names, and
// no other; that those tests exist; and that each line to change exists once.
func TestMutationsAreCurrent(t *testing.T) {
	rows, all := readTable(t), readMutations(t)
	if len(rows) < 60 {
		t.Errorf("%s has only %d rows", table, len(rows))
	}
	proved := map[string][]string{}
	tests := map[string]string{} // sources, by package
	for _, m := range all {
		if _, ok := rows[m.row]; !ok {
			t.Errorf("%s:%d: %s has no row %q", list, m.number, table, m.row)
		}
		if n := strings.Count(read(t, m.file), m.from); n != 1 || strings.Contains(m.from, "\n") {
			t.Errorf("%s:%d: %q is %d times in %s, want once", list, m.number, m.from, n, m.file)
		}
		for _, n := range m.tests {
			proved[m.row] = append(proved[m.row], n.whole())
			if tests[n.pkg()] == "" {
				tests[n.pkg()] = readTests(t, n.pkg())
			}
			if !strings.Contains(tests[n.pkg()], "func "+n.function()+"(t *testing.T)") {
				t.Errorf("%s:%d: %s does not exist", list, m.number, n)
			}
		}
	}
	for row, named := range rows {
		for _, n := range named {
			if !slices.Contains(proved[row], n) {
				t.Errorf("%s: no mutation in %s shows that %s fails when %q is broken", table, list, n, row)
			}
		}
		for _, n := range proved[row] {
			if !slices.Contains(named, n) {
				t.Errorf("%s: the row %q does not name %s, which has a mutation", table, row, n)
			}
		}
	}
}

// readTests returns the sources of a package's tests.
func readTests(t *testing.T, pkg string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, pkg, "*_test.go"))
	if err != nil || files == nil {
		t.Fatalf("%s: no tests, %v", pkg, err)
	}
	var all strings.Builder
	for _, f := range files {
		all.WriteString(read(t, strings.TrimPrefix(f, root+"/")))
	}
	return all.String()
}

// TestMutations makes each change and runs its tests, all of which must fail. Before, it
// runs them without a change. It takes minutes, and needs MOOR_MUTATIONS=1.
func TestMutations(t *testing.T) {
	if os.Getenv("MOOR_MUTATIONS") == "" {
		t.Skip("set MOOR_MUTATIONS=1, or run make mutations")
	}
	var sound mutation
	var broken []*mutation // several rows may have the same change
	for _, m := range readMutations(t) {
		sound.addTests(m.tests)
		i := slices.IndexFunc(broken, func(o *mutation) bool { return o.file == m.file && o.from == m.from && o.to == m.to })
		if i < 0 {
			broken = append(broken, &m)
		} else {
			broken[i].addTests(m.tests)
		}
	}
	if passed := runAll(t, &sound, ""); len(passed) != len(sound.tests) {
		t.Fatalf("only %d of %d tests pass without a mutation", len(passed), len(sound.tests))
	}
	t.Logf("%d mutations, %d tests", len(broken), len(sound.tests))
	for _, m := range broken {
		t.Run(fmt.Sprintf("%d %s", m.number, m.row), func(t *testing.T) {
			t.Parallel()
			for _, n := range runAll(t, m, writeOverlay(t, m)) {
				t.Errorf("%s:%d: %s passes with %q in place of %q in %s", list, m.number, n, m.to, m.from, m.file)
			}
		})
	}
}

// addTests adds tests to those of a mutation, each once.
func (m *mutation) addTests(names []testName) {
	for _, n := range names {
		if !slices.Contains(m.tests, n) {
			m.tests = append(m.tests, n)
		}
	}
}

// runAll builds the tests of a mutation with an overlay, runs each, and returns those that
// pass.
func runAll(t *testing.T, m *mutation, overlay string) (passed []testName) {
	t.Helper()
	binaries := map[string]string{}
	for _, n := range m.tests {
		if binaries[n.pkg()] == "" {
			binaries[n.pkg()] = build(t, n.pkg(), overlay)
		}
		if run(t, binaries[n.pkg()], n) {
			passed = append(passed, n)
		} else if overlay == "" {
			t.Errorf("%s fails without a mutation", n)
		}
	}
	return passed
}

// writeOverlay writes the changed file, and returns the name of the overlay with it.
func writeOverlay(t *testing.T, m *mutation) string {
	t.Helper()
	dir := t.TempDir()
	changed := filepath.Join(dir, filepath.Base(m.file))
	if err := os.WriteFile(changed, []byte(strings.Replace(read(t, m.file), m.from, m.to, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	original, err := filepath.Abs(filepath.Join(root, m.file))
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(map[string]map[string]string{"Replace": {original: changed}})
	if err != nil {
		t.Fatal(err)
	}
	overlay := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlay, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return overlay
}

// build builds the tests of a package with an overlay, if it is not empty.
func build(t *testing.T, pkg, overlay string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), pkg+".test")
	cmd := exec.CommandContext(t.Context(), "go", "test", "-c", "-vet=off", "-ldflags", "-s -w", "-o", binary, "-overlay", overlay, "./"+pkg)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("the mutation does not build: %v\n%s", err, out)
	}
	return binary
}

// run runs one test of a binary in the directory of its package, and reports whether it
// passes. It fails if there is no such test.
func run(t *testing.T, binary string, n testName) bool {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, "-test.v", "-test.count=1", "-test.timeout", testTimeout.String(), "-test.run", n.pattern())
	cmd.Dir = filepath.Join(root, n.pkg())
	out, err := cmd.CombinedOutput()
	if _, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed {
		t.Fatal(err)
	}
	if !strings.Contains(string(out), "=== RUN   "+strings.TrimPrefix(string(n), n.pkg()+".")+"\n") {
		t.Fatalf("%s did not run:\n%s", n, out)
	}
	return err == nil
}
