//go:build unix

// Package filetest puts links, pipes and files of other users in the place of files, to
// test that a program neither follows nor believes them.
package filetest

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// kinds are the entries that stand in for a file. make puts one at path; victim is a file
// elsewhere with the content of the file.
var kinds = []struct {
	name string
	make func(path, victim string) error
}{
	{"symbolic link", func(path, victim string) error { return os.Symlink(victim, path) }},
	{"dangling link", func(path, victim string) error { return os.Symlink(victim+"-new", path) }},
	{"hard link", func(path, victim string) error { return os.Link(victim, path) }},
	{"named pipe", func(path, _ string) error { return syscall.Mkfifo(path, 0o600) }},
	{"directory", func(path, _ string) error { return os.Mkdir(path, 0o700) }},
	{"file of another user", func(path, victim string) error {
		b, err := os.ReadFile(victim)
		if err == nil {
			err = os.WriteFile(path, b, 0o600)
		}
		if err == nil {
			err = os.Chown(path, otherUser, otherUser)
		}
		return err
	}},
}

// otherUser is a user that runs no tests.
const otherUser = 65534

// Stand runs test once for each kind of entry that can stand in the place of the file at
// path, and then checks that nothing has followed the entry: the file elsewhere has its
// content and its mode, and there is no new one. The file comes back after each.
func Stand(t *testing.T, path string, test func(t *testing.T, kind string)) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			// A directory of the same file system, for the sake of hard links.
			outside, err := os.MkdirTemp(filepath.Dir(filepath.Dir(path)), "outside") //nolint:usetesting // next to the file
			if err != nil {
				t.Fatal(err)
			}
			defer os.RemoveAll(outside)
			victim := filepath.Join(outside, "victim")
			if err := os.WriteFile(victim, content, 0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := os.RemoveAll(path); err != nil {
					t.Error(err)
				}
				if err := os.WriteFile(path, content, 0o600); err != nil {
					t.Error(err)
				}
			}()
			if err := k.make(path, victim); err != nil {
				if os.Geteuid() != 0 {
					t.Skipf("only root can make it: %v", err)
				}
				t.Fatal(err)
			}
			test(t, k.name)
			wantUntouched(t, outside, victim, content)
		})
	}
}

func wantUntouched(t *testing.T, outside, victim string, content []byte) {
	t.Helper()
	info, err := os.Stat(victim)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(victim); err != nil || !bytes.Equal(b, content) || info.Mode().Perm() != 0o644 {
		t.Errorf("the file elsewhere has the mode %v and %q, %v; want 0644 and its old content", info.Mode(), b, err)
	}
	if files, err := os.ReadDir(outside); err != nil || len(files) != 1 {
		t.Errorf("there are now %v, %v; want the one file", files, err)
	}
}

// LinkDir moves the directory at path elsewhere and puts a symbolic link to it in its
// place.
func LinkDir(t *testing.T, path string) {
	t.Helper()
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	if err := os.Rename(path, elsewhere); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, path); err != nil {
		t.Fatal(err)
	}
}

// GiveAway makes another user the owner of the entry at path. Only root can.
func GiveAway(t *testing.T, path string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	if err := os.Chown(path, otherUser, otherUser); err != nil {
		t.Fatal(err)
	}
}

// SmallDisk returns a directory on a file system of 64 KiB of its own. Only root can make
// one.
func SmallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := mountSmall(dir); err != nil {
		t.Skipf("no file system can be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := unmount(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// Fill fills the file system of a directory, and returns a function that makes room
// again.
func Fill(t *testing.T, dir string) (free func()) {
	t.Helper()
	path := filepath.Join(dir, "filler")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

// WantMode fails the test unless the file at path has a mode.
func WantMode(t *testing.T, path string, want fs.FileMode) {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != want {
		t.Errorf("%s has the mode %v, want %v", path, info.Mode(), want)
	}
}
