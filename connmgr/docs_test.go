package connmgr_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestUpstreamTestsAreHeld checks that each test that docs/upstream-tests.md
// names exists.
func TestUpstreamTestsAreHeld(t *testing.T) {
	doc, err := os.ReadFile("../docs/upstream-tests.md")
	if err != nil {
		t.Fatal(err)
	}
	sources := map[string]string{} // of the tests, by package
	named := regexp.MustCompile("`([a-z]+)\\.(Test\\w+)`").FindAllStringSubmatch(string(doc), -1)
	if len(named) < 50 {
		t.Errorf("only %d tests are named", len(named))
	}
	for _, m := range named {
		pkg, name := m[1], m[2]
		if sources[pkg] == "" {
			files, err := filepath.Glob(filepath.Join("..", pkg, "*_test.go"))
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range files {
				b, err := os.ReadFile(f)
				if err != nil {
					t.Fatal(err)
				}
				sources[pkg] += string(b)
			}
		}
		if !strings.Contains(sources[pkg], "func "+name+"(t *testing.T)") {
			t.Errorf("%s.%s does not exist", pkg, name)
		}
	}
}
