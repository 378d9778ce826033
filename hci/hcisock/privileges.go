package hcisock

// Privileges are those of this process that the user channel requires, and the bounds on
// gaining them.
type Privileges struct {
	NetAdmin      bool // CAP_NET_ADMIN is in the effective set
	InitialUserNS bool // the process is in the initial user namespace
	// Unbounded reports that CAP_NET_ADMIN is in the bounding set. Without it no program
	// gets the capability, and one that has it by setcap does not start.
	Unbounded bool
	// NoNewPrivs reports that setcap and sudo have no effect.
	NoNewPrivs bool
}

// Remedy returns the way to the missing privileges; "" if none is missing.
func (p Privileges) Remedy() string {
	switch {
	case p.NetAdmin && p.InitialUserNS:
		return ""
	case !p.InitialUserNS:
		return "run it outside the rootless container, or hand it an open user channel as fd:N"
	case !p.Unbounded:
		return "start the container, or whatever bounds the capabilities of this process, with CAP_NET_ADMIN " +
			"(`docker run --cap-add NET_ADMIN`); after setcap the program would not even start here"
	case p.NoNewPrivs:
		return "start it with the capability (AmbientCapabilities=CAP_NET_ADMIN in a systemd unit), " +
			"or without no_new_privs (NoNewPrivileges=), under which setcap and sudo have no effect"
	}
	return "run it as root, or once `sudo setcap cap_net_admin+ep PROGRAM`"
}
