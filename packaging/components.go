package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// components writes the list of components (SBOM) of the program in the format CycloneDX.
// The modules are the same for all targets.
func (b *build) components(targets []target) error {
	out := filepath.Join(b.out, "moor-"+b.version.tag[1:]+"-components.cdx.json")
	_, err := b.command(nil, "go", "run", componentsModule, "bin", "-json", "-noserial", "-notimestamp", "-std", "-version", b.version.tag,
		"-output", out, b.program(targets[len(targets)-1]))
	return err
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
