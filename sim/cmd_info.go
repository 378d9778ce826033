package sim

import (
	"slices"

	"github.com/moor-ble/moor/hci"
)

// alwaysCommands are supported by every controller.
var alwaysCommands = []hci.Opcode{
	hci.OpSetEventMask, hci.OpSetEventMaskPage2, hci.OpLESetEventMask, hci.OpReset, hci.OpWriteLEHostSupport,
	hci.OpReadLocalVersionInformation, hci.OpReadLocalSupportedCommands, hci.OpReadLocalSupportedFeatures,
	hci.OpReadBufferSize, hci.OpReadBDADDR, hci.OpLEReadBufferSize, hci.OpLEReadBufferSizeV2,
	hci.OpLEReadLocalSupportedFeatures, hci.OpLEReadAllLocalSupportedFeatures, hci.OpLEReadSupportedStates, hci.OpLEReadTransmitPower,
	hci.OpDisconnect, hci.OpReadRemoteVersionInformation, hci.OpReadTransmitPowerLevel, hci.OpReadRSSI,
	hci.OpLEConnectionUpdate, hci.OpLEReadChannelMap, hci.OpLESetHostChannelClassification, hci.OpLEReadRemoteFeatures,
	hci.OpLECreateConnection, hci.OpLECreateConnectionCancel,
	hci.OpLEReadFilterAcceptListSize, hci.OpLEClearFilterAcceptList,
	hci.OpLEAddDeviceToFilterAcceptList, hci.OpLERemoveDeviceFromFilterAcceptList,
	hci.OpLESetScanParameters, hci.OpLESetScanEnable, hci.OpLESetRandomAddress,
	hci.OpLESetAdvertisingParameters, hci.OpLEReadAdvertisingPhysicalChannelTxPower, hci.OpLESetAdvertisingData,
	hci.OpLESetScanResponseData, hci.OpLESetAdvertisingEnable, hci.OpLEEncrypt, hci.OpLERand,
	hci.OpLEReadLocalP256PublicKey, hci.OpLEGenerateDHKey,
}

// featureCommands are supported by controllers with a feature.
var featureCommands = map[hci.Features][]hci.Opcode{
	hci.FeatureEncryption: {
		hci.OpLEEnableEncryption, hci.OpLELongTermKeyRequestReply, hci.OpLELongTermKeyRequestNegativeReply,
	},
	hci.FeatureConnParamRequest: {
		hci.OpLERemoteConnectionParameterRequestReply, hci.OpLERemoteConnectionParameterRequestNegativeReply,
	},
	hci.FeatureDataLength: {
		hci.OpLESetDataLength, hci.OpLEReadSuggestedDefaultDataLength,
		hci.OpLEWriteSuggestedDefaultDataLength, hci.OpLEReadMaximumDataLength,
	},
	hci.Feature2MPHY: {hci.OpLEReadPHY, hci.OpLESetDefaultPHY, hci.OpLESetPHY},
	hci.FeaturePrivacy: {
		hci.OpLEAddDeviceToResolvingList, hci.OpLERemoveDeviceFromResolvingList, hci.OpLEClearResolvingList,
		hci.OpLEReadResolvingListSize, hci.OpLESetAddressResolutionEnable,
		hci.OpLESetResolvablePrivateAddressTimeout, hci.OpLESetPrivacyMode,
	},
	hci.FeatureExtendedAdvertising: {
		hci.OpLEExtendedCreateConnection, hci.OpLESetExtendedScanParameters, hci.OpLESetExtendedScanEnable,
		hci.OpLESetAdvertisingSetRandomAddress, hci.OpLESetExtendedAdvertisingParameters,
		hci.OpLESetExtendedAdvertisingData, hci.OpLESetExtendedScanResponseData,
		hci.OpLESetExtendedAdvertisingEnable, hci.OpLEReadMaximumAdvertisingDataLength,
		hci.OpLEReadNumberOfSupportedAdvertisingSets, hci.OpLERemoveAdvertisingSet, hci.OpLEClearAdvertisingSets,
	},
	hci.FeaturePeriodicAdvertising: {
		hci.OpLESetPeriodicAdvertisingParameters, hci.OpLESetPeriodicAdvertisingData, hci.OpLESetPeriodicAdvertisingEnable,
		hci.OpLEPeriodicAdvertisingCreateSync, hci.OpLEPeriodicAdvertisingCreateSyncCancel, hci.OpLEPeriodicAdvertisingTerminateSync,
	},
}

// supportedCommands returns the commands that the configuration supports.
func (c *ControllerConfig) supportedCommands() hci.SupportedCommands {
	var s hci.SupportedCommands
	add := func(ops []hci.Opcode) {
		for _, op := range ops {
			if !slices.Contains(c.Disable, op) {
				s.Add(op)
			}
		}
	}
	add(alwaysCommands)
	for f, ops := range featureCommands {
		if c.features().Has(f) {
			add(ops)
		}
	}
	return s
}

// commandMode is set by the first command of the legacy or the extended kind;
// the other kind is refused until the next reset (Vol 4, Part E, 3.1.1).
type commandMode uint8

const (
	modeOpen commandMode = iota
	modeLegacy
	modeExtended
)

// legacyCommands are the commands with an extended counterpart.
var legacyCommands = []hci.Opcode{
	hci.OpLESetAdvertisingParameters, hci.OpLEReadAdvertisingPhysicalChannelTxPower,
	hci.OpLESetAdvertisingData, hci.OpLESetScanResponseData, hci.OpLESetAdvertisingEnable,
	hci.OpLESetScanParameters, hci.OpLESetScanEnable, hci.OpLECreateConnection,
}

func modeOf(op hci.Opcode) commandMode {
	switch {
	case slices.Contains(legacyCommands, op):
		return modeLegacy
	case slices.Contains(featureCommands[hci.FeatureExtendedAdvertising], op), slices.Contains(featureCommands[hci.FeaturePeriodicAdvertising], op):
		return modeExtended
	}
	return modeOpen
}

// allows reports whether the command may be used. The first command of either
// kind selects the kind.
func (m *commandMode) allows(op hci.Opcode) bool {
	kind := modeOf(op)
	if kind == modeOpen {
		return true
	}
	if *m == modeOpen {
		*m = kind
	}
	return *m == kind
}

// dispatch carries out a command that is supported and valid.
func (c *Controller) dispatch(p hci.Params, r *reply) {
	if c.infoCommand(p, r) || c.advCommand(p, r) || c.extAdvCommand(p, r) || c.scanCommand(p, r) || c.periodicCommand(p, r) ||
		c.connectCommand(p, r) || c.linkCommand(p, r) || c.securityCommand(p, r) || c.privacyCommand(p, r) {
		return
	}
	r.st = hci.StatusUnknownCommand
}

func (c *Controller) infoCommand(p hci.Params, r *reply) bool {
	cfg := &c.cfg
	switch p := p.(type) {
	case hci.Reset:
		c.powerOn()
	case hci.SetEventMask:
		c.eventMask = p.Mask
	case hci.SetEventMaskPage2:
		c.eventMask2 = p.Mask
	case hci.LESetEventMask:
		c.leEventMask = p.Mask
	case hci.WriteLEHostSupport:
	case hci.ReadLocalVersionInformation:
		r.ret = hci.LocalVersion{
			HCIVersion: cfg.version(), LMPVersion: cfg.version(),
			Manufacturer: cfg.Manufacturer, LMPSubversion: cfg.Subversion,
		}
	case hci.ReadLocalSupportedCommands:
		r.ret = c.supported
	case hci.ReadLocalSupportedFeatures:
		r.ret = hci.LMPFeatures(1<<38 | 1<<37) // LE Supported (Controller), BR/EDR Not Supported
	case hci.ReadBufferSize:
		r.ret = hci.BufferSize{ACLLen: uint16(cfg.aclLen()), ACLNum: uint16(cfg.aclNum())}
	case hci.LEReadBufferSize:
		r.ret = c.buffers()
	case hci.LEReadBufferSizeV2:
		b := c.buffers()
		r.ret = hci.LEBufferSizeV2{ACLLen: b.ACLLen, ACLNum: b.ACLNum}
	case hci.ReadBDADDR:
		r.ret = cfg.Address
	case hci.LEReadLocalSupportedFeatures:
		r.ret = cfg.features()
	case hci.LEReadAllLocalSupportedFeatures:
		all := hci.LEAllFeatures{}
		copy(all.Pages[:], cfg.features().AppendReturn(nil))
		r.ret = all
	case hci.LEReadSupportedStates:
		states := hci.LEStates(1<<42 - 1)
		if cfg.NoScanWhileInitiating {
			states &^= hci.LEStatePassiveScanAndInitiate | hci.LEStateActiveScanAndInitiate
		}
		r.ret = states
	case hci.LEReadTransmitPower:
		r.ret = hci.TxPowerRange{Min: -20, Max: max(cfg.TxPower, 8)}
	case hci.LERand:
		var v hci.RandomNumber
		for i := range v.Number {
			v.Number[i] = byte(c.air.rng.Uint32())
		}
		r.ret = v
	default:
		return false
	}
	return true
}

func (c *Controller) buffers() hci.LEBufferSize {
	if c.cfg.SharedBuffers {
		return hci.LEBufferSize{}
	}
	return hci.LEBufferSize{ACLLen: uint16(c.cfg.aclLen()), ACLNum: uint8(min(c.cfg.aclNum(), 255))}
}
