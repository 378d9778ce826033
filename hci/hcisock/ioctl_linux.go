//go:build linux && !(mips || mipsle || mips64 || mips64le || ppc64 || ppc64le)

package hcisock

// The numbers of the HCI ioctls, _IOW('H', n, int) and _IOR('H', n, int), and of the
// reset of a USB port, _IO('U', 20).
const (
	ioctlDevUp       = 0x400448C9
	ioctlDevDown     = 0x400448CA
	ioctlGetDevList  = 0x800448D2
	ioctlGetDevInfo  = 0x800448D3
	ioctlGetConnList = 0x800448D4
	ioctlUSBReset    = 0x5514
)
