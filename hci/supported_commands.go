package hci

// SupportedCommands is the set of commands that a controller supports, as a bit field
// (Vol 4, Part E, 6.27).
type SupportedCommands [64]byte

// commandBit is the position of a command in the bit field.
type commandBit struct{ octet, bit uint8 }

// Has reports whether the set contains op. It is false for a command without a struct
// in this package.
func (s *SupportedCommands) Has(op Opcode) bool {
	at, ok := commandBits[op]
	return ok && s[at.octet]>>at.bit&1 == 1
}

// Add adds commands to the set, for controllers in software. It ignores commands
// without a struct in this package.
func (s *SupportedCommands) Add(ops ...Opcode) {
	for _, op := range ops {
		if at, ok := commandBits[op]; ok {
			s[at.octet] |= 1 << at.bit
		}
	}
}

var commandBits = map[Opcode]commandBit{
	OpDisconnect:                                      {0, 5},
	OpReadRemoteVersionInformation:                    {2, 7},
	OpSetEventMask:                                    {5, 6},
	OpReset:                                           {5, 7},
	OpReadTransmitPowerLevel:                          {10, 2},
	OpSetEventMaskPage2:                               {22, 2},
	OpWriteLEHostSupport:                              {24, 6},
	OpReadLocalVersionInformation:                     {14, 3},
	OpReadLocalSupportedCommands:                      {14, 4},
	OpReadLocalSupportedFeatures:                      {14, 5},
	OpReadBufferSize:                                  {14, 7},
	OpReadBDADDR:                                      {15, 1},
	OpReadRSSI:                                        {15, 5},
	OpLESetEventMask:                                  {25, 0},
	OpLEReadBufferSize:                                {25, 1},
	OpLEReadLocalSupportedFeatures:                    {25, 2},
	OpLESetRandomAddress:                              {25, 4},
	OpLESetAdvertisingParameters:                      {25, 5},
	OpLEReadAdvertisingPhysicalChannelTxPower:         {25, 6},
	OpLESetAdvertisingData:                            {25, 7},
	OpLESetScanResponseData:                           {26, 0},
	OpLESetAdvertisingEnable:                          {26, 1},
	OpLESetScanParameters:                             {26, 2},
	OpLESetScanEnable:                                 {26, 3},
	OpLECreateConnection:                              {26, 4},
	OpLECreateConnectionCancel:                        {26, 5},
	OpLEReadFilterAcceptListSize:                      {26, 6},
	OpLEClearFilterAcceptList:                         {26, 7},
	OpLEAddDeviceToFilterAcceptList:                   {27, 0},
	OpLERemoveDeviceFromFilterAcceptList:              {27, 1},
	OpLEConnectionUpdate:                              {27, 2},
	OpLESetHostChannelClassification:                  {27, 3},
	OpLEReadChannelMap:                                {27, 4},
	OpLEReadRemoteFeatures:                            {27, 5},
	OpLEEncrypt:                                       {27, 6},
	OpLERand:                                          {27, 7},
	OpLEEnableEncryption:                              {28, 0},
	OpLELongTermKeyRequestReply:                       {28, 1},
	OpLELongTermKeyRequestNegativeReply:               {28, 2},
	OpLEReadSupportedStates:                           {28, 3},
	OpLERemoteConnectionParameterRequestReply:         {33, 4},
	OpLERemoteConnectionParameterRequestNegativeReply: {33, 5},
	OpLESetDataLength:                                 {33, 6},
	OpLEReadSuggestedDefaultDataLength:                {33, 7},
	OpLEWriteSuggestedDefaultDataLength:               {34, 0},
	OpLEReadLocalP256PublicKey:                        {34, 1},
	OpLEGenerateDHKey:                                 {34, 2},
	OpLEAddDeviceToResolvingList:                      {34, 3},
	OpLERemoveDeviceFromResolvingList:                 {34, 4},
	OpLEClearResolvingList:                            {34, 5},
	OpLEReadResolvingListSize:                         {34, 6},
	OpLESetAddressResolutionEnable:                    {35, 1},
	OpLESetResolvablePrivateAddressTimeout:            {35, 2},
	OpLEReadMaximumDataLength:                         {35, 3},
	OpLEReadPHY:                                       {35, 4},
	OpLESetDefaultPHY:                                 {35, 5},
	OpLESetPHY:                                        {35, 6},
	OpLESetAdvertisingSetRandomAddress:                {36, 1},
	OpLESetExtendedAdvertisingParameters:              {36, 2},
	OpLESetExtendedAdvertisingData:                    {36, 3},
	OpLESetExtendedScanResponseData:                   {36, 4},
	OpLESetExtendedAdvertisingEnable:                  {36, 5},
	OpLEReadMaximumAdvertisingDataLength:              {36, 6},
	OpLEReadNumberOfSupportedAdvertisingSets:          {36, 7},
	OpLERemoveAdvertisingSet:                          {37, 0},
	OpLEClearAdvertisingSets:                          {37, 1},
	OpLESetPeriodicAdvertisingParameters:              {37, 2},
	OpLESetPeriodicAdvertisingData:                    {37, 3},
	OpLESetPeriodicAdvertisingEnable:                  {37, 4},
	OpLESetExtendedScanParameters:                     {37, 5},
	OpLESetExtendedScanEnable:                         {37, 6},
	OpLEExtendedCreateConnection:                      {37, 7},
	OpLEPeriodicAdvertisingCreateSync:                 {38, 0},
	OpLEPeriodicAdvertisingCreateSyncCancel:           {38, 1},
	OpLEPeriodicAdvertisingTerminateSync:              {38, 2},
	OpLEReadTransmitPower:                             {38, 7},
	OpLESetPrivacyMode:                                {39, 2},
	OpLEReadBufferSizeV2:                              {41, 5},
	OpLEReadAllLocalSupportedFeatures:                 {47, 2},
}
