//go:build !minimal

package cli

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// captureFiles returns the file of --snoop for each of the attached controllers: in a
// directory that exists, in one file for one controller, or for the one that it names.
func captureFiles(snoop string, controllers []string) (map[string]string, error) {
	there := strings.Join(controllers, ", ")
	info, err := os.Lstat(snoop)
	if err == nil && info.IsDir() {
		files := map[string]string{}
		for _, name := range controllers {
			if name != filepath.Base(name) || name == "." || name == ".." {
				return nil, usagef("--snoop: the controller %q has a name that no file can have: write --snoop %s=FILE", name, name)
			}
			files[name] = filepath.Join(snoop, name+".btsnoop")
		}
		return files, nil
	}
	name, file, named := strings.Cut(snoop, "=")
	switch {
	case named && file != "" && slices.Contains(controllers, name):
		return map[string]string{name: file}, nil
	case named:
		return nil, usagef("--snoop: %q: write NAME=FILE with the name of an attached controller (%s)", snoop, there)
	case len(controllers) == 1:
		return map[string]string{controllers[0]: snoop}, nil
	}
	return nil, usagef("--snoop: %d controllers are attached (%s): name a directory that exists, or write NAME=FILE for one of them", len(controllers), there)
}

// openCaptures opens the captures of --snoop, by the name of the controller; none without it.
func (a *app) openCaptures(ctx context.Context, ports []attachedPort) (captures map[string]*capture, err error) {
	if a.Snoop == "" {
		_, err := a.openCapture(ctx)
		return nil, err
	}
	var names []string
	for _, p := range ports {
		names = append(names, p.name)
	}
	files, err := captureFiles(a.Snoop, names)
	if err != nil {
		return nil, err
	}
	captures = map[string]*capture{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		c, err := a.openCaptureFile(ctx, files[name])
		if err != nil {
			return nil, a.closeCaptures(captures, err)
		}
		captures[name] = c
	}
	return captures, nil
}

// closeCaptures closes all captures and returns the error of the command.
func (a *app) closeCaptures(captures map[string]*capture, err error) error {
	for _, name := range slices.Sorted(maps.Keys(captures)) {
		err = a.closeCapture(captures[name], err)
	}
	return err
}
