package controller

import (
	"time"

	"github.com/moor-ble/moor/hci"
)

// Info describes a controller: its identity, commands, features and sizes, as
// read during the start-up.
type Info struct {
	// Address is the identity address of this host: the controller's public
	// address or a static random one. While private addresses are in use, the
	// address on air differs; see [Controller.OwnAddress].
	Address hci.Addr
	// Public is the public address of the controller; zero if it has none.
	Public hci.MAC
	// Version holds the version of the specification that the controller
	// implements, and its manufacturer.
	Version  hci.LocalVersion
	Commands hci.SupportedCommands
	Features hci.Features // page 0 of the LE features
	// FeaturePages holds all pages of the LE features. It is nil on controllers
	// that have page 0 only (before Core 6.0).
	FeaturePages []byte
	// ACLLen and ACLNum are the size in octets and the number of the controller's
	// data buffers. SharedBuffers reports that BR/EDR uses the same buffers.
	ACLLen, ACLNum int
	SharedBuffers  bool
	// Extended reports that scanning, initiating and advertising use the
	// extended commands. A Controller never mixes the two kinds.
	Extended bool
	// ExtendedRefused is the refusal that has made the Controller use the legacy
	// commands although the controller lists the extended ones; nil if there was none.
	ExtendedRefused error
	// CodedRefused is the refusal that has made the Controller scan or initiate without
	// the coded PHY although the controller lists it; nil if there was none.
	CodedRefused error
	// Quirks lists the known faults of the controller that the host works around, in words.
	Quirks            []string
	AcceptListSize    int // entries of the filter accept list
	ResolvingListSize int // entries of the resolving list
	// States holds the supported combinations of states (Vol 4, Part E, 7.8.27).
	States hci.LEStates
	// MaxData is the longest packet that the link layer can send and receive.
	MaxData hci.MaximumDataLength

	// setup holds the commands of the start-up that a reset makes necessary again,
	// without the LE event mask and the own address.
	setup []hci.Params
	// noCoded reports the uses for which the controller has refused the coded PHY.
	noCoded [kindCount]bool
	// scanBlocksInitiating reports that a quirk or a refused command has shown
	// that the controller cannot scan while it initiates.
	scanBlocksInitiating bool
}

// scanWhileInitiating reports whether the controller can scan actively while it
// initiates.
func (i *Info) scanWhileInitiating() bool {
	return !i.scanBlocksInitiating && i.States.Has(hci.LEStateActiveScanAndInitiate)
}

// maxTXOctets returns the longest link layer payload to ask for, in octets.
func (i *Info) maxTXOctets() uint16 { return max(27, min(251, i.MaxData.TXOctets)) }

// maxTXTime returns the longest time on air of a packet to ask for.
func (i *Info) maxTXTime() time.Duration {
	return max(328*time.Microsecond, i.MaxData.TXTime)
}

// HasResolvingList reports whether the controller resolves private addresses for the
// host; see Controller.SetResolvingList.
func (i *Info) HasResolvingList() bool { return i.resolves() }

// resolves reports whether the controller has a resolving list that the host can use.
// Without LE Set Privacy Mode it cannot: the controller ignores a listed peer that uses
// its identity address on air, and dials a private address only by an identity kind of
// address, under which it does not find that peer (Vol 4, Part E, 7.8.12 and 7.8.77).
func (i *Info) resolves() bool {
	for _, op := range [...]hci.Opcode{
		hci.OpLEClearResolvingList, hci.OpLEAddDeviceToResolvingList, hci.OpLERemoveDeviceFromResolvingList,
		hci.OpLESetAddressResolutionEnable, hci.OpLESetPrivacyMode,
	} {
		if !i.Commands.Has(op) {
			return false
		}
	}
	return i.ResolvingListSize > 0
}
