package main

import (
	"archive/tar"
	"bytes"
	"os"
	"path"
	"path/filepath"
)

// archives writes a .tar.gz for each target: the program, the manual, completion, units and
// documents.
func (b *build) archives(targets []target) error {
	for _, t := range targets {
		dir := "moor-" + b.version.tag[1:] + "-linux-" + t.name
		files := []file{{path: "moor", source: b.program(t), mode: 0o755}}
		for _, name := range []string{"README.md", "LICENSE", "CHANGELOG.md", "SECURITY.md", "docs/moor.schema.json"} {
			files = append(files, file{path: path.Base(name), source: name, mode: 0o644})
		}
		for _, dir := range []string{"completion/*", "man/*.1"} {
			for _, source := range b.glob(dir) {
				files = append(files, file{path: path.Dir(dir) + "/" + filepath.Base(source), source: source, mode: 0o644})
			}
		}
		for _, name := range []string{"moor-proxy.service", "moor-peripheral@.service", "moor.sysusers", "fd.conf"} {
			files = append(files, file{path: "systemd/" + name, source: "packaging/systemd/" + name, mode: 0o644})
		}
		files = append(files, file{path: "60-moor.rules", source: "packaging/60-moor.rules", mode: 0o644})
		text, err := b.tarball(dir+"/", files)
		if err != nil {
			return err
		}
		if text, err = pack(text); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(b.out, dir+".tar.gz"), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// tarball returns the files below prefix as a tar archive, all of them root's and of the
// time of the commit.
func (b *build) tarball(prefix string, files []file) ([]byte, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, f := range files {
		text, err := os.ReadFile(f.source)
		if err != nil {
			return nil, err
		}
		h := &tar.Header{Typeflag: tar.TypeReg, Name: prefix + f.path, Mode: int64(f.mode), Size: int64(len(text)), ModTime: b.time, Format: tar.FormatUSTAR}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(text); err != nil {
			return nil, err
		}
	}
	err := w.Close() // writes the end of the archive
	return out.Bytes(), err
}
