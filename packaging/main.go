package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	out := flag.String("out", "dist", "build in this `DIR`, which is emptied first")
	only := flag.String("only", "", "build for these `TARGETS` alone, separated by commas")
	show := flag.Bool("show-version", false, "show the version, and end")
	release := flag.String("release", "", "build the release `VERSION`, which is not tagged yet")
	flag.Parse()
	if err := run(ctx, *out, *only, *release, *show); err != nil {
		fmt.Fprintln(os.Stderr, "packaging:", err)
		os.Exit(1)
	}
}

// build is one build of all packages.
type build struct {
	ctx     context.Context
	version version
	time    time.Time // of the commit
	out     string    // the directory of the results
	work    string    // a directory of files that are on the way
}

func run(ctx context.Context, out, only, release string, show bool) error {
	v, when, err := readVersion(ctx, release)
	if err != nil {
		return err
	}
	if show {
		fmt.Println(v.tag)
		return nil
	}
	targets, err := chosen(only)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "moor-packaging")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	b := &build{ctx: ctx, version: v, time: when, out: out, work: work}
	for _, step := range []func([]target) error{b.compile, b.collect, b.archives, b.systemPackages, b.image, b.components, b.checksums} {
		if err := step(targets); err != nil {
			return err
		}
	}
	return nil
}

// command runs a program with variables added to the environment, and returns its output.
func (b *build) command(env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(b.ctx, name, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return string(text), nil
}

// program returns the path of the binary for a target.
func (b *build) program(t target) string { return filepath.Join(b.work, "bin", t.name, "moor") }

// epoch returns the time of the commit as a variable of the environment.
func (b *build) epoch() string {
	return "SOURCE_DATE_EPOCH=" + strconv.FormatInt(b.time.Unix(), 10)
}

// compile builds the binary for each target.
func (b *build) compile(targets []target) error {
	const stamp = "github.com/moor-ble/moor/cmd/moor/internal/cli"
	for _, t := range targets {
		flags := fmt.Sprintf("-s -w -buildid= -X %s.stampedVersion=%s -X %s.stampedRevision=%s", stamp, b.version.tag, stamp, b.version.revision)
		if _, err := b.command(t.env(), "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", b.program(t), "./cmd/moor"); err != nil {
			return err
		}
	}
	return nil
}
