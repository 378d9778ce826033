package cli

import (
	"fmt"
	"strconv"

	"github.com/spf13/pflag"
)

// globals are the flags that every command has.
type globals struct {
	Adapters []string
	JSON     bool
	Snoop    string
	State    string
	Privacy  bool
	Verbose  int
	Version  bool
}

func (g *globals) flags() *pflag.FlagSet {
	fs := newFlags("moor")
	fs.VarP((*adapterFlag)(&g.Adapters), "adapter", "a", "`ADAPTER` to use, see below; for several repeat it, or put commas between them (also $MOOR_ADAPTER)")
	fs.BoolVar(&g.JSON, "json", false, "write results as JSON, one object a line")
	fs.StringVar(&g.Snoop, "snoop", "", "write all HCI packets to `FILE` (btsnoop, for btmon -r, tshark, Wireshark)")
	fs.StringVar(&g.State, "state", "", "keep devices heard, their tables and bonds in `DIR`, so that the next connection is quicker; \"none\" keeps nothing; the default is $XDG_STATE_HOME/moor or ~/.local/state/moor, and the directory sim therein for simulated air (also $MOOR_STATE)")
	fs.BoolVar(&g.Privacy, "privacy", false, "show an address on air that changes every 15 minutes; devices that bonded with it know it for this host's, others and those that bonded without it do not")
	fs.CountVarP(&g.Verbose, "verbose", "v", "tell on stderr what is done: -v attempts and adapters, -vv links, -vvv packets")
	fs.BoolVar(&g.Version, "version", false, "show the version of this program, as the command version does")
	return fs
}

// Groups of commands, in the order in which help shows them.
const (
	groupHere = "This machine"
	groupAir  = "On air"
	groupPeer = "One device"
	groupMore = "Other"
)

// commands is the command line.
func commands() []*command {
	return []*command{
		newAdapters(),
		newCommand(groupHere, "doctor", "Say what keeps Bluetooth from working here, and what to do about it.", runDoctor),
		newSlots(),
		newScan(),
		newDevices(),
		newConnect(),
		newInfo(),
		newServices(),
		newRead(),
		newWrite(),
		newNotify(),
		newParams(),
		newPair(),
		newUnpair(),
		newStale(),
		newCache(),
		newBonds(),
		newCommand(groupMore, "demo", "Show the main job on simulated air; needs no Bluetooth.", runDemo),
		newCompletion(),
		newCommand(groupMore, "version", "Show the version of this program.", runVersion),
	}
}

// description is what help says first, and addresses what it says last, with
// the names of the simulated scenarios put in.
const (
	description = `Bluetooth LE on raw HCI, with no BlueZ in between. A controller is taken over for as long as a command runs, which needs CAP_NET_ADMIN. "moor doctor" says what is missing; "moor demo" shows the main job without any Bluetooth.`

	addresses = `ADDR is AA:BB:CC:DD:EE:FF, with /random or /public behind it where it matters; without, it is the kind of address that is seen on air.

ADAPTER is hci0, or the controller's address AA:BB:CC:DD:EE:FF whatever its index today, tcp:HOST:PORT, unix:PATH, serial:/dev/ttyS0?baud=115200&flow=rtscts, fd:3 or fd:NAME for an inherited descriptor, or sim:SCENARIO for simulated air with one of %s. The default is every Linux adapter that nobody else has: one that bluetoothd has must be named, and loses its links to keyboards, headphones and the like then. Each connection goes by the one with the best prospect. Commands for which one is enough (scan, doctor) take the first.

The exit code is 0, 2 for a wrong command line, 3 if the device was not found, 4 if no adapter had room for a connection, 5 if the contact broke while connecting, 6 for other failures to connect, 7 if the keys of a pairing were lost, and 1 for all other errors. A command that a signal cuts short, such as Ctrl-C, disconnects and then dies by that signal; for scan, notify and connect it is the usual end.`
)

// peer is what the commands on one device share: its address, and how it is
// connected to.
type peer struct {
	Addr     peerArg
	Attempts countArg
	Within   durationArg // bounds search and connecting; 0 is no limit
	NoCache  bool
	Pair     bool
	Repair   bool
}

func (p *peer) addArgs(c *command) { p.addArgsWithin(c, "timeout") }

// addArgsWithin is arg for a command that has another use for --timeout.
func (p *peer) addArgsWithin(c *command, timeout string) {
	p.addDialArgs(c, timeout)
	c.flags.BoolVar(&p.NoCache, "no-cache", false, "read the device's table anew, whatever is kept of it")
	c.flags.BoolVar(&p.Pair, "pair", false, "pair with the device if there is no bond with it; what that needs is asked on the terminal")
	c.flags.BoolVar(&p.Repair, "repair", false, "pair again with a device that has lost its bond; be sure that it is the same device")
}

// addDialArgs are those of arg that are about finding the device.
func (p *peer) addDialArgs(c *command, timeout string) {
	c.word("addr", "the device's address, such as C0:FF:EE:00:00:01/random", &p.Addr)
	c.flag("attempts", "give up after `N` attempts to connect, default 4; those that fail for a passing reason are not counted, up to 9", &p.Attempts)
	c.flag(timeout, "give up after this `TIME` without a connection, all attempts together; the default is no limit", &p.Within)
}

// countArg is a number above 0, or 0 if it was not given.
type countArg int

// UnmarshalText reads a number from 1 to 1000.
func (n *countArg) UnmarshalText(b []byte) error {
	v, err := strconv.Atoi(string(b))
	if err != nil || v < 1 || v > 1000 {
		return fmt.Errorf("%q: write a number from 1 to 1000", b)
	}
	*n = countArg(v)
	return nil
}

// attribute is the argument that names what to read, write or watch.
type attribute struct{ Attr attrArg }

func (t *attribute) addArg(c *command) {
	c.word("uuid|handle", "a UUID (2a19, or all 32 digits), or a handle (0x0012, or decimal 18)", &t.Attr)
}
