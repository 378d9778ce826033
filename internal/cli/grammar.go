package cli

import (
	"os"

	"github.com/spf13/pflag"
)

// globals are the flags that every command has.
type globals struct {
	Adapter string
	JSON    bool
	Snoop   string
	State   string
	Verbose int
}

func (g *globals) flags() *pflag.FlagSet {
	fs := newFlags("moor")
	fs.StringVarP(&g.Adapter, "adapter", "a", "", "`ADAPTER` to use, see below (also $MOOR_ADAPTER)")
	fs.BoolVar(&g.JSON, "json", false, "write results as JSON, one object a line")
	fs.StringVar(&g.Snoop, "snoop", "", "write all HCI packets to `FILE` (btsnoop, for btmon -r, tshark, Wireshark)")
	fs.StringVar(&g.State, "state", "", "remember in `DIR` the kind of each address seen on air, so that it need not be searched for again (also $MOOR_STATE)")
	fs.CountVarP(&g.Verbose, "verbose", "v", "log to stderr: -v the adapter, -vv links, -vvv packets")
	return fs
}

// environment fills in what the command line left out.
func (g *globals) environment() {
	if g.Adapter == "" {
		g.Adapter = os.Getenv("MOOR_ADAPTER")
	}
	if g.State == "" {
		g.State = os.Getenv("MOOR_STATE")
	}
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
		newCommand(groupHere, "adapters", "List the Bluetooth adapters of this machine.", runAdapters),
		newCommand(groupHere, "doctor", "Say what keeps Bluetooth from working here, and what to do about it.", runDoctor),
		newScan(),
		newInfo(),
		newServices(),
		newRead(),
		newWrite(),
		newNotify(),
		newParams(),
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

ADAPTER is hci0, or the controller's address AA:BB:CC:DD:EE:FF whatever its index today, tcp:HOST:PORT, unix:PATH, serial:/dev/ttyS0?baud=115200&flow=rtscts, fd:3 or fd:NAME for an inherited descriptor, or sim:SCENARIO for simulated air with one of %s. The default is the first Linux adapter that is free.`
)

// peer is the argument that the commands on one device share.
type peer struct{ Addr peerArg }

func (p *peer) arg(c *command) {
	c.word("addr", "the device's address, such as C0:FF:EE:00:00:01/random", &p.Addr)
}

// attribute is the argument that names what to read, write or watch.
type attribute struct{ Attr attrArg }

func (t *attribute) arg(c *command) {
	c.word("uuid|handle", "a UUID (2a19, or all 32 digits), or a handle (0x0012, or decimal 18)", &t.Attr)
}
