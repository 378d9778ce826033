package controller

import "github.com/moor-ble/moor/hci"

// eventMask returns the mask of the events that the package handles
// (Vol 4, Part E, 7.3.1).
func eventMask() uint64 {
	return hci.EventMask(
		hci.EvDisconnectionComplete, hci.EvEncryptionChange, hci.EvReadRemoteVersionInformationComplete,
		hci.EvHardwareError, hci.EvDataBufferOverflow, hci.EvEncryptionKeyRefreshComplete, hci.EvLEMeta,
	)
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
		{i.Extended, hci.EvLEScanTimeout},
		{i.Extended, hci.EvLEAdvertisingSetTerminated},
	} {
		if e.sent {
			mask |= hci.LEEventMask(e.subevent)
		}
	}
	return mask
}
