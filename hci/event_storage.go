package hci

// eventStorage holds one event of each kind. It is allocated when the first event of
// its kind arrives, because most hosts never see most kinds.
type eventStorage struct {
	disconnectionComplete                *DisconnectionComplete
	encryptionChange                     *EncryptionChange
	readRemoteVersionInformationComplete *ReadRemoteVersionInformationComplete
	commandComplete                      *CommandComplete
	commandStatus                        *CommandStatus
	hardwareError                        *HardwareError
	numberOfCompletedPackets             *NumberOfCompletedPackets
	dataBufferOverflow                   *DataBufferOverflow
	encryptionKeyRefreshComplete         *EncryptionKeyRefreshComplete
	vendorEvent                          *VendorEvent
	unknownEvent                         *UnknownEvent
	leConnectionComplete                 *LEConnectionComplete
	leAdvertisingReport                  *LEAdvertisingReport
	leConnectionUpdateComplete           *LEConnectionUpdateComplete
	leReadRemoteFeaturesComplete         *LEReadRemoteFeaturesComplete
	leLongTermKeyRequest                 *LELongTermKeyRequest
	leRemoteConnectionParameterRequest   *LERemoteConnectionParameterRequest
	leDataLengthChange                   *LEDataLengthChange
	leReadLocalP256PublicKeyComplete     *LEReadLocalP256PublicKeyComplete
	leGenerateDHKeyComplete              *LEGenerateDHKeyComplete
	leEnhancedConnectionComplete         *LEEnhancedConnectionComplete
	lePHYUpdateComplete                  *LEPHYUpdateComplete
	leExtendedAdvertisingReport          *LEExtendedAdvertisingReport
	lePeriodicAdvertisingSyncEstablished *LEPeriodicAdvertisingSyncEstablished
	lePeriodicAdvertisingReport          *LEPeriodicAdvertisingReport
	lePeriodicAdvertisingSyncLost        *LEPeriodicAdvertisingSyncLost
	leScanTimeout                        *LEScanTimeout
	leAdvertisingSetTerminated           *LEAdvertisingSetTerminated
	leScanRequestReceived                *LEScanRequestReceived
	leChannelSelectionAlgorithm          *LEChannelSelectionAlgorithm
}

func reuse[T any](p **T) *T {
	if *p == nil {
		*p = new(T)
	}
	return *p
}

// storage returns the event to decode into. If the event has fields for its codes or
// its version, they are set.
func (s *eventStorage) storage(code, subevent uint8) Event {
	switch code {
	case EvLEMeta:
		return s.leStorage(subevent)
	case EvDisconnectionComplete:
		return reuse(&s.disconnectionComplete)
	case EvEncryptionChange, EvEncryptionChangeV2:
		ev := reuse(&s.encryptionChange)
		ev.V2 = code == EvEncryptionChangeV2
		return ev
	case EvReadRemoteVersionInformationComplete:
		return reuse(&s.readRemoteVersionInformationComplete)
	case EvCommandComplete:
		return reuse(&s.commandComplete)
	case EvCommandStatus:
		return reuse(&s.commandStatus)
	case EvHardwareError:
		return reuse(&s.hardwareError)
	case EvNumberOfCompletedPackets:
		return reuse(&s.numberOfCompletedPackets)
	case EvDataBufferOverflow:
		return reuse(&s.dataBufferOverflow)
	case EvEncryptionKeyRefreshComplete:
		return reuse(&s.encryptionKeyRefreshComplete)
	case EvVendor:
		return reuse(&s.vendorEvent)
	}
	return s.unknown(code, 0)
}

func (s *eventStorage) unknown(code, subevent uint8) Event {
	ev := reuse(&s.unknownEvent)
	ev.Code, ev.Subevent = code, subevent
	return ev
}

func (s *eventStorage) leStorage(subevent uint8) Event {
	switch subevent {
	case EvLEConnectionComplete:
		return reuse(&s.leConnectionComplete)
	case EvLEAdvertisingReport:
		return reuse(&s.leAdvertisingReport)
	case EvLEConnectionUpdateComplete:
		return reuse(&s.leConnectionUpdateComplete)
	case EvLEReadRemoteFeaturesComplete:
		return reuse(&s.leReadRemoteFeaturesComplete)
	case EvLELongTermKeyRequest:
		return reuse(&s.leLongTermKeyRequest)
	case EvLERemoteConnectionParameterRequest:
		return reuse(&s.leRemoteConnectionParameterRequest)
	case EvLEDataLengthChange:
		return reuse(&s.leDataLengthChange)
	case EvLEReadLocalP256PublicKeyComplete:
		return reuse(&s.leReadLocalP256PublicKeyComplete)
	case EvLEGenerateDHKeyComplete:
		return reuse(&s.leGenerateDHKeyComplete)
	case EvLEEnhancedConnectionComplete, EvLEEnhancedConnectionCompleteV2:
		ev := reuse(&s.leEnhancedConnectionComplete)
		ev.V2 = subevent == EvLEEnhancedConnectionCompleteV2
		return ev
	case EvLEPHYUpdateComplete:
		return reuse(&s.lePHYUpdateComplete)
	case EvLEExtendedAdvertisingReport:
		return reuse(&s.leExtendedAdvertisingReport)
	case EvLEPeriodicAdvertisingSyncEstablished:
		return reuse(&s.lePeriodicAdvertisingSyncEstablished)
	case EvLEPeriodicAdvertisingReport:
		return reuse(&s.lePeriodicAdvertisingReport)
	case EvLEPeriodicAdvertisingSyncLost:
		return reuse(&s.lePeriodicAdvertisingSyncLost)
	case EvLEScanTimeout:
		return reuse(&s.leScanTimeout)
	case EvLEAdvertisingSetTerminated:
		return reuse(&s.leAdvertisingSetTerminated)
	case EvLEScanRequestReceived:
		return reuse(&s.leScanRequestReceived)
	case EvLEChannelSelectionAlgorithm:
		return reuse(&s.leChannelSelectionAlgorithm)
	}
	return s.unknown(EvLEMeta, subevent)
}
