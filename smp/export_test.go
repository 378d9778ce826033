package smp

// Names that tests of package smp_test need to play a peer: these tests join
// hosts, which import this package.

type (
	Command = command
	AuthReq = authReq

	Features         = features
	PairingRequest   = pairingRequest
	PairingResponse  = pairingResponse
	PairingConfirm   = pairingConfirm
	PairingRandom    = pairingRandom
	PairingFailed    = pairingFailed
	PairingPublicKey = pairingPublicKey
	SecurityRequest  = securityRequest
)

const (
	AuthBonding           = authBonding
	AuthMITM              = authMITM
	AuthSecureConnections = authSecureConnections
	DistIDKey             = distIDKey
)

func ParseCommand(b []byte) (Command, error) { return parseCommand(b) }
