package moor_test

import (
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestReadmeProgram checks that the program of README.md compiles, and that Example
// runs the same one.
func TestReadmeProgram(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllSubmatch(readme, -1)
	if len(blocks) != 1 {
		t.Fatalf("README.md has %d programs, want one", len(blocks))
	}
	program := blocks[0][1]
	if formatted, err := format.Source(program); err != nil || string(formatted) != string(program) {
		t.Errorf("the program is not formatted: %v", err)
	}
	example, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, run, _ := strings.Cut(string(program), "\nfunc run(")
	if run == "" || !strings.HasSuffix(string(example), "\nfunc run("+run) {
		t.Errorf("example_test.go does not end in the program's run:\n%s", run)
	}
	file := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(file, program, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "vet", file).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// TestReadmeNames checks that the Go names in README.md's table for users of bleak
// exist.
func TestReadmeNames(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(readme), "\n## Coming from bleak")
	section, _, _ = strings.Cut(section, "\n## ")
	names := 0
	for row := range strings.Lines(section) {
		cells := strings.Split(row, "|")
		if len(cells) != 4 {
			continue
		}
		for _, m := range regexp.MustCompile("`([A-Za-z]+)\\.([A-Z][A-Za-z]+)`").FindAllStringSubmatch(cells[2], -1) {
			names++
			if !defined(t, m[1], m[2]) {
				t.Errorf("README.md names %s.%s, which does not exist", m[1], m[2])
			}
		}
	}
	if names == 0 {
		t.Error("README.md has no table for users of bleak")
	}
}

// defined reports whether one of the packages that users of bleak meet has a name:
// qualifier is the package or a type of it.
func defined(t *testing.T, qualifier, name string) bool {
	t.Helper()
	for _, pkg := range []string{"connmgr", "slots", "gatt"} {
		arg := qualifier + "." + name
		if qualifier == pkg {
			arg = name
		}
		if exec.Command("go", "doc", "./"+pkg, arg).Run() == nil {
			return true
		}
	}
	return false
}
