package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	maintainer = "The moor authors <moor@moor-ble.invalid>"
	nfpmModule = "github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.44.0"
	// componentsModule is the module of the program that lists components.
	componentsModule = "github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0"
)

const longDescription = `  moor scans for Bluetooth LE devices, connects to them with retries, reads
  and writes their attributes, serves peripherals, and shares the adapters
  of the machine as a Bluetooth proxy.
`

// debFiles returns the files of a .deb.
func (b *build) debFiles(t target) []file {
	files := []file{
		{path: "/usr/bin/moor", source: b.program(t), mode: 0o755},
		{path: "/usr/lib/systemd/system/moor-proxy.service", source: "packaging/systemd/moor-proxy.service"},
		{path: "/usr/lib/systemd/system/moor-peripheral@.service", source: "packaging/systemd/moor-peripheral@.service"},
		{path: "/usr/lib/sysusers.d/moor.conf", source: "packaging/systemd/moor.sysusers"},
		{path: "/usr/lib/udev/rules.d/60-moor.rules", source: "packaging/60-moor.rules"},
		{path: "/etc/default/moor", source: "packaging/moor.default", config: true},
		{path: "/usr/share/bash-completion/completions/moor", source: filepath.Join(b.work, "completion/bash")},
		{path: "/usr/share/zsh/vendor-completions/_moor", source: filepath.Join(b.work, "completion/zsh")},
		{path: "/usr/share/fish/vendor_completions.d/moor.fish", source: filepath.Join(b.work, "completion/fish")},
		{path: "/usr/share/doc/moor/examples/fd.conf", source: "packaging/systemd/fd.conf"},
		{path: "/usr/share/doc/moor/moor.schema.json", source: "docs/moor.schema.json"},
		{path: "/usr/share/doc/moor/copyright", source: filepath.Join(b.work, "copyright")},
		{path: "/usr/share/doc/moor/changelog.gz", source: filepath.Join(b.work, "changelog.gz")},
		{path: "/usr/share/doc/moor/changelog.Debian.gz", source: filepath.Join(b.work, "changelog.Debian.gz")},
		{path: "/usr/share/lintian/overrides/moor", source: "packaging/debian/lintian-overrides"},
	}
	for _, page := range b.glob("man/*.gz") {
		files = append(files, file{path: "/usr/share/man/man1/" + filepath.Base(page), source: page})
	}
	return files
}

// openWrtFiles returns the files of a package for OpenWrt, whose flash is small: no manual.
func (b *build) openWrtFiles(t target) []file {
	return []file{
		{path: "/usr/bin/moor", source: b.program(t), mode: 0o755},
		{path: "/etc/init.d/moor", source: "packaging/openwrt/moor.init", mode: 0o755},
	}
}

// systemPackages builds the packages of Debian and OpenWrt.
func (b *build) systemPackages(targets []target) error {
	tool := filepath.Join(b.work, "tools")
	if _, err := b.command([]string{"GOBIN=" + tool}, "go", "install", nfpmModule); err != nil {
		return err
	}
	for _, t := range targets {
		if t.deb != "" {
			scripts, err := b.copyScripts("packaging/debian/", "postinst", "prerm", "postrm")
			if err != nil {
				return err
			}
			c := b.config("deb", b.version.deb, t.deb, b.debFiles(t), scripts)
			if err := b.nfpm(tool, c, "deb", "moor_"+b.version.deb+"_"+t.deb+".deb"); err != nil {
				return err
			}
		}
		scripts, err := b.copyScripts("packaging/openwrt/", "postinst")
		if err != nil {
			return err
		}
		if scripts["preinstall"], err = b.openWrtCheck(t); err != nil {
			return err
		}
		// "all" and "noarch" are accepted on each machine; the script checks the processor.
		for _, kind := range []struct{ name, arch, version string }{{"ipk", "all", b.version.deb}, {"apk", "noarch", b.version.apk}} {
			c := b.config(kind.name, kind.version, kind.arch, b.openWrtFiles(t), scripts)
			if err := b.nfpm(tool, c, kind.name, "moor-"+kind.version+"-openwrt-"+t.name+"."+kind.name); err != nil {
				return err
			}
		}
	}
	return nil
}

// scriptNames are nfpm's names of Debian's scripts.
var scriptNames = map[string]string{"postinst": "postinstall", "prerm": "preremove", "postrm": "postremove"}

// copyScripts copies the scripts of a directory and returns them by nfpm's names.
func (b *build) copyScripts(dir string, names ...string) (map[string]string, error) {
	all := map[string]string{}
	for _, name := range names {
		text, err := os.ReadFile(dir + name)
		if err != nil {
			return nil, err
		}
		if err := b.writeFile(dir+name, text); err != nil {
			return nil, err
		}
		all[scriptNames[name]] = filepath.Join(b.work, dir+name)
	}
	return all, nil
}

// openWrtCheck writes the script that refuses the machines of other processors.
func (b *build) openWrtCheck(t target) (path string, err error) {
	text, err := os.ReadFile("packaging/openwrt/preinst")
	if err != nil {
		return "", err
	}
	name := "preinst-" + t.name
	return filepath.Join(b.work, name), b.writeFile(name, []byte(strings.ReplaceAll(string(text), "@PATTERN@", t.openWrt)))
}

// config returns the description of a package for nfpm.
func (b *build) config(kind, version, arch string, files []file, scripts map[string]string) string {
	var c strings.Builder
	date := b.time.Format("2006-01-02T15:04:05Z07:00")
	fmt.Fprintf(&c, "name: moor\narch: %s\nplatform: linux\nversion: %q\nversion_schema: none\nsection: net\npriority: optional\n", arch, version)
	fmt.Fprintf(&c, "maintainer: %q\nhomepage: https://github.com/moor-ble/moor\nmtime: %s\n", maintainer, date)
	c.WriteString("description: |\n  Bluetooth LE over raw HCI, without BlueZ\n")
	switch kind {
	case "apk": // a description has one line
		c.WriteString("license: MIT\n")
	case "ipk":
		c.WriteString(longDescription + "license: MIT\n")
	case "deb": // the license is in the file copyright
		c.WriteString(longDescription + "recommends: [udev]\n")
	}
	c.WriteString("contents:\n")
	for _, f := range files {
		mode := f.mode
		if mode == 0 {
			mode = 0o644
		}
		fmt.Fprintf(&c, "- src: %q\n  dst: %q\n", f.source, f.path)
		if f.config {
			c.WriteString("  type: config\n")
		}
		fmt.Fprintf(&c, "  file_info: {mode: 0%s, owner: root, group: root, mtime: %s}\n", strconv.FormatUint(uint64(mode), 8), date)
	}
	c.WriteString("scripts:\n")
	for _, name := range []string{"preinstall", "postinstall", "preremove", "postremove"} {
		if scripts[name] != "" {
			fmt.Fprintf(&c, "  %s: %q\n", name, scripts[name])
		}
	}
	return c.String()
}

func (b *build) nfpm(tool, config, kind, name string) error {
	if err := b.writeFile("nfpm.yaml", []byte(config)); err != nil {
		return err
	}
	_, err := b.command([]string{b.epoch()}, filepath.Join(tool, "nfpm"), "package", "--packager", kind,
		"--config", filepath.Join(b.work, "nfpm.yaml"), "--target", filepath.Join(b.out, name))
	return err
}
