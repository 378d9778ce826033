package controller

import (
	"time"

	"github.com/moor-ble/moor/hci"
)

// Info is what a controller is and can do, as found at start-up.
type Info struct {
	// Address is the own address: the one in use, unless that is a private one; see
	// Controller.UsePrivateAddresses.
	Address hci.Addr
	// Public is the controller's public address; zero if it has none.
	Public hci.MAC
	// Version says which specification the controller follows, and who made it.
	Version  hci.LocalVersion
	Commands hci.SupportedCommands
	Features hci.Features // of the LE link layer, page 0
	// FeaturePages are all pages of LE features, on controllers that have more
	// than one (Core 6.0 and later); nil on others.
	FeaturePages []byte
	// ACLLen and ACLNum are the size and number of the controller's buffers for
	// data; SharedBuffers reports that they serve BR/EDR too.
	ACLLen, ACLNum int
	SharedBuffers  bool
	// Extended reports that scanning, initiating and advertising use the
	// extended commands. One Controller never mixes the two kinds.
	Extended          bool
	AcceptListSize    int
	ResolvingListSize int
	// States are the supported combinations of states (Vol 4, Part E, 7.8.27).
	States hci.LEStates
	// MaxData is the longest packet that the link layer can handle.
	MaxData hci.MaximumDataLength

	scanBlocksInitiating bool // found out the hard way
}

// scanWhileInitiating reports whether the controller says that it can scan,
// actively, while it initiates.
func (i *Info) scanWhileInitiating() bool {
	return !i.scanBlocksInitiating && i.States.Has(hci.LEStateActiveScanAndInitiate)
}

func (i *Info) maxTXOctets() uint16 { return max(27, min(251, i.MaxData.TXOctets)) }

func (i *Info) maxTXTime() time.Duration {
	return max(328*time.Microsecond, i.MaxData.TXTime)
}

// resolves reports whether the controller has a resolving list.
func (i *Info) resolves() bool {
	for _, op := range [...]hci.Opcode{hci.OpLEClearResolvingList, hci.OpLEAddDeviceToResolvingList, hci.OpLESetAddressResolutionEnable} {
		if !i.Commands.Has(op) {
			return false
		}
	}
	return i.ResolvingListSize > 0
}
