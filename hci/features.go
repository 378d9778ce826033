package hci

import (
	"fmt"
	"math/bits"
	"strings"

	"github.com/moor-ble/moor/internal/wire"
)

// Features is page 0 of the link layer features, one bit each (Vol 6, Part B, 4.6).
type Features uint64

// The features of page 0.
const (
	FeatureEncryption                 Features = 1 << 0
	FeatureConnParamRequest           Features = 1 << 1
	FeatureExtendedReject             Features = 1 << 2
	FeaturePeripheralFeatExchange     Features = 1 << 3
	FeaturePing                       Features = 1 << 4
	FeatureDataLength                 Features = 1 << 5
	FeaturePrivacy                    Features = 1 << 6
	FeatureExtendedScannerFilter      Features = 1 << 7
	Feature2MPHY                      Features = 1 << 8
	FeatureStableModulationTx         Features = 1 << 9
	FeatureStableModulationRx         Features = 1 << 10
	FeatureCodedPHY                   Features = 1 << 11
	FeatureExtendedAdvertising        Features = 1 << 12
	FeaturePeriodicAdvertising        Features = 1 << 13
	FeatureCSA2                       Features = 1 << 14
	FeaturePowerClass1                Features = 1 << 15
	FeatureMinUsedChannels            Features = 1 << 16
	FeatureConnectionCTERequest       Features = 1 << 17
	FeatureConnectionCTEResponse      Features = 1 << 18
	FeatureConnectionlessCTETx        Features = 1 << 19
	FeatureConnectionlessCTERx        Features = 1 << 20
	FeatureAntennaSwitchingTx         Features = 1 << 21
	FeatureAntennaSwitchingRx         Features = 1 << 22
	FeatureReceivingCTE               Features = 1 << 23
	FeatureSyncTransferSender         Features = 1 << 24
	FeatureSyncTransferRecipient      Features = 1 << 25
	FeatureSCAUpdates                 Features = 1 << 26
	FeaturePublicKeyValidation        Features = 1 << 27
	FeatureCISCentral                 Features = 1 << 28
	FeatureCISPeripheral              Features = 1 << 29
	FeatureIsochronousBroadcaster     Features = 1 << 30
	FeatureSynchronizedReceiver       Features = 1 << 31
	FeatureCISHost                    Features = 1 << 32
	FeaturePowerControlRequest        Features = 1 << 33
	FeaturePowerControlRequestToo     Features = 1 << 34
	FeaturePathLossMonitoring         Features = 1 << 35
	FeaturePeriodicADI                Features = 1 << 36
	FeatureConnectionSubrating        Features = 1 << 37
	FeatureConnectionSubratingHost    Features = 1 << 38
	FeatureChannelClassification      Features = 1 << 39
	FeatureAdvCodingSelection         Features = 1 << 40
	FeatureAdvCodingSelectionHost     Features = 1 << 41
	FeatureDecisionBasedFiltering     Features = 1 << 42
	FeaturePAwRAdvertiser             Features = 1 << 43
	FeaturePAwRScanner                Features = 1 << 44
	FeatureUnsegmentedFramed          Features = 1 << 45
	FeatureChannelSounding            Features = 1 << 46
	FeatureChannelSoundingHost        Features = 1 << 47
	FeatureChannelSoundingToneQuality Features = 1 << 48
	FeatureExtendedFeatureSet         Features = 1 << 63 // there are more pages
)

// Has reports whether all features of want are in f.
func (f Features) Has(want Features) bool { return f&want == want }

// String returns the names of the features, separated by commas, or "none".
func (f Features) String() string {
	if f == 0 {
		return "none"
	}
	return strings.Join(f.Names(), ", ")
}

// Names returns the names of the features in the order of their bits. A bit without a
// name is "bit N".
func (f Features) Names() (names []string) {
	for rest := uint64(f); rest != 0; rest &= rest - 1 {
		n := bits.TrailingZeros64(rest)
		switch {
		case n < len(featureNames):
			names = append(names, featureNames[n])
		case n == 63:
			names = append(names, "LL extended feature set")
		default:
			names = append(names, fmt.Sprintf("bit %d", n))
		}
	}
	return names
}

// AppendReturn appends f as the return parameter of a command.
func (f Features) AppendReturn(b []byte) []byte { return wire.AppendU64(b, uint64(f)) }

// featureNames is indexed by the bit.
var featureNames = [...]string{
	"LE encryption",
	"connection parameters request procedure",
	"extended reject indication",
	"peripheral-initiated features exchange",
	"LE ping",
	"LE data packet length extension",
	"LL privacy",
	"extended scanning filter policies",
	"LE 2M PHY",
	"stable modulation index - transmitter",
	"stable modulation index - receiver",
	"LE Coded PHY",
	"LE extended advertising",
	"LE periodic advertising",
	"channel selection algorithm #2",
	"LE power class 1",
	"minimum number of used channels procedure",
	"connection CTE request",
	"connection CTE response",
	"connectionless CTE transmitter",
	"connectionless CTE receiver",
	"antenna switching during CTE transmission (AoD)",
	"antenna switching during CTE reception (AoA)",
	"receiving constant tone extensions",
	"periodic advertising sync transfer - sender",
	"periodic advertising sync transfer - recipient",
	"sleep clock accuracy updates",
	"remote public key validation",
	"connected isochronous stream - central",
	"connected isochronous stream - peripheral",
	"isochronous broadcaster",
	"synchronized receiver",
	"connected isochronous stream (host support)",
	"LE power control request",
	"LE power control request (second bit)",
	"LE path loss monitoring",
	"periodic advertising ADI support",
	"connection subrating",
	"connection subrating (host support)",
	"channel classification",
	"advertising coding selection",
	"advertising coding selection (host support)",
	"decision-based advertising filtering",
	"periodic advertising with responses - advertiser",
	"periodic advertising with responses - scanner",
	"unsegmented framed mode",
	"channel sounding",
	"channel sounding (host support)",
	"channel sounding tone quality indication",
}

// LMPFeatures is page 0 of the LMP features (Vol 2, Part C, 3.3).
type LMPFeatures uint64

// The LMP features that matter to an LE host.
const (
	LMPFeatureNoBREDR LMPFeatures = 1 << 37 // BR/EDR Not Supported
	LMPFeatureLE      LMPFeatures = 1 << 38 // LE Supported (Controller)
)

// Has reports whether all features of want are in f.
func (f LMPFeatures) Has(want LMPFeatures) bool { return f&want == want }

// AppendReturn appends f as the return parameter of a command.
func (f LMPFeatures) AppendReturn(b []byte) []byte { return wire.AppendU64(b, uint64(f)) }
