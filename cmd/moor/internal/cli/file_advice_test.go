//go:build unix

package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestFileAdvice runs commands whose files cannot be used: the remedy is about the file,
// and not about the adapter.
func TestFileAdvice(t *testing.T) {
	const may = "      name a file that you may read or write, in a directory that you may use\n"
	for _, c := range []struct {
		err  error
		want string
	}{
		{syscall.EACCES, may}, {syscall.EPERM, may}, {syscall.EROFS, may},
		{syscall.ENOSPC, "      make room on the disk, or name a file elsewhere\n"},
		{syscall.EINVAL, ""}, {syscall.EBADF, ""}, {syscall.EPIPE, ""}, {syscall.EIO, ""}, {syscall.EISDIR, ""}, {syscall.EMFILE, ""},
	} {
		var stderr bytes.Buffer
		a := &app{env: &Env{Stderr: &stderr}, out: &output{}}
		err := &os.PathError{Op: "open", Path: "x", Err: c.err}
		if code := a.showError(t.Context(), nil, err); code != 1 || stderr.String() != "moor: "+err.Error()+"\n"+c.want {
			t.Errorf("exit code %d, stderr:\n%swant the advice\n%s", code, stderr.String(), c.want)
		}
	}
	dir := t.TempDir()
	moor(t.Context(), "-a", "sim:", "--state", t.TempDir(), "--snoop", dir, "scan").want(t, 1, "",
		"moor: capture: create "+dir+": not a file of this user alone: it is not a regular file\n")
}

// TestStateThatCannotBe pairs and lists bonds without a state directory; the error says
// why there is none.
func TestStateThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ state, flag, want string }{
		{"", "", "this user has no home directory"},
		{"", "none", `"none" stores nothing`},
		{file + "/moor", "", file + ": not a directory"},
	} {
		for _, args := range []string{"pair " + lamp, "bonds", "unpair " + lamp, "cache list", "devices --duration 0"} {
			var stdout, stderr bytes.Buffer
			code := runChecked(t.Context(), append([]string{"-a", "sim:", "--state", c.flag}, strings.Fields(args)...),
				&Env{Stdout: &stdout, Stderr: &stderr, State: c.state})
			first, tip, _ := strings.Cut(stderr.String(), "\n")
			if code != 1 || !strings.HasPrefix(first, "moor: there is no state directory: ") || !strings.HasSuffix(first, c.want) || tip != "      name one with --state DIR\n" {
				t.Errorf("%s, state %q %q: exit code %d, stderr:\n%s", args, c.state, c.flag, code, stderr.String())
			}
		}
	}
}
