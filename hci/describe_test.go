package hci

import (
	"strings"
	"testing"
)

func TestDescribe(t *testing.T) {
	for _, c := range []struct{ packet, want string }{
		{"", "empty packet"},
		{"01 030c 00", "> Reset"},
		{"01 0604 03 4000 13", "> Disconnect Handle=0x0040 Reason=remote user terminated connection (0x13)"},
		{"01 0d20 19 6000 3000 00 01 010000eeffc0 00 1800 2800 0000 a401 0000 0000",
			"> LE Create Connection ScanInterval=60ms ScanWindow=30ms FilterPolicy=0 Peer=C0:FF:EE:00:00:01/random OwnAddrKind=public" +
				" Params={IntervalMin=30ms IntervalMax=50ms Latency=0 Timeout=4.2s} CELengthMin=0s CELengthMax=0s"},
		{"01 1a20 12 4000" + keyHex, "> LE Long Term Key Request Reply Handle=0x0040 Key=(secret)"},
		{"01 01fc 02 0102", "> command 0xfc01 01 02"},
		{"01 0604 03 40", "> hci: command packet: input too short [06 04 03 40]"},
		{"04 05 04 00 4000 08", "< Disconnection Complete Status=success (0x00) Handle=0x0040 Reason=connection timeout (0x08)"},
		{"04 0e 07 01 0220 00 1b00 01", "< Command Complete: LE Read Buffer Size: success (0x00) ACLLen=27 ACLNum=1 packets=1"},
		{"04 0e 05 01 0f20 00 08", "< Command Complete: LE Read Filter Accept List Size: success (0x00) 8 packets=1"},
		{"04 0e 0a 01 0910 00 060504030201", "< Command Complete: Read BD_ADDR: success (0x00) 01:02:03:04:05:06 packets=1"},
		{"04 0e 0c 01 1820 00 0102030405060708", "< Command Complete: LE Rand: success (0x00) Number=(secret) packets=1"},
		{"04 0e 05 01 0220 00 1b", "< Command Complete: LE Read Buffer Size: success (0x00), return parameters too short packets=1"},
		{"04 0e 04 01 0220 0c", "< Command Complete: LE Read Buffer Size: command disallowed (0x0c) packets=1"},
		{"04 0e 05 01 01fc 00 09", "< Command Complete: command 0xfc01: success (0x00) 09 packets=1"},
		{"04 0e 03 01 0220", "< Command Complete: LE Read Buffer Size: no status packets=1"},
		{"04 0e 03 05 0000", "< Command Complete: no command packets=5"},
		{"04 0f 04 00 01 0d20", "< Command Status: LE Create Connection: success (0x00) packets=1"},
		{"04 13 05 01 4000 0200", "< Number Of Completed Packets Counts=[{Handle=0x0040 Count=2}]"},
		{"04 3e 0f 02 01 00 01 010000eeffc0 03 020106 ce", "< LE Advertising Report Reports=[{Type=0 Addr=C0:FF:EE:00:00:01/random Data=01:06 RSSI=-50}]"},
		{"04 3e 22 09 00" + point32, "< LE Generate DHKey Complete Status=success (0x00) Key=(secret)"},
		{"04 3e 02 fe 09", "< LE event 0xfe Code=62 Subevent=254 Data=09"},
		{"02 4020 0300 d1d2d3", "ACL data handle=0x0040 start 3 octets"},
		{"02 4010 0300 d1d2d3", "ACL data handle=0x0040 continued 3 octets"},
		{"02 4010 0300 d1", "hci: ACL data packet: input too short [40 10 03 00 d1]"},
		{"05 4000 0000", "ISO data, 4 octets"},
		{"09 01", "packet type 0x09, 1 octets"},
	} {
		if got := Describe(unhex(t, c.packet)); got != c.want {
			t.Errorf("%s:\n%s, want\n%s", c.packet, got, c.want)
		}
	}
}

// TestDescribeTakesAnything describes every sample, whole and truncated. No key may
// appear.
func TestDescribeTakesAnything(t *testing.T) {
	var packets [][]byte
	for _, s := range commandSamples() {
		b, err := AppendCommand(nil, s.cmd)
		if err != nil {
			t.Fatal(err)
		}
		packets = append(packets, b)
		if s.ret != nil {
			packets = append(packets, AppendCommandComplete([]byte{4}, 1, s.op, StatusSuccess, s.ret))
		}
	}
	for _, s := range eventSamples() {
		packets = append(packets, AppendEvent([]byte{4}, s.ev))
	}
	for _, p := range packets {
		text := Describe(p)
		if !strings.HasPrefix(text, "> ") && !strings.HasPrefix(text, "< ") || strings.Contains(text, "\n") {
			t.Errorf("% x is described as %q", p, text)
		}
		for n := range len(p) + 1 {
			text := Describe(p[:n])
			if text == "" || strings.Contains(text, keyHex[:16]) || strings.Contains(text, "01 02 03 04 05 06 07") {
				t.Errorf("% x is described as %q, which is nothing or shows a key", p[:n], text)
			}
		}
	}
}
