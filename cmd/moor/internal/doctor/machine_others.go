//go:build !linux

package doctor

import "runtime"

// ThisMachine describes the machine that the program runs on.
func ThisMachine() Machine { return Machine{Kernel: runtime.GOOS + " " + runtime.GOARCH} }
