package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// file is a file of a package: its path there, and its source.
type file struct {
	path, source string
	mode         os.FileMode
	config       bool // the package manager keeps changes to it
}

// collect writes the files that the program itself writes: the manual and the scripts of
// completion. It runs the binary of this machine, which it builds if it is no target.
func (b *build) collect([]target) error {
	self := target{name: "self", arch: runtime.GOARCH}
	if err := b.compile([]target{self}); err != nil {
		return err
	}
	program := b.program(self)
	pages, err := b.command(nil, program, "__man")
	if err != nil {
		return err
	}
	for page := range strings.FieldsSeq(pages) {
		text, err := b.command(nil, program, "__man", page, b.time.Format("2006-01-02"))
		if err != nil {
			return err
		}
		if err := b.writeFile("man/"+page+".1", []byte(text)); err != nil {
			return err
		}
		packed, err := pack([]byte(text))
		if err != nil {
			return err
		}
		if err := b.writeFile("man/"+page+".1.gz", packed); err != nil {
			return err
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		text, err := b.command(nil, program, "completion", shell)
		if err != nil {
			return err
		}
		if err := b.writeFile("completion/"+shell, []byte(text)); err != nil {
			return err
		}
	}
	return b.writeDebianDocuments()
}

// writeDebianDocuments writes the files that Debian's policy asks for.
func (b *build) writeDebianDocuments() error {
	log := fmt.Sprintf("moor (%s) unstable; urgency=medium\n\n  * See changelog.gz.\n\n -- %s  %s\n", b.version.deb, maintainer, b.time.Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	changes, err := os.ReadFile("CHANGELOG.md")
	if err != nil {
		return err
	}
	license, err := os.ReadFile("LICENSE")
	if err != nil {
		return err
	}
	head, err := os.ReadFile("packaging/debian/copyright")
	if err != nil {
		return err
	}
	for name, text := range map[string][]byte{"changelog.Debian.gz": []byte(log), "changelog.gz": changes} {
		packed, err := pack(text)
		if err != nil {
			return err
		}
		if err := b.writeFile(name, packed); err != nil {
			return err
		}
	}
	return b.writeFile("copyright", append(head, debianLicense(string(license))...))
}

// debianLicense returns the license as the fields of a copyright file.
func debianLicense(license string) []byte {
	_, text, _ := strings.Cut(strings.TrimSpace(license), "\n\n") // without its name
	owner, text, _ := strings.Cut(text, "\n\n")
	var out strings.Builder
	fmt.Fprintf(&out, "Copyright: %s\nLicense: Expat\n", strings.TrimPrefix(owner, "Copyright (c) "))
	for line := range strings.SplitSeq(text, "\n") {
		if line == "" {
			line = "."
		}
		out.WriteString(" " + line + "\n")
	}
	return []byte(out.String())
}

// writeFile writes a file in the working directory. Its time is that of the commit: nfpm takes
// the times of scripts from their files.
func (b *build) writeFile(name string, text []byte) error {
	path := filepath.Join(b.work, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path, text, 0o644); err != nil {
		return err
	}
	return os.Chtimes(path, b.time, b.time)
}

// pack compresses without a name or a time.
func pack(text []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// glob returns the files in the working directory that a pattern matches, sorted.
func (b *build) glob(pattern string) []string {
	found, err := filepath.Glob(filepath.Join(b.work, pattern))
	if err != nil {
		panic(err) // the patterns are constant
	}
	return found
}
