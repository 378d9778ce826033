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
