package hci

import "fmt"

// Status is an HCI error code (Vol 1, Part F): the outcome of a command, or the reason
// for the end of a link. It implements error only as a target of errors.Is. The
// errors that this module returns wrap it and add the command or the link.
type Status uint8

// The error codes of Vol 1, Part F, 1.3. 0x2B, 0x31 and 0x33 are reserved.
const (
	StatusSuccess                           Status = 0x00
	StatusUnknownCommand                    Status = 0x01
	StatusUnknownConnection                 Status = 0x02
	StatusHardwareFailure                   Status = 0x03
	StatusPageTimeout                       Status = 0x04
	StatusAuthenticationFailure             Status = 0x05
	StatusKeyMissing                        Status = 0x06
	StatusMemoryFull                        Status = 0x07
	StatusConnectionTimeout                 Status = 0x08
	StatusConnectionLimit                   Status = 0x09
	StatusSynchronousConnectionLimit        Status = 0x0A
	StatusConnectionExists                  Status = 0x0B
	StatusCommandDisallowed                 Status = 0x0C
	StatusRejectedResources                 Status = 0x0D
	StatusRejectedSecurity                  Status = 0x0E
	StatusRejectedAddress                   Status = 0x0F
	StatusAcceptTimeout                     Status = 0x10
	StatusUnsupportedFeature                Status = 0x11
	StatusInvalidParameters                 Status = 0x12
	StatusRemoteUserTerminated              Status = 0x13
	StatusRemoteLowResources                Status = 0x14
	StatusRemotePowerOff                    Status = 0x15
	StatusLocalHostTerminated               Status = 0x16
	StatusRepeatedAttempts                  Status = 0x17
	StatusPairingNotAllowed                 Status = 0x18
	StatusUnknownLMPPDU                     Status = 0x19
	StatusUnsupportedRemoteFeature          Status = 0x1A
	StatusSCOOffsetRejected                 Status = 0x1B
	StatusSCOIntervalRejected               Status = 0x1C
	StatusSCOAirModeRejected                Status = 0x1D
	StatusInvalidLMPParameters              Status = 0x1E
	StatusUnspecified                       Status = 0x1F
	StatusUnsupportedLMPValue               Status = 0x20
	StatusRoleChangeNotAllowed              Status = 0x21
	StatusLLResponseTimeout                 Status = 0x22
	StatusProcedureCollision                Status = 0x23
	StatusLMPPDUNotAllowed                  Status = 0x24
	StatusEncryptionModeNotAcceptable       Status = 0x25
	StatusLinkKeyUnchangeable               Status = 0x26
	StatusQoSNotSupported                   Status = 0x27
	StatusInstantPassed                     Status = 0x28
	StatusPairingUnitKey                    Status = 0x29
	StatusDifferentTransaction              Status = 0x2A
	StatusQoSUnacceptable                   Status = 0x2C
	StatusQoSRejected                       Status = 0x2D
	StatusChannelClassificationNotSupported Status = 0x2E
	StatusInsufficientSecurity              Status = 0x2F
	StatusOutOfMandatoryRange               Status = 0x30
	StatusRoleSwitchPending                 Status = 0x32
	StatusReservedSlotViolation             Status = 0x34
	StatusRoleSwitchFailed                  Status = 0x35
	StatusInquiryResponseTooLarge           Status = 0x36
	StatusSimplePairingNotSupported         Status = 0x37
	StatusHostBusyPairing                   Status = 0x38
	StatusNoSuitableChannel                 Status = 0x39
	StatusControllerBusy                    Status = 0x3A
	StatusUnacceptableParameters            Status = 0x3B
	StatusAdvertisingTimeout                Status = 0x3C
	StatusMICFailure                        Status = 0x3D
	StatusFailedToEstablish                 Status = 0x3E
	StatusMACConnectionFailed               Status = 0x3F
	StatusCoarseClockRejected               Status = 0x40
	StatusSubmapNotDefined                  Status = 0x41
	StatusUnknownAdvertisingID              Status = 0x42
	StatusLimitReached                      Status = 0x43
	StatusCanceledByHost                    Status = 0x44
	StatusPacketTooLong                     Status = 0x45
	StatusTooLate                           Status = 0x46
	StatusTooEarly                          Status = 0x47
	StatusInsufficientChannels              Status = 0x48
)

// statusNames is indexed by the code; reserved codes have no name.
var statusNames = [...]string{
	StatusSuccess:                           "success",
	StatusUnknownCommand:                    "unknown HCI command",
	StatusUnknownConnection:                 "unknown connection identifier",
	StatusHardwareFailure:                   "hardware failure",
	StatusPageTimeout:                       "page timeout",
	StatusAuthenticationFailure:             "authentication failure",
	StatusKeyMissing:                        "PIN or key missing",
	StatusMemoryFull:                        "memory capacity exceeded",
	StatusConnectionTimeout:                 "connection timeout",
	StatusConnectionLimit:                   "connection limit exceeded",
	StatusSynchronousConnectionLimit:        "synchronous connection limit to a device exceeded",
	StatusConnectionExists:                  "connection already exists",
	StatusCommandDisallowed:                 "command disallowed",
	StatusRejectedResources:                 "connection rejected due to limited resources",
	StatusRejectedSecurity:                  "connection rejected due to security reasons",
	StatusRejectedAddress:                   "connection rejected due to unacceptable BD_ADDR",
	StatusAcceptTimeout:                     "connection accept timeout exceeded",
	StatusUnsupportedFeature:                "unsupported feature or parameter value",
	StatusInvalidParameters:                 "invalid HCI command parameters",
	StatusRemoteUserTerminated:              "remote user terminated connection",
	StatusRemoteLowResources:                "remote device terminated connection due to low resources",
	StatusRemotePowerOff:                    "remote device terminated connection due to power off",
	StatusLocalHostTerminated:               "connection terminated by local host",
	StatusRepeatedAttempts:                  "repeated attempts",
	StatusPairingNotAllowed:                 "pairing not allowed",
	StatusUnknownLMPPDU:                     "unknown LMP PDU",
	StatusUnsupportedRemoteFeature:          "unsupported remote feature",
	StatusSCOOffsetRejected:                 "SCO offset rejected",
	StatusSCOIntervalRejected:               "SCO interval rejected",
	StatusSCOAirModeRejected:                "SCO air mode rejected",
	StatusInvalidLMPParameters:              "invalid LMP or LL parameters",
	StatusUnspecified:                       "unspecified error",
	StatusUnsupportedLMPValue:               "unsupported LMP or LL parameter value",
	StatusRoleChangeNotAllowed:              "role change not allowed",
	StatusLLResponseTimeout:                 "LMP or LL response timeout",
	StatusProcedureCollision:                "LMP error transaction or LL procedure collision",
	StatusLMPPDUNotAllowed:                  "LMP PDU not allowed",
	StatusEncryptionModeNotAcceptable:       "encryption mode not acceptable",
	StatusLinkKeyUnchangeable:               "link key cannot be changed",
	StatusQoSNotSupported:                   "requested QoS not supported",
	StatusInstantPassed:                     "instant passed",
	StatusPairingUnitKey:                    "pairing with unit key not supported",
	StatusDifferentTransaction:              "different transaction collision",
	StatusQoSUnacceptable:                   "QoS unacceptable parameter",
	StatusQoSRejected:                       "QoS rejected",
	StatusChannelClassificationNotSupported: "channel classification not supported",
	StatusInsufficientSecurity:              "insufficient security",
	StatusOutOfMandatoryRange:               "parameter out of mandatory range",
	StatusRoleSwitchPending:                 "role switch pending",
	StatusReservedSlotViolation:             "reserved slot violation",
	StatusRoleSwitchFailed:                  "role switch failed",
	StatusInquiryResponseTooLarge:           "extended inquiry response too large",
	StatusSimplePairingNotSupported:         "secure simple pairing not supported by host",
	StatusHostBusyPairing:                   "host busy - pairing",
	StatusNoSuitableChannel:                 "connection rejected due to no suitable channel found",
	StatusControllerBusy:                    "controller busy",
	StatusUnacceptableParameters:            "unacceptable connection parameters",
	StatusAdvertisingTimeout:                "advertising timeout",
	StatusMICFailure:                        "connection terminated due to MIC failure",
	StatusFailedToEstablish:                 "connection failed to be established",
	StatusMACConnectionFailed:               "MAC connection failed",
	StatusCoarseClockRejected:               "coarse clock adjustment rejected but will try to adjust using clock dragging",
	StatusSubmapNotDefined:                  "type0 submap not defined",
	StatusUnknownAdvertisingID:              "unknown advertising identifier",
	StatusLimitReached:                      "limit reached",
	StatusCanceledByHost:                    "operation canceled by host",
	StatusPacketTooLong:                     "packet too long",
	StatusTooLate:                           "too late",
	StatusTooEarly:                          "too early",
	StatusInsufficientChannels:              "insufficient channels",
}

// String returns the name and the value of s, such as "connection timeout (0x08)". A
// code without a name is "error 0xXX".
func (s Status) String() string {
	if int(s) < len(statusNames) && statusNames[s] != "" {
		return fmt.Sprintf("%s (0x%02x)", statusNames[s], uint8(s))
	}
	return fmt.Sprintf("error 0x%02x", uint8(s))
}

// Error returns the same text as String.
func (s Status) Error() string { return s.String() }
