package cli

import (
	"fmt"
	"io"
	"os"
)

// startOctets is how much of a file tells its kind.
const startOctets = 64

// checkReplaces refuses to replace a file of another kind than the output that is to take
// its name, which is more likely a mistake than a wish. isKind gets the start of a file
// that is not empty; what names the kind.
func checkReplaces(name, what string, isKind func(start []byte) bool) error {
	if info, err := os.Lstat(name); err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		return nil // whatever creates the file checks the rest
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	start, err := io.ReadAll(io.LimitReader(f, startOctets))
	if err == nil && !isKind(start) {
		err = fmt.Errorf("%s exists and is no %s: remove it, or name another file", name, what)
	}
	return err
}
