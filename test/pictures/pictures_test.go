// Package pictures draws the pictures of the documents from runs on simulated air, and
// fails if a document shows another one. make pictures draws them anew.
package pictures

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the pictures to docs")

// TestPolicy draws an Establish from the events of a Manager.
func TestPolicy(t *testing.T) {
	checkPicture(t, "../../docs/policy.svg", drawTimeline(record(t, "testdata/policy.yaml")))
}

// TestDemo draws a part of the output of make demo, which its own test holds.
func TestDemo(t *testing.T) {
	story, err := os.ReadFile("../../cmd/moor/internal/demo/testdata/story.txt")
	if err != nil {
		t.Fatal(err)
	}
	_, part, _ := strings.Cut(string(story), "\n2. ")
	part, _, found := strings.Cut(part, "\n4. ")
	if !found {
		t.Fatal("the demo has no steps 2 to 4")
	}
	lines := []string{"$ make demo", "   ..."}
	lines = append(lines, strings.Split("2. "+strings.TrimSpace(part), "\n")...)
	checkPicture(t, "../../docs/demo.svg", drawTerminal(append(lines, "   ...")))
}

// checkPicture compares a file with the picture that it should hold, or writes it.
func checkPicture(t *testing.T, file string, picture []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, picture, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	old, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(old, picture) {
		t.Errorf("%s shows something else than the run: make pictures draws it anew", file)
	}
}
