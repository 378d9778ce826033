package hci

import (
	"errors"
	"testing"
	"time"
)

// TestCommandsRejectWhatDoesNotFit encodes the values next to the bounds of each
// kind of field.
func TestCommandsRejectWhatDoesNotFit(t *testing.T) {
	conn := func(change func(p *ConnParams)) Params {
		p := ConnParams{IntervalMin: 30 * ms, IntervalMax: 50 * ms, Timeout: 4 * time.Second}
		change(&p)
		return LEConnectionUpdate{Handle: 1, Params: p}
	}
	scan := func(interval, window time.Duration) Params {
		return LESetScanParameters{Interval: interval, Window: window}
	}
	adv := func(change func(c *LESetAdvertisingParameters)) Params {
		c := LESetAdvertisingParameters{IntervalMin: 100 * ms, IntervalMax: 100 * ms, ChannelMap: 7}
		change(&c)
		return c
	}
	ext := func(change func(c *LESetExtendedAdvertisingParameters)) Params {
		c := LESetExtendedAdvertisingParameters{IntervalMin: 100 * ms, IntervalMax: 100 * ms, ChannelMap: 7, PrimaryPHY: PHY1M, SecondaryPHY: PHY1M}
		change(&c)
		return c
	}
	initiating := InitiatingPHY{ScanInterval: 60 * ms, ScanWindow: 60 * ms, Params: sampleParams}
	for _, c := range []struct {
		cmd   Params
		field string // "" if it fits
		text  string // the whole error, where given
	}{
		{Disconnect{Handle: 0x0EFF}, "", ""},
		{Disconnect{Handle: 0x0F00}, "Connection_Handle", "hci: Disconnect: Connection_Handle is 0x0f00, want 0x0000 to 0x0eff"},
		{conn(func(p *ConnParams) { p.IntervalMin, p.IntervalMax = 7500*us, 7500*us }), "", ""},
		{conn(func(p *ConnParams) { p.IntervalMin = 6250 * us }), "Connection_Interval_Min", "hci: LE Connection Update: Connection_Interval_Min is 6.25ms, want 7.5ms to 4s in steps of 1.25ms"},
		{conn(func(p *ConnParams) { p.IntervalMin = 8 * ms }), "Connection_Interval_Min", ""},
		{conn(func(p *ConnParams) { p.IntervalMax, p.Timeout = 4*time.Second, 32*time.Second }), "", ""},
		{conn(func(p *ConnParams) { p.IntervalMax, p.Timeout = 4001250*us, 32*time.Second }), "Connection_Interval_Max", ""},
		{conn(func(p *ConnParams) { p.IntervalMin = 51250 * us }), "Connection_Interval_Min", "hci: LE Connection Update: Connection_Interval_Min is 51.25ms, want at most Connection_Interval_Max, 50ms"},
		{conn(func(p *ConnParams) {
			p.IntervalMin, p.IntervalMax, p.Latency, p.Timeout = 20*ms, 20*ms, 499, 32*time.Second
		}), "", ""},
		{conn(func(p *ConnParams) { p.Latency, p.Timeout = 500, 32*time.Second }), "Max_Latency", "hci: LE Connection Update: Max_Latency is 500, want 0 to 499 connection events"},
		{conn(func(p *ConnParams) { p.IntervalMin, p.IntervalMax, p.Timeout = 7500*us, 7500*us, 100*ms }), "", ""},
		{conn(func(p *ConnParams) { p.IntervalMin, p.IntervalMax, p.Timeout = 7500*us, 7500*us, 90*ms }), "Supervision_Timeout", ""},
		{conn(func(p *ConnParams) { p.Timeout = 105 * ms }), "Supervision_Timeout", ""},
		{conn(func(p *ConnParams) { p.Timeout = 32010 * ms }), "Supervision_Timeout", ""},
		{conn(func(p *ConnParams) { p.Latency, p.Timeout = 3, 410*ms }), "", ""},
		{conn(func(p *ConnParams) { p.Latency, p.Timeout = 3, 400*ms }), "Supervision_Timeout", "hci: LE Connection Update: Supervision_Timeout is 400ms, want more than 400ms, (1 + Max_Latency) * Connection_Interval_Max * 2"},
		{LEConnectionUpdate{Handle: 1, Params: sampleParams, CELengthMin: 1250 * us, CELengthMax: 625 * us}, "Min_CE_Length", ""},
		{LEConnectionUpdate{Handle: 1, Params: sampleParams, CELengthMax: -625 * us}, "Max_CE_Length", ""},
		{scan(2500*us, 2500*us), "", ""},
		{scan(2500*us, 1875*us), "LE_Scan_Window", ""},
		{scan(10240*ms, 10240*ms), "", ""},
		{scan(10240625*us, 10*ms), "LE_Scan_Interval", ""},
		{scan(20*ms, 30*ms), "LE_Scan_Window", "hci: LE Set Scan Parameters: LE_Scan_Window is 30ms, want at most LE_Scan_Interval, 20ms"},
		{LESetScanParameters{Interval: 10 * ms, Window: 10 * ms, FilterPolicy: 4}, "Scanning_Filter_Policy", ""},
		{LESetScanParameters{Interval: 10 * ms, Window: 10 * ms, OwnAddrKind: 4}, "Own_Address_Type", ""},
		{LESetExtendedScanParameters{PHYs: PHYs2M, Scanning: make([]ScanningPHY, 1)}, "Scanning_PHYs", ""},
		{LESetExtendedScanParameters{}, "Scanning_PHYs", ""},
		{LESetExtendedScanParameters{PHYs: PHYs1M}, "parameters for Scanning_PHYs", ""},
		{LESetExtendedScanEnable{ResetEachPeriod: true}, "Filter_Duplicates", ""},
		{LESetExtendedScanEnable{Duration: 655360 * ms}, "Duration", ""},
		{LESetExtendedScanEnable{Period: ms}, "Period", ""},
		{LECreateConnection{ScanInterval: 60 * ms, ScanWindow: 60 * ms, Params: sampleParams, FilterPolicy: 2}, "Initiator_Filter_Policy", ""},
		{LECreateConnection{ScanInterval: 60 * ms, ScanWindow: 60 * ms, Params: sampleParams, Peer: Addr{Kind: AddrAnonymous}}, "Peer_Address_Type", ""},
		{LEExtendedCreateConnection{PHYs: 8, Initiating: []InitiatingPHY{initiating}}, "Initiating_PHYs", ""},
		{LEExtendedCreateConnection{PHYs: PHYs1M | PHYs2M, Initiating: []InitiatingPHY{initiating}}, "parameters for Initiating_PHYs", ""},
		{LEAddDeviceToFilterAcceptList{Addr: Addr{Kind: AddrAnonymous}}, "", ""},
		{LEAddDeviceToFilterAcceptList{Addr: Addr{Kind: AddrRandomIdentity}}, "Address_Type", ""},
		{LEAddDeviceToResolvingList{Peer: Addr{Kind: AddrPublicIdentity}}, "Peer_Identity_Address_Type", ""},
		{LESetHostChannelClassification{}, "Channel_Map", ""},
		{LESetHostChannelClassification{Map: ChannelMap{4: 0x20}}, "Channel_Map", ""},
		{LESetDataLength{TXOctets: 26, TXTime: ms}, "TX_Octets", ""},
		{LESetDataLength{TXOctets: 252, TXTime: ms}, "TX_Octets", ""},
		{LESetDataLength{TXOctets: 27, TXTime: 327 * us}, "TX_Time", ""},
		{LESetDataLength{TXOctets: 27, TXTime: 17041 * us}, "TX_Time", ""},
		{LESetPHY{TX: 8}, "TX_PHYS", ""},
		{LESetDefaultPHY{RX: 8}, "RX_PHYS", ""},
		{adv(func(c *LESetAdvertisingParameters) { c.IntervalMin = 19375 * us }), "Advertising_Interval_Min", ""},
		{adv(func(c *LESetAdvertisingParameters) { c.IntervalMin = 101250 * us }), "Advertising_Interval_Min", ""},
		{adv(func(c *LESetAdvertisingParameters) { c.IntervalMin, c.IntervalMax, c.Type = 0, 0, AdvDirectInd }), "", ""},
		{adv(func(c *LESetAdvertisingParameters) { c.Type = 5 }), "Advertising_Type", ""},
		{adv(func(c *LESetAdvertisingParameters) { c.ChannelMap = 0 }), "Advertising_Channel_Map", ""},
		{adv(func(c *LESetAdvertisingParameters) { c.ChannelMap = 8 }), "Advertising_Channel_Map", ""},
		{adv(func(c *LESetAdvertisingParameters) { c.FilterPolicy = 4 }), "Advertising_Filter_Policy", ""},
		{LESetAdvertisingData{Data: make([]byte, 31)}, "", ""},
		{LESetAdvertisingData{Data: make([]byte, 32)}, "length of Advertising_Data", "hci: LE Set Advertising Data: length of Advertising_Data is 32, want at most 31 octets"},
		{LESetScanResponseData{Data: make([]byte, 32)}, "length of Scan_Response_Data", ""},
		{LESetExtendedAdvertisingData{Data: make([]byte, 251)}, "", ""},
		{LESetExtendedAdvertisingData{Data: make([]byte, 252)}, "length of Advertising_Data", ""},
		{LESetExtendedAdvertisingData{Operation: 5}, "Operation", ""},
		{LESetExtendedScanResponseData{Handle: 0xF0}, "Advertising_Handle", ""},
		{ext(func(c *LESetExtendedAdvertisingParameters) {}), "", ""},
		{ext(func(c *LESetExtendedAdvertisingParameters) { c.Properties = 1 << 7 }), "Advertising_Event_Properties", ""},
		{ext(func(c *LESetExtendedAdvertisingParameters) { c.IntervalMax = 0x1000000 * us625 }), "Primary_Advertising_Interval_Max", ""},
		{ext(func(c *LESetExtendedAdvertisingParameters) { c.IntervalMax = 0xFFFFFF * us625 }), "", ""},
		{ext(func(c *LESetExtendedAdvertisingParameters) { c.TxPower = 21 }), "Advertising_TX_Power", ""},
		{ext(func(c *LESetExtendedAdvertisingParameters) { c.TxPower = 127 }), "", ""},
		{ext(func(c *LESetExtendedAdvertisingParameters) { c.PrimaryPHY = PHY2M }), "Primary_Advertising_PHY", ""},
		{ext(func(c *LESetExtendedAdvertisingParameters) { c.SecondaryPHY = 0 }), "Secondary_Advertising_PHY", ""},
		{ext(func(c *LESetExtendedAdvertisingParameters) { c.SID = 16 }), "Advertising_SID", ""},
		{LESetExtendedAdvertisingEnable{}, "", ""},
		{LESetExtendedAdvertisingEnable{Enable: true}, "Num_Sets", ""},
		{LESetExtendedAdvertisingEnable{Enable: true, Sets: make([]AdvertisingSet, 63)}, "", ""},
		{LESetExtendedAdvertisingEnable{Enable: true, Sets: make([]AdvertisingSet, 64)}, "Num_Sets", ""},
		{LESetPeriodicAdvertisingParameters{IntervalMin: 6250 * us, IntervalMax: 100 * ms}, "Periodic_Advertising_Interval_Min", ""},
		{LESetPeriodicAdvertisingParameters{IntervalMin: 101250 * us, IntervalMax: 100 * ms}, "Periodic_Advertising_Interval_Min", ""},
		{LESetPeriodicAdvertisingParameters{Handle: 0xF0, IntervalMin: 100 * ms, IntervalMax: 100 * ms}, "Advertising_Handle", ""},
		{LESetPeriodicAdvertisingData{Data: make([]byte, 252)}, "", ""},
		{LESetPeriodicAdvertisingData{Data: make([]byte, 253)}, "length of Advertising_Data", ""},
		{LESetPeriodicAdvertisingData{Operation: 5}, "Operation", ""},
		{LESetPeriodicAdvertisingEnable{Handle: 0xF0}, "Advertising_Handle", ""},
		{LEPeriodicAdvertisingCreateSync{Timeout: 100 * ms}, "", ""},
		{LEPeriodicAdvertisingCreateSync{Timeout: 90 * ms}, "Sync_Timeout", ""},
		{LEPeriodicAdvertisingCreateSync{Timeout: 163850 * ms}, "Sync_Timeout", ""},
		{LEPeriodicAdvertisingCreateSync{Timeout: time.Second, Skip: 500}, "Skip", ""},
		{LEPeriodicAdvertisingCreateSync{Timeout: time.Second, SID: 16}, "Advertising_SID", ""},
		{LEPeriodicAdvertisingCreateSync{Timeout: time.Second, Advertiser: Addr{Kind: AddrPublicIdentity}}, "Peer_Identity_Address_Type", ""},
		{LEPeriodicAdvertisingTerminateSync{Sync: 0x0F00}, "Sync_Handle", ""},
		{LESetResolvablePrivateAddressTimeout{}, "RPA_Timeout", ""},
		{LESetResolvablePrivateAddressTimeout{Timeout: time.Hour}, "", ""},
		{LESetResolvablePrivateAddressTimeout{Timeout: time.Hour + time.Second}, "RPA_Timeout", ""},
	} {
		b, err := AppendCommand(nil, c.cmd)
		if c.field == "" {
			if err != nil {
				t.Errorf("%+v: %v", c.cmd, err)
			}
			continue
		}
		e, ok := errors.AsType[*ParamError](err)
		if !ok || b != nil || e.Field != c.field || e.Op != c.cmd.Opcode() {
			t.Errorf("%T %+v: % x, %v, want an error about %s", c.cmd, c.cmd, b, err, c.field)
		} else if c.text != "" && err.Error() != c.text {
			t.Errorf("error text %q, want %q", err, c.text)
		}
	}
}

func TestConnParamsValidate(t *testing.T) {
	if err := sampleParams.Validate(); err != nil {
		t.Error(err)
	}
	err := ConnParams{}.Validate()
	if want := "hci: Connection_Interval_Min is 0s, want 7.5ms to 4s in steps of 1.25ms"; err == nil || err.Error() != want {
		t.Errorf("Validate of the zero value = %v, want %s", err, want)
	}
}
