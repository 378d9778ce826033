//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package servicecache

import "os"

// lockFile does nothing: here, one process at a time may write.
func lockFile(*os.File) (ok bool, err error) { return true, nil }
