package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"strings"
)

// maxInput bounds the octets of a file that the command line names. Thousands of bonds
// need less.
const maxInput = 4 << 20

var (
	errInputTooLong = errors.New("it has more than 4 MiB: is it the right file?")
	errInputUTF16   = errors.New("the text is UTF-16: save it as UTF-8")
)

// readSecret returns the text of a file with secrets that the command line names, without
// a byte order mark. It warns if every user of the machine can use the file.
func (a *app) readSecret(ctx context.Context, name string) ([]byte, error) {
	type input struct {
		text []byte
		info fs.FileInfo
	}
	in, err := runInterruptible(ctx, func() (in input, err error) {
		f, err := os.Open(name)
		if err != nil {
			return in, err
		}
		defer f.Close()
		if in.info, err = f.Stat(); err == nil {
			in.text, err = readInput(f)
		}
		if _, ok := errors.AsType[*fs.PathError](err); err != nil && !ok {
			err = fmt.Errorf("%s: %w", name, err)
		}
		return in, err
	})
	if err != nil {
		return nil, err
	}
	a.warnOfMode(name, in.info.Mode())
	return in.text, nil
}

// readInput returns the text that r has, without a byte order mark.
func readInput(r io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxInput+1))
	switch {
	case err != nil:
		return nil, err
	case len(text) > maxInput:
		return nil, errInputTooLong
	case bytes.HasPrefix(text, []byte("\xff\xfe")), bytes.HasPrefix(text, []byte("\xfe\xff")):
		return nil, errInputUTF16
	}
	return bytes.TrimPrefix(text, []byte("\ufeff")), nil
}

// warnOfMode warns of a file with secrets that every user of the machine can use.
func (a *app) warnOfMode(name string, mode fs.FileMode) {
	if !mode.IsRegular() || runtime.GOOS == "windows" { // which has no modes
		return
	}
	run := "run chmod o= " + shellQuote(name)
	switch {
	case mode&0o002 != 0:
		a.printError("every user of this machine can change "+name, run+", and check what is in it")
	case mode&0o004 != 0:
		a.printError("every user of this machine can read "+name, run+", and treat what was in it as known to others")
	}
}

// shellQuote returns a word as a shell needs it.
func shellQuote(word string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+:@"
	if consistsOf(word, plain) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
