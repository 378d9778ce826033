package controller

import "github.com/moor-ble/moor/hci"

// eventMasks returns the masks to try, the best first (Vol 4, Part E, 7.3.1). The
// bits of the default mask stay set: the firmware of an nRF52840 with Zephyr's USB
// controller sends no Number Of Completed Packets if bit 18 is cleared, although
// that bit is reserved. Some controllers refuse bits that they do not know, so the
// last mask has only the events that the package handles.
func eventMasks() []uint64 {
	handled := hci.EventMask(
		hci.EvDisconnectionComplete, hci.EvEncryptionChange, hci.EvReadRemoteVersionInformationComplete,
		hci.EvHardwareError, hci.EvDataBufferOverflow, hci.EvEncryptionKeyRefreshComplete, hci.EvLEMeta,
	)
	return []uint64{hci.DefaultEventMask | handled, handled}
}

// leEventMask returns the mask of the LE events that the package handles
// (Vol 4, Part E, 7.8.1). A controller may refuse the bit of an event that it
// does not have, so the mask includes only events that come with its features
// and commands.
func (i *Info) leEventMask() uint64 {
	mask := hci.LEEventMask(
		hci.EvLEConnectionComplete, hci.EvLEAdvertisingReport, hci.EvLEConnectionUpdateComplete,
		hci.EvLEReadRemoteFeaturesComplete, hci.EvLELongTermKeyRequest,
	)
	for _, e := range []struct {
		sent     bool
		subevent uint8
	}{
		{i.Features.Has(hci.FeatureConnParamRequest), hci.EvLERemoteConnectionParameterRequest},
		{i.Features.Has(hci.FeatureDataLength), hci.EvLEDataLengthChange},
		{i.Commands.Has(hci.OpLEReadLocalP256PublicKey), hci.EvLEReadLocalP256PublicKeyComplete},
		{i.Commands.Has(hci.OpLEGenerateDHKey), hci.EvLEGenerateDHKeyComplete},
		{i.Features.Has(hci.FeaturePrivacy), hci.EvLEEnhancedConnectionComplete},
		{i.Commands.Has(hci.OpLESetPHY), hci.EvLEPHYUpdateComplete},
		{i.Extended, hci.EvLEExtendedAdvertisingReport},
		{i.followsPeriodic(), hci.EvLEPeriodicAdvertisingSyncEstablished},
		{i.followsPeriodic(), hci.EvLEPeriodicAdvertisingReport},
		{i.followsPeriodic(), hci.EvLEPeriodicAdvertisingSyncLost},
		{i.Extended, hci.EvLEScanTimeout},
		{i.Extended, hci.EvLEAdvertisingSetTerminated},
	} {
		if e.sent {
			mask |= hci.LEEventMask(e.subevent)
		}
	}
	return mask
}
