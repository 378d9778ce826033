package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// components writes the list of components (SBOM) of the program in the format CycloneDX.
// The modules are the same for all targets.
func (b *build) components(targets []target) error {
	raw := filepath.Join(b.work, "components.json")
	_, err := b.command(nil, "go", "run", componentsModule, "bin", "-json", "-noserial", "-notimestamp", "-std", "-version", b.version.tag,
		"-output", raw, b.program(targets[len(targets)-1]))
	if err != nil {
		return err
	}
	text, err := os.ReadFile(raw)
	if err != nil {
		return err
	}
	var list map[string]any
	if err := json.Unmarshal(text, &list); err != nil {
		return fmt.Errorf("list of components: %w", err)
	}
	// The digests of the tool's own binary are those of this machine.
	about, _ := list["metadata"].(map[string]any)
	tools, _ := about["tools"].([]any)
	for _, tool := range tools {
		if fields, ok := tool.(map[string]any); ok {
			delete(fields, "hashes")
		}
	}
	if text, err = json.MarshalIndent(list, "", "  "); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(b.out, "moor-"+b.version.tag[1:]+"-components.cdx.json"), append(text, '\n'), 0o644)
}

// checksums writes the file SHA256SUMS, for sha256sum -c.
func (b *build) checksums([]target) error {
	found, err := filepath.Glob(filepath.Join(b.out, "moor*"))
	if err != nil {
		return err
	}
	slices.Sort(found)
	var sums strings.Builder
	for _, path := range found {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%s  %s\n", digestOf(text)[len("sha256:"):], filepath.Base(path))
	}
	return os.WriteFile(filepath.Join(b.out, "SHA256SUMS"), []byte(sums.String()), 0o644)
}
