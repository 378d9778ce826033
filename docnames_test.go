package moor_test

import (
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// foreignPackages lists packages outside of the module that documents name, and the
// first part of the names of D-Bus.
var foreignPackages = []string{"ble", "context", "errors", "net", "org", "slog", "synctest", "syscall", "testing", "time"}

// foreignNames lists other names in documents that are not Go names of the module.
var foreignNames = []struct{ name, reason string }{
	{"NewDeviceWithName", "a function of go-ble"},
	{"linux.Device", "a type of go-ble"},
	{"linux.NewDevice", "a function of go-ble"},
	{"HCI.Send", "a method of go-ble"},
	{"OptAdvParams", "an option of go-ble"},
	{"io.ErrClosedPipe", "an error of the standard library"},
	{"VmHWM", "a field of /proc/self/status"},
	{"BleakClient.connect", "Python"},
}

// TestDocumentNames resolves each Go name and each path in the pages and in the comments
// against the source.
func TestDocumentNames(t *testing.T) {
	index := indexSource(t)
	lines := append(pageLines(t), commentLines(t)...)
	if len(lines) < 1000 {
		t.Fatalf("found only %d lines of documents", len(lines))
	}
	used := map[string]bool{}
	for _, l := range lines {
		for _, name := range l.names() {
			foreign := slices.ContainsFunc(foreignNames, func(f struct{ name, reason string }) bool { return f.name == name })
			if used[name] = true; !foreign && !index.resolves(l.dir, name) {
				t.Errorf("%s:%d: %s names nothing in the source", l.file, l.number, name)
			}
		}
		for _, p := range l.paths() {
			if !index.hasPath(l.dir, p) {
				t.Errorf("%s:%d: %s is not in the tree", l.file, l.number, p)
			}
		}
	}
	for _, f := range foreignNames {
		if !used[f.name] {
			t.Errorf("foreignNames has a row for %s, which no document names: remove the row", f.name)
		}
	}
}

// docLine is a line of a page or of a comment.
type docLine struct {
	file   string
	number int
	dir    string // of the package whose comment it is; "" for a page
	code   bool   // a line of a block of code in a page
	text   string
}

// pageLines returns the lines of the pages, without names that are not the module's:
// those of Python, and those that the module had earlier.
func pageLines(t *testing.T) (lines []docLine) {
	t.Helper()
	pages, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(pages, "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md") {
		text, err := os.ReadFile(file)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		section, heading, code := "", "", false
		for n, line := range strings.Split(string(text), "\n") {
			if h, ok := strings.CutPrefix(line, "## "); ok {
				section, heading = h, h
			} else if h, ok := strings.CutPrefix(line, "### "); ok {
				heading = h
			}
			if strings.HasPrefix(line, "```") {
				code = !code
			}
			switch {
			case file == "CHANGELOG.md" && (heading == "Changed on main" || section == ""):
				continue
			case strings.HasPrefix(section, "Coming from") && strings.HasPrefix(line, "|"):
				_, line, _ = strings.Cut(line[1:], "|")
			}
			lines = append(lines, docLine{file: file, number: n + 1, text: line, code: code})
		}
	}
	return lines
}

// commentLines returns the lines of all comments outside of tests.
func commentLines(t *testing.T) (lines []docLine) {
	t.Helper()
	walkSource(t, func(file string, parsed *ast.File, set *token.FileSet) {
		if strings.HasSuffix(file, "_test.go") {
			return
		}
		for _, group := range parsed.Comments {
			for _, c := range group.List {
				first := set.Position(c.Pos()).Line
				for n, text := range strings.Split(c.Text, "\n") {
					lines = append(lines, docLine{file: file, number: first + n, dir: filepath.ToSlash(filepath.Dir(file)), text: text})
				}
			}
		}
	})
	return lines
}

var (
	quoted  = regexp.MustCompile("`[^`]+`")
	link    = regexp.MustCompile(`\[\*?([A-Z]\w+|[A-Za-z]\w*(?:\.\w+)+)\]`)
	dotted  = regexp.MustCompile(`\b(?:[a-z]\w*/)*[A-Za-z]\w*(?:\.[A-Za-z]\w*)+\b`)
	bare    = regexp.MustCompile("^`[A-Z][A-Za-z0-9]*[a-z][A-Za-z0-9]*`$")
	testOf  = regexp.MustCompile("`([a-z0-9/]+)` ((?:Test|Benchmark)[A-Z]\\w+)")
	address = regexp.MustCompile(`(https?://|github\.com/|golang\.org/)\S+`)
	fileExt = regexp.MustCompile(`\.(go|md|py|js|css|svg|png|diff|yaml|btsnoop|mod|sum|txt|json|service|html|org|com|io|mqtt)$`)
)

// names returns the Go names of the line: dotted ones, doc links, and in a page also
// tests behind their package, and single names in backquotes.
func (l *docLine) names() (names []string) {
	if l.code {
		return nil // Example holds the program; others are diagrams
	}
	text := address.ReplaceAllString(l.text, "")
	for _, m := range link.FindAllStringSubmatch(text, -1) {
		if l.dir != "" {
			names = append(names, m[1])
		}
	}
	for _, name := range dotted.FindAllString(text, -1) {
		if !fileExt.MatchString(name) {
			names = append(names, name)
		}
	}
	for _, m := range testOf.FindAllStringSubmatch(text, -1) {
		names = append(names, m[1]+"."+m[2])
	}
	for _, name := range quoted.FindAllString(text, -1) {
		if l.dir == "" && bare.MatchString(name) {
			names = append(names, strings.Trim(name, "`"))
		}
	}
	return names
}

var (
	sourceFile = regexp.MustCompile(`[\w./-]*\w\.(go|md|py|svg)\b`)
	target     = regexp.MustCompile(`\]\(([^):]+)\)`)
	folder     = regexp.MustCompile("`(?:\\./)?([a-z.][\\w.-]*(?:/[\\w.-]+)*/?)`")
)

// paths returns the paths of the line that look like files of the repository.
func (l *docLine) paths() (paths []string) {
	text := address.ReplaceAllString(l.text, "")
	text = target.ReplaceAllString(text, "]") // TestLinks resolves these
	paths = sourceFile.FindAllString(text, -1)
	for _, m := range folder.FindAllStringSubmatch(text, -1) {
		if strings.Contains(m[1], "/") && !fileExt.MatchString(m[1]) {
			paths = append(paths, m[1])
		}
	}
	return paths
}
