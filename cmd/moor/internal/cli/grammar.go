package cli

import (
	"fmt"
	"strconv"

	"github.com/spf13/pflag"
)

// globals are the flags that every command has.
type globals struct {
	Adapters  []string
	JSON      bool
	Snoop     string
	SnoopKeys bool
	State     string
	Privacy   bool
	// NoExtended disables the extended commands of the controllers.
	NoExtended bool
	Verbose    int
	Version    bool
}

func (g *globals) flags() *pflag.FlagSet {
	fs := newFlags("moor")
	fs.VarP((*adapterFlag)(&g.Adapters), "adapter", "a", "use `ADAPTER`, see moor --help; for several, repeat the flag or separate them by commas (also $MOOR_ADAPTER)")
	fs.BoolVar(&g.JSON, "json", false, "write results as JSON, one object per line")
	fs.Var(textFlag{(*captureName)(&g.Snoop)}, "snoop", "write all HCI packets to `FILE` (btsnoop, for btmon -r, tshark, Wireshark), readable by you alone and without keys")
	fs.BoolVar(&g.SnoopKeys, "snoop-keys", false, "include the keys of bonds and links in the file of --snoop; with them, recordings of these links can be decrypted")
	fs.StringVar(&g.State, "state", "", "store the devices heard, their attribute tables and their bonds in `DIR`, so that the next connection is quicker; \"none\" stores nothing; the default is $XDG_STATE_HOME/moor or ~/.local/state/moor, and its subdirectory sim for simulated air (also $MOOR_STATE)")
	fs.BoolVar(&g.Privacy, "privacy", false, "change the address on air every 15 minutes; only devices that bonded with --privacy recognize this host")
	fs.BoolVar(&g.NoExtended, "no-extended", false, "scan and connect with the legacy HCI commands, for a controller whose extended commands do not work; if the controller refuses them, moor does so by itself")
	fs.CountVarP(&g.Verbose, "verbose", "v", "log to standard error: -v attempts and adapters, -vv links, -vvv packets")
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
		withoutCapture(newAdapters()),
		withoutCapture(newDoctor()),
		newSlots(),
		newBridge(),
		newScan(),
		newAdvertise(),
		newDevices(),
		newPeripheral(),
		newLab(),
		newProxy(),
		newConnect(),
		newWhy(),
		newInfo(),
		newServices(),
		newRead(),
		newWrite(),
		newNotify(),
		newParams(),
		newPair(),
		withoutCapture(newUnpair()),
		withoutCapture(newStale()),
		withoutCapture(newCache()),
		withoutCapture(newBonds()),
		newCommand(groupMore, "demo", "Scan, connect and read on simulated air; needs no Bluetooth.", runDemo),
		withoutCapture(newCompletion()),
		withoutCapture(newCommand(groupMore, "version", "Show the version of this program.", runVersion)),
		withoutCapture(newComplete()),
		withoutCapture(newMan()),
	}
}

// description begins the help, and addresses ends it; the names of the simulated
// scenarios are put into the latter.
const (
	description = `Bluetooth LE over raw HCI, without BlueZ. A command has its adapter to itself while it runs, which needs CAP_NET_ADMIN. "moor doctor" finds out why Bluetooth does not work; "moor demo" needs no Bluetooth at all.`

	addresses = `ADDR is a device's address AA:BB:CC:DD:EE:FF, optionally followed by its kind, /random or /public. Without the kind, moor uses the kind in the device's advertisements. Where a command connects, ADDR may also be the name of the device, if one device of that name is on air: moor listens until it hears the name, and two seconds longer for others.

ADAPTER is hci0, the adapter's own address AA:BB:CC:DD:EE:FF (which stays the same when the index changes), tcp:HOST:PORT, unix:PATH, serial:/dev/ttyS0?baud=115200&flow=rtscts, fd:3 or fd:NAME for an inherited descriptor, esphome:HOST or esphome:unix:PATH for a Bluetooth proxy (docs/proxy.md has its options and keys), or sim:SCENARIO for simulated air: %s; or a scenario file of your own, sim:FILE with a slash or an ending .yaml, .yml or .json (docs/lab.md describes it). A scenario takes options: sim:crowd?seed=7&loss=0.2&rssi=-80 (dBm). The default is every Linux adapter that no other program uses. An adapter that bluetoothd uses must be named; it then loses its links to keyboards, headphones and the like. Each connection is made on the adapter with the best prospect. The command scan uses all adapters, doctor the first.

The exit code is 0 for success, 2 for a wrong command line, 3 if the device was not found, 4 if no adapter had room for a connection, 5 if the radio contact broke while connecting, 6 for other failures to connect, 7 if the bond was lost, 8 if the pairing was refused or failed, and 1 for all other errors. With --json, an error is a line on standard error: {"error":"...","class":"...","advice":"...","exit_code":3}. Its class is usage, not found, out of slots, aborted, connection, bond lost or pairing, those of the exit codes from 2 to 8, which an error after the connection was there may have as well, and otherwise interrupted, fatal, canceled or other. {"warning":"...","advice":"..."} is an error that does not end the command. A signal such as Ctrl-C makes a command disconnect and then end by that signal; scan, advertise, peripheral, lab, bridge, proxy, notify and connect end with 0 instead, the latter two once they are connected.`
)

// peer holds the arguments that the commands on one device share: the address of the
// device, and the options of the connection.
type peer struct {
	Addr     deviceArg
	Attempts countArg
	Within   durationArg // bounds searching and connecting together; 0 is no limit
	NoCache  bool
	Pair     bool
	Repair   bool
}

func (p *peer) addArgs(c *command) { p.addArgsWithin(c, "timeout") }

// addArgsWithin is addArgs for a command that has another use for --timeout.
func (p *peer) addArgsWithin(c *command, timeout string) {
	p.addDialArgs(c, timeout)
	c.flags.BoolVar(&p.NoCache, "no-cache", false, "discover the device's attribute table again instead of using the stored one")
	c.flags.BoolVar(&p.Pair, "pair", false, "pair with the device if there is no bond with it; questions appear on the terminal")
	c.flags.BoolVar(&p.Repair, "repair", false, "pair again with a device that has lost its bond; make sure that it is the same device")
}

// addDialArgs adds the arguments about finding the device.
func (p *peer) addDialArgs(c *command, timeout string) {
	c.word("addr", "the device's address, such as C0:FF:EE:00:00:01/random, or its name", &p.Addr)
	c.flag("attempts", "give up after `N` attempts to connect; the default is 4, and at least 45s while the device is heard; attempts that fail for a passing reason count separately, up to 9", &p.Attempts)
	c.flag(timeout, "give up if all attempts together take longer than `TIME`; the default is no limit", &p.Within)
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

// attributeName is the name of the argument that names an attribute.
const attributeName = "uuid|handle"

// attribute is the argument that names the attribute to read, write or watch.
type attribute struct{ Attr attrArg }

func (t *attribute) addArg(c *command) {
	c.word(attributeName, "a UUID (2a19, or all 32 digits), its name, or a handle (0x0012, or decimal 18)", &t.Attr)
}
