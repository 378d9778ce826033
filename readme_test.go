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
	if len(blocks) != 2 {
		t.Fatalf("README.md has %d programs, want a program and a test", len(blocks))
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

// TestReadmeTest checks that the test of README.md and its scenario file are those that
// run here.
func TestReadmeTest(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for file, begin := range map[string]string{"survives_test.go": "func TestSurvivesLostLinks(", "testdata/hangs-up.yaml": ""} {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		block := string(content)
		block = "\n" + block[strings.Index(block, begin):] + "```\n"
		if !strings.Contains(string(readme), block) {
			t.Errorf("README.md does not show %s as it is:\n%s", file, block)
		}
	}
}
