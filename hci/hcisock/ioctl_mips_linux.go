//go:build linux && (mips || mipsle || mips64 || mips64le || ppc64 || ppc64le)

package hcisock

// The numbers of the HCI ioctls, and of the reset of a USB port. MIPS and PowerPC have
// the two direction bits of _IOW and _IOR the other way round, and three of them; the
// third one is that of _IO.
const (
	ioctlDevUp       = 0x800448C9
	ioctlDevDown     = 0x800448CA
	ioctlGetDevList  = 0x400448D2
	ioctlGetDevInfo  = 0x400448D3
	ioctlGetConnList = 0x400448D4
	ioctlUSBReset    = 0x20005514
)
