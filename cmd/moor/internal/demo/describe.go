package demo

import (
	"fmt"
	"math/bits"
	"strings"

	"github.com/moor-ble/moor/hci"
)

// describeCommand returns the name of a command and the parameters that matter here.
func describeCommand(cmd hci.Params) string {
	name, about := cmd.Opcode().String(), ""
	switch c := cmd.(type) {
	case hci.LESetScanParameters:
		about = scanText(c.Active, c.Window)
	case hci.LESetExtendedScanParameters:
		for _, s := range c.Scanning {
			about = scanText(s.Active, s.Window)
		}
	case hci.LESetScanEnable:
		about = onOff(c.Enable)
	case hci.LESetExtendedScanEnable:
		about = onOff(c.Enable)
	case hci.LECreateConnection:
		about = c.Peer.String()
	case hci.LEExtendedCreateConnection:
		about = c.Peer.String()
	case hci.LEConnectionUpdate:
		about = fmt.Sprintf("%v to %v, latency %d", c.Params.IntervalMin, c.Params.IntervalMax, c.Params.Latency)
	case hci.LESetDataLength:
		about = fmt.Sprintf("%d octets", c.TXOctets)
	case hci.LESetPHY:
		about = c.TX.String()
	case hci.Disconnect:
		about = c.Reason.String()
	}
	if about == "" {
		return name
	}
	return name + ": " + about
}

func scanText(active bool, window any) string {
	if active {
		return fmt.Sprintf("active, %v at a time", window)
	}
	return fmt.Sprintf("passive, %v at a time", window)
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// describeEvent returns the name of an event and the parameters that matter here.
func describeEvent(ev hci.Event) string {
	switch e := ev.(type) {
	case *hci.LEConnectionComplete:
		return connectionText("LE Connection Complete", e.Status, e.Handle, e.Params)
	case *hci.LEEnhancedConnectionComplete:
		return connectionText("LE Enhanced Connection Complete", e.Status, e.Handle, e.Params)
	case *hci.DisconnectionComplete:
		return "Disconnection Complete: " + e.Reason.String()
	case *hci.LEConnectionUpdateComplete:
		return outcomeText("LE Connection Update Complete", e.Status,
			fmt.Sprintf("%v, latency %d, timeout %v", e.Params.Interval, e.Params.Latency, e.Params.Timeout))
	case *hci.LEReadRemoteFeaturesComplete:
		return outcomeText("LE Read Remote Features Complete", e.Status, fmt.Sprintf("%d features", bits.OnesCount64(uint64(e.Features))))
	case *hci.LEDataLengthChange:
		return fmt.Sprintf("LE Data Length Change: %d octets out, %d in", e.MaxTXOctets, e.MaxRXOctets)
	case *hci.LEPHYUpdateComplete:
		return outcomeText("LE PHY Update Complete", e.Status, fmt.Sprintf("%v out, %v in", e.TX, e.RX))
	}
	return strings.TrimPrefix(hci.Describe(hci.AppendEvent([]byte{byte(hci.PacketEvent)}, ev)), "< ")
}

func connectionText(name string, status hci.Status, h hci.Handle, p hci.ConnParamsInUse) string {
	return outcomeText(name, status, fmt.Sprintf("handle 0x%04x, interval %v", uint16(h), p.Interval))
}

func outcomeText(name string, status hci.Status, about string) string {
	if status != hci.StatusSuccess {
		about = status.String()
	}
	return name + ": " + about
}
