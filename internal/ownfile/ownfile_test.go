//go:build unix

package ownfile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/moor-ble/moor/internal/filetest"
	"github.com/moor-ble/moor/internal/ownfile"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newDir returns a directory with a file "x", below a directory of the test.
func newDir(t *testing.T) *ownfile.Dir {
	t.Helper()
	d, err := ownfile.Make(filepath.Join(t.TempDir(), "state", "sub"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	if err := d.WriteFile("x", []byte("content")); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestWriteAndRead(t *testing.T) {
	d := newDir(t)
	path := filepath.Join(d.Path(), "x")
	filetest.WantMode(t, d.Path(), fs.ModeDir|0o700)
	filetest.WantMode(t, path, 0o600)
	if err := os.Chmod(path, 0o664); err != nil {
		t.Fatal(err)
	}
	if b, err := d.ReadFile("x", 7); err != nil || string(b) != "content" {
		t.Errorf("got %q, %v", b, err)
	}
	filetest.WantMode(t, path, 0o600)
	if _, err := d.ReadFile("x", 6); err == nil || !strings.Contains(err.Error(), "more than 6 octets") {
		t.Errorf("a long file: %v", err)
	}
	if _, err := d.ReadFile("y", 7); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), d.Path()) {
		t.Errorf("no file: %v", err)
	}
	if err := os.Chmod(path, 0o664); err != nil {
		t.Fatal(err)
	}
	if err := d.WriteFile("x", []byte("new")); err != nil {
		t.Fatal(err)
	}
	filetest.WantMode(t, path, 0o600)
	if err := d.Remove("x"); err != nil {
		t.Error(err)
	}
	if err := d.Remove("x"); err != nil {
		t.Errorf("removing what is not there: %v", err)
	}
}

func TestReadFileFollowsNothing(t *testing.T) {
	d := newDir(t)
	filetest.Stand(t, filepath.Join(d.Path(), "x"), func(t *testing.T, kind string) {
		if b, err := d.ReadFile("x", 100); !errors.Is(err, ownfile.ErrUntrusted) {
			t.Errorf("%s: got %q, %v; want ErrUntrusted", kind, b, err)
		}
	})
}

func TestWriteFileFollowsNothing(t *testing.T) {
	d := newDir(t)
	filetest.Stand(t, filepath.Join(d.Path(), "x"), func(t *testing.T, kind string) {
		err := d.WriteFile("x", []byte("new"))
		if kind == "directory" {
			if err == nil {
				t.Error("a directory was replaced")
			}
			return
		}
		if b, _ := d.ReadFile("x", 100); err != nil || string(b) != "new" {
			t.Errorf("%s: %v, and the file has %q", kind, err, b)
		}
	})
}

func TestLockFollowsNothing(t *testing.T) {
	d := newDir(t)
	unlock, err := d.TryLock()
	if err != nil {
		t.Fatal(err)
	}
	unlock()
	filetest.Stand(t, filepath.Join(d.Path(), "lock"), func(t *testing.T, kind string) {
		if _, err := d.TryLock(); !errors.Is(err, ownfile.ErrUntrusted) {
			t.Errorf("%s: got %v, want ErrUntrusted", kind, err)
		}
	})
}

func TestCreateFollowsNothing(t *testing.T) {
	dir := newDir(t).Path()
	path := filepath.Join(dir, "x")
	filetest.Stand(t, path, func(t *testing.T, kind string) {
		if kind == "named pipe" {
			return // TestCreatePipe
		}
		if f, err := ownfile.Create(path); !errors.Is(err, ownfile.ErrUntrusted) {
			f.Close()
			t.Errorf("%s: got %v, want ErrUntrusted", kind, err)
		}
	})
}

func TestCreate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "capture")
	for _, mode := range []fs.FileMode{0, 0o644, 0o600} {
		if mode != 0 {
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
		}
		f, err := ownfile.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString("x"); err != nil {
			t.Error(err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		filetest.WantMode(t, path, 0o600)
		if b, _ := os.ReadFile(path); string(b) != "x" {
			t.Errorf("the file has %q: it was not emptied", b)
		}
	}
	f, err := ownfile.Create("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	filetest.WantMode(t, "/dev/null", fs.ModeDevice|fs.ModeCharDevice|0o666)
}

// A capture may go through a named pipe to another program.
func TestCreatePipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	got := make(chan []byte)
	go func() { b, _ := os.ReadFile(path); got <- b }()
	f, err := ownfile.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("x"); err != nil {
		t.Error(err)
	}
	f.Close()
	if b := <-got; string(b) != "x" {
		t.Errorf("the reader got %q", b)
	}
	filetest.GiveAway(t, path)
	if f, err := ownfile.Create(path); !errors.Is(err, ownfile.ErrUntrusted) {
		f.Close()
		t.Errorf("a pipe of another user: %v", err)
	}
}

func TestReplace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "export")
	if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := ownfile.Replace(path, []byte("keys")); err != nil {
			t.Fatal(err)
		}
		filetest.WantMode(t, path, 0o600)
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	filetest.Stand(t, path, func(t *testing.T, kind string) {
		err := ownfile.Replace(path, []byte("keys"))
		replaced := kind == "hard link" || kind == "file of another user"
		if replaced == errors.Is(err, ownfile.ErrUntrusted) {
			t.Errorf("%s: %v", kind, err)
		}
		if info, _ := os.Lstat(path); replaced && (info.Mode() != 0o600) {
			t.Errorf("%s: the new file has the mode %v", kind, info.Mode())
		}
	})
	if err := ownfile.Replace(filepath.Join(path, "x"), nil); err == nil || strings.Contains(err.Error(), ".new-") {
		t.Errorf("in no directory: %v", err)
	}
}

func TestDirectories(t *testing.T) {
	top := t.TempDir()
	d, err := ownfile.Open(top)
	if err != nil {
		t.Fatal(err)
	}
	sub, err := d.MakeSub("sub")
	if err != nil {
		t.Fatal(err)
	}
	sub.Close()
	path := filepath.Join(top, "sub")
	if err := os.Chmod(path, 0o777); err != nil {
		t.Fatal(err)
	}
	if sub, err = d.Sub("sub"); err != nil {
		t.Fatal(err)
	}
	sub.Close()
	filetest.WantMode(t, path, fs.ModeDir|0o700)
	if err := os.WriteFile(filepath.Join(top, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.MakeSub("file"); !errors.Is(err, ownfile.ErrUntrusted) {
		t.Errorf("a file in the place of a directory: %v", err)
	}
	if err := os.Chmod(path, 0o755); err != nil {
		t.Fatal(err)
	}
	filetest.LinkDir(t, path)
	if _, err := d.MakeSub("sub"); !errors.Is(err, ownfile.ErrUntrusted) {
		t.Errorf("a link in the place of a directory: %v", err)
	}
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		t.Fatal(err)
	}
	filetest.WantMode(t, target, fs.ModeDir|0o755)
	for _, open := range []func(string) (*ownfile.Dir, error){ownfile.Open, ownfile.Make} {
		if _, err := open(path); !errors.Is(err, ownfile.ErrUntrusted) {
			t.Errorf("a link in the place of a directory: %v", err)
		}
	}
	for _, open := range []func(string) (*ownfile.Dir, error){ownfile.OpenNamed, ownfile.MakeNamed} {
		d, err := open(path)
		if err != nil {
			t.Fatalf("a link that the user has named: %v", err)
		}
		d.Close()
	}
	filetest.GiveAway(t, target)
	if _, err := ownfile.Open(target); !errors.Is(err, ownfile.ErrUntrusted) || !strings.Contains(err.Error(), "chown") {
		t.Errorf("a directory of another user: %v", err)
	}
}

// TestDirectoryOfEverybody refuses a directory in which every user can replace files.
func TestDirectoryOfEverybody(t *testing.T) {
	top := t.TempDir()
	for mode, trusted := range map[fs.FileMode]bool{
		0o700: true, 0o755: true, 0o775: true, 0o777: false, 0o703: false,
		fs.ModeSticky | 0o777: true, // only owners remove their files, as in /tmp
	} {
		if err := os.Chmod(top, mode); err != nil {
			t.Fatal(err)
		}
		for _, open := range []func(string) (*ownfile.Dir, error){ownfile.Open, ownfile.OpenNamed, ownfile.Make, ownfile.MakeNamed} {
			d, err := open(top)
			if trusted && err != nil || !trusted && (!errors.Is(err, ownfile.ErrUntrusted) || !strings.HasSuffix(err.Error(), "every user can change it: run chmod o-w "+top)) {
				t.Errorf("%v: %v", mode, err)
			}
			if err == nil {
				d.Close()
			}
		}
		filetest.WantMode(t, top, fs.ModeDir|mode)
	}
}

func TestFullDisk(t *testing.T) {
	d, err := ownfile.Make(filepath.Join(filetest.SmallDisk(t), "state"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.WriteFile("x", []byte("old")); err != nil {
		t.Fatal(err)
	}
	free := filetest.Fill(t, d.Path())
	err = d.WriteFile("x", []byte("new"))
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), filepath.Join(d.Path(), "x")) {
		t.Errorf("got %v, want a full disk and the file", err)
	}
	if b, err := d.ReadFile("x", 100); err != nil || string(b) != "old" {
		t.Errorf("the file has %q, %v; want the old content", b, err)
	}
	free()
	if files, _ := os.ReadDir(d.Path()); len(files) != 1 {
		t.Errorf("files stay: %v", files)
	}
}

func TestSweep(t *testing.T) {
	d := newDir(t)
	if err := os.WriteFile(filepath.Join(d.Path(), ".new-KILLED"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	names := func() (names []string) {
		entries, err := d.Entries()
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return names
	}
	if got := names(); !slices.Equal(got, []string{"x"}) {
		t.Errorf("entries %v, want x", got)
	}
	if err := d.Sweep(); err != nil {
		t.Error(err)
	}
	if files, _ := os.ReadDir(d.Path()); len(files) != 1 || files[0].Name() != "x" {
		t.Errorf("files %v, want x alone", files)
	}
}

func TestLock(t *testing.T) {
	a := newDir(t)
	b, err := ownfile.Open(a.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	unlock, err := a.TryLock()
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.TryLock()
	held, ok := errors.AsType[*ownfile.LockedError](err)
	if !ok || !errors.Is(err, ownfile.ErrLocked) || runtime.GOOS == "linux" && (held.PID != os.Getpid() || held.Program == "") {
		t.Errorf("the second lock: %#v, want this process", err)
	}
	if _, err := b.Lock(time.Millisecond); !errors.Is(err, ownfile.ErrLocked) || !strings.Contains(err.Error(), "end that process") {
		t.Errorf("the second lock: %v", err)
	}
	filetest.WantMode(t, filepath.Join(a.Path(), "lock"), 0o600)
	unlock()
	if unlock, err = b.Lock(time.Minute); err != nil {
		t.Fatal(err)
	}
	unlock()
}

// TestReadFileWhileItIsReplaced reads a file that another goroutine replaces all the time:
// each read has a whole content, and none takes the new file for an attack.
func TestReadFileWhileItIsReplaced(t *testing.T) {
	d := newDir(t)
	stop, stopped := make(chan struct{}), make(chan error)
	go func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				stopped <- nil
				return
			default:
			}
			// As WriteFile, without waiting for the disk.
			temp := filepath.Join(d.Path(), "temp")
			if err := errors.Join(os.WriteFile(temp, []byte("content"), 0o600), os.Rename(temp, filepath.Join(d.Path(), "x"))); err != nil {
				stopped <- err
				return
			}
		}
	}()
	for n := range 5000 {
		if b, err := d.ReadFile("x", 100); err != nil || string(b) != "content" {
			t.Errorf("read %d: %q, %v", n, b, err)
			break
		}
		if err := d.SetUsed("x", time.Now()); err != nil {
			t.Errorf("use %d: %v", n, err)
			break
		}
	}
	close(stop)
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
}
