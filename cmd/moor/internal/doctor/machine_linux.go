package doctor

import "golang.org/x/sys/unix"

// ThisMachine describes the machine that the program runs on.
func ThisMachine() Machine {
	m := Machine{Distribution: distribution("/etc/os-release"), Modules: modules("/sys/module")}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.Kernel = "Linux " + unix.ByteSliceToString(u.Release[:]) + " " + unix.ByteSliceToString(u.Machine[:])
	}
	if lines, err := kernelLog(); err == nil {
		m.addLog(lines)
	}
	return m
}
