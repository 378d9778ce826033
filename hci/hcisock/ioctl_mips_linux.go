//go:build linux && (mips || mipsle || mips64 || mips64le || ppc64 || ppc64le)

package hcisock

// The numbers of the HCI ioctls. MIPS and PowerPC have the two direction bits
// of _IOW and _IOR the other way round, and three of them.
const (
	ioctlDevUp       = 0x800448C9
	ioctlDevDown     = 0x800448CA
	ioctlGetDevList  = 0x400448D2
	ioctlGetDevInfo  = 0x400448D3
	ioctlGetConnList = 0x400448D4
)
