package hci

import "fmt"

// Opcode is the number of an HCI command: six bits for its group (OGF) and ten bits
// for the command in the group (OCF) (Vol 4, Part E, 5.4.1).
type Opcode uint16

// The opcodes of the commands that have a struct in this package.
const (
	OpDisconnect                                      Opcode = 0x0406
	OpReadRemoteVersionInformation                    Opcode = 0x041D
	OpSetEventMask                                    Opcode = 0x0C01
	OpReset                                           Opcode = 0x0C03
	OpReadTransmitPowerLevel                          Opcode = 0x0C2D
	OpSetEventMaskPage2                               Opcode = 0x0C63
	OpWriteLEHostSupport                              Opcode = 0x0C6D
	OpReadLocalVersionInformation                     Opcode = 0x1001
	OpReadLocalSupportedCommands                      Opcode = 0x1002
	OpReadLocalSupportedFeatures                      Opcode = 0x1003
	OpReadBufferSize                                  Opcode = 0x1005
	OpReadBDADDR                                      Opcode = 0x1009
	OpReadRSSI                                        Opcode = 0x1405
	OpLESetEventMask                                  Opcode = 0x2001
	OpLEReadBufferSize                                Opcode = 0x2002
	OpLEReadLocalSupportedFeatures                    Opcode = 0x2003
	OpLESetRandomAddress                              Opcode = 0x2005
	OpLESetAdvertisingParameters                      Opcode = 0x2006
	OpLEReadAdvertisingPhysicalChannelTxPower         Opcode = 0x2007
	OpLESetAdvertisingData                            Opcode = 0x2008
	OpLESetScanResponseData                           Opcode = 0x2009
	OpLESetAdvertisingEnable                          Opcode = 0x200A
	OpLESetScanParameters                             Opcode = 0x200B
	OpLESetScanEnable                                 Opcode = 0x200C
	OpLECreateConnection                              Opcode = 0x200D
	OpLECreateConnectionCancel                        Opcode = 0x200E
	OpLEReadFilterAcceptListSize                      Opcode = 0x200F
	OpLEClearFilterAcceptList                         Opcode = 0x2010
	OpLEAddDeviceToFilterAcceptList                   Opcode = 0x2011
	OpLERemoveDeviceFromFilterAcceptList              Opcode = 0x2012
	OpLEConnectionUpdate                              Opcode = 0x2013
	OpLESetHostChannelClassification                  Opcode = 0x2014
	OpLEReadChannelMap                                Opcode = 0x2015
	OpLEReadRemoteFeatures                            Opcode = 0x2016
	OpLEEncrypt                                       Opcode = 0x2017
	OpLERand                                          Opcode = 0x2018
	OpLEEnableEncryption                              Opcode = 0x2019
	OpLELongTermKeyRequestReply                       Opcode = 0x201A
	OpLELongTermKeyRequestNegativeReply               Opcode = 0x201B
	OpLEReadSupportedStates                           Opcode = 0x201C
	OpLERemoteConnectionParameterRequestReply         Opcode = 0x2020
	OpLERemoteConnectionParameterRequestNegativeReply Opcode = 0x2021
	OpLESetDataLength                                 Opcode = 0x2022
	OpLEReadSuggestedDefaultDataLength                Opcode = 0x2023
	OpLEWriteSuggestedDefaultDataLength               Opcode = 0x2024
	OpLEReadLocalP256PublicKey                        Opcode = 0x2025
	OpLEGenerateDHKey                                 Opcode = 0x2026
	OpLEAddDeviceToResolvingList                      Opcode = 0x2027
	OpLERemoveDeviceFromResolvingList                 Opcode = 0x2028
	OpLEClearResolvingList                            Opcode = 0x2029
	OpLEReadResolvingListSize                         Opcode = 0x202A
	OpLESetAddressResolutionEnable                    Opcode = 0x202D
	OpLESetResolvablePrivateAddressTimeout            Opcode = 0x202E
	OpLEReadMaximumDataLength                         Opcode = 0x202F
	OpLEReadPHY                                       Opcode = 0x2030
	OpLESetDefaultPHY                                 Opcode = 0x2031
	OpLESetPHY                                        Opcode = 0x2032
	OpLESetAdvertisingSetRandomAddress                Opcode = 0x2035
	OpLESetExtendedAdvertisingParameters              Opcode = 0x2036
	OpLESetExtendedAdvertisingData                    Opcode = 0x2037
	OpLESetExtendedScanResponseData                   Opcode = 0x2038
	OpLESetExtendedAdvertisingEnable                  Opcode = 0x2039
	OpLEReadMaximumAdvertisingDataLength              Opcode = 0x203A
	OpLEReadNumberOfSupportedAdvertisingSets          Opcode = 0x203B
	OpLERemoveAdvertisingSet                          Opcode = 0x203C
	OpLEClearAdvertisingSets                          Opcode = 0x203D
	OpLESetPeriodicAdvertisingParameters              Opcode = 0x203E
	OpLESetPeriodicAdvertisingData                    Opcode = 0x203F
	OpLESetPeriodicAdvertisingEnable                  Opcode = 0x2040
	OpLESetExtendedScanParameters                     Opcode = 0x2041
	OpLESetExtendedScanEnable                         Opcode = 0x2042
	OpLEExtendedCreateConnection                      Opcode = 0x2043
	OpLEPeriodicAdvertisingCreateSync                 Opcode = 0x2044
	OpLEPeriodicAdvertisingCreateSyncCancel           Opcode = 0x2045
	OpLEPeriodicAdvertisingTerminateSync              Opcode = 0x2046
	OpLEReadTransmitPower                             Opcode = 0x204B
	OpLESetPrivacyMode                                Opcode = 0x204E
	OpLEReadBufferSizeV2                              Opcode = 0x2060
	OpLEReadAllLocalSupportedFeatures                 Opcode = 0x2087
)

// OGF returns the group: 1 link control, 3 controller and baseband, 4 information, 5
// status, 8 LE, 0x3F vendor specific.
func (o Opcode) OGF() uint8 { return uint8(o >> 10) }

// OCF returns the number of the command in its group, 0 to 0x3FF.
func (o Opcode) OCF() uint16 { return uint16(o & 0x3FF) }

// String returns the name of the command in the specification, such as "LE Read Buffer
// Size", or "command 0xXXXX" if it has no struct in this package.
func (o Opcode) String() string {
	if s, ok := opcodeNames[o]; ok {
		return s
	}
	return fmt.Sprintf("command 0x%04x", uint16(o))
}

var opcodeNames = map[Opcode]string{
	OpDisconnect:                                      "Disconnect",
	OpReadRemoteVersionInformation:                    "Read Remote Version Information",
	OpSetEventMask:                                    "Set Event Mask",
	OpReset:                                           "Reset",
	OpReadTransmitPowerLevel:                          "Read Transmit Power Level",
	OpSetEventMaskPage2:                               "Set Event Mask Page 2",
	OpWriteLEHostSupport:                              "Write LE Host Support",
	OpReadLocalVersionInformation:                     "Read Local Version Information",
	OpReadLocalSupportedCommands:                      "Read Local Supported Commands",
	OpReadLocalSupportedFeatures:                      "Read Local Supported Features",
	OpReadBufferSize:                                  "Read Buffer Size",
	OpReadBDADDR:                                      "Read BD_ADDR",
	OpReadRSSI:                                        "Read RSSI",
	OpLESetEventMask:                                  "LE Set Event Mask",
	OpLEReadBufferSize:                                "LE Read Buffer Size",
	OpLEReadLocalSupportedFeatures:                    "LE Read Local Supported Features",
	OpLESetRandomAddress:                              "LE Set Random Address",
	OpLESetAdvertisingParameters:                      "LE Set Advertising Parameters",
	OpLEReadAdvertisingPhysicalChannelTxPower:         "LE Read Advertising Physical Channel Tx Power",
	OpLESetAdvertisingData:                            "LE Set Advertising Data",
	OpLESetScanResponseData:                           "LE Set Scan Response Data",
	OpLESetAdvertisingEnable:                          "LE Set Advertising Enable",
	OpLESetScanParameters:                             "LE Set Scan Parameters",
	OpLESetScanEnable:                                 "LE Set Scan Enable",
	OpLECreateConnection:                              "LE Create Connection",
	OpLECreateConnectionCancel:                        "LE Create Connection Cancel",
	OpLEReadFilterAcceptListSize:                      "LE Read Filter Accept List Size",
	OpLEClearFilterAcceptList:                         "LE Clear Filter Accept List",
	OpLEAddDeviceToFilterAcceptList:                   "LE Add Device To Filter Accept List",
	OpLERemoveDeviceFromFilterAcceptList:              "LE Remove Device From Filter Accept List",
	OpLEConnectionUpdate:                              "LE Connection Update",
	OpLESetHostChannelClassification:                  "LE Set Host Channel Classification",
	OpLEReadChannelMap:                                "LE Read Channel Map",
	OpLEReadRemoteFeatures:                            "LE Read Remote Features",
	OpLEEncrypt:                                       "LE Encrypt",
	OpLERand:                                          "LE Rand",
	OpLEEnableEncryption:                              "LE Enable Encryption",
	OpLELongTermKeyRequestReply:                       "LE Long Term Key Request Reply",
	OpLELongTermKeyRequestNegativeReply:               "LE Long Term Key Request Negative Reply",
	OpLEReadSupportedStates:                           "LE Read Supported States",
	OpLERemoteConnectionParameterRequestReply:         "LE Remote Connection Parameter Request Reply",
	OpLERemoteConnectionParameterRequestNegativeReply: "LE Remote Connection Parameter Request Negative Reply",
	OpLESetDataLength:                                 "LE Set Data Length",
	OpLEReadSuggestedDefaultDataLength:                "LE Read Suggested Default Data Length",
	OpLEWriteSuggestedDefaultDataLength:               "LE Write Suggested Default Data Length",
	OpLEReadLocalP256PublicKey:                        "LE Read Local P-256 Public Key",
	OpLEGenerateDHKey:                                 "LE Generate DHKey",
	OpLEAddDeviceToResolvingList:                      "LE Add Device To Resolving List",
	OpLERemoveDeviceFromResolvingList:                 "LE Remove Device From Resolving List",
	OpLEClearResolvingList:                            "LE Clear Resolving List",
	OpLEReadResolvingListSize:                         "LE Read Resolving List Size",
	OpLESetAddressResolutionEnable:                    "LE Set Address Resolution Enable",
	OpLESetResolvablePrivateAddressTimeout:            "LE Set Resolvable Private Address Timeout",
	OpLEReadMaximumDataLength:                         "LE Read Maximum Data Length",
	OpLEReadPHY:                                       "LE Read PHY",
	OpLESetDefaultPHY:                                 "LE Set Default PHY",
	OpLESetPHY:                                        "LE Set PHY",
	OpLESetAdvertisingSetRandomAddress:                "LE Set Advertising Set Random Address",
	OpLESetExtendedAdvertisingParameters:              "LE Set Extended Advertising Parameters",
	OpLESetExtendedAdvertisingData:                    "LE Set Extended Advertising Data",
	OpLESetExtendedScanResponseData:                   "LE Set Extended Scan Response Data",
	OpLESetExtendedAdvertisingEnable:                  "LE Set Extended Advertising Enable",
	OpLEReadMaximumAdvertisingDataLength:              "LE Read Maximum Advertising Data Length",
	OpLEReadNumberOfSupportedAdvertisingSets:          "LE Read Number of Supported Advertising Sets",
	OpLERemoveAdvertisingSet:                          "LE Remove Advertising Set",
	OpLEClearAdvertisingSets:                          "LE Clear Advertising Sets",
	OpLESetPeriodicAdvertisingParameters:              "LE Set Periodic Advertising Parameters",
	OpLESetPeriodicAdvertisingData:                    "LE Set Periodic Advertising Data",
	OpLESetPeriodicAdvertisingEnable:                  "LE Set Periodic Advertising Enable",
	OpLESetExtendedScanParameters:                     "LE Set Extended Scan Parameters",
	OpLESetExtendedScanEnable:                         "LE Set Extended Scan Enable",
	OpLEExtendedCreateConnection:                      "LE Extended Create Connection",
	OpLEPeriodicAdvertisingCreateSync:                 "LE Periodic Advertising Create Sync",
	OpLEPeriodicAdvertisingCreateSyncCancel:           "LE Periodic Advertising Create Sync Cancel",
	OpLEPeriodicAdvertisingTerminateSync:              "LE Periodic Advertising Terminate Sync",
	OpLEReadTransmitPower:                             "LE Read Transmit Power",
	OpLESetPrivacyMode:                                "LE Set Privacy Mode",
	OpLEReadBufferSizeV2:                              "LE Read Buffer Size [v2]",
	OpLEReadAllLocalSupportedFeatures:                 "LE Read All Local Supported Features",
}
