package doctor

import "testing"

func TestFirmwareMissing(t *testing.T) {
	for _, c := range []struct {
		line string
		want bool
	}{
		{"[    5.0] bluetooth hci0: Direct firmware load for rtl_bt/rtl8761bu_fw.bin failed with error -2", true},
		{"[    5.0] Bluetooth: hci0: RTL: firmware file rtl_bt/rtl8761bu_fw.bin not found", true},
		{"[    5.0] Bluetooth: hci0: Failed to load Intel firmware file intel/ibt-20-1-3.sfi (-2)", true},
		{"[    5.0] Bluetooth: hci0: BCM: firmware Patch file not found, tried:", true},
		{"[    5.0] Bluetooth: hci0: QCA Failed to request file: qca/rampatch_usb_00000302.bin (-2)", true},
		{"[    5.0] Bluetooth: hci0: don't have required rampatch version, failed", true},
		{"[    5.0] Bluetooth: hci0: Failed to load firmware file (-2)", true},
		{"[    5.0] Bluetooth: hci0: Found device firmware: intel/ibt-20-1-3.sfi", false},
		{"[    5.0] Bluetooth: hci0: RTL: loading rtl_bt/rtl8761bu_fw.bin", false},
		{"[    5.0] iwlwifi 0000:00:14.3: Direct firmware load for iwlwifi-1.ucode failed with error -2", false},
		{"", false},
	} {
		if got := firmwareMissing(c.line); got != c.want {
			t.Errorf("%q: %v, want %v", c.line, got, c.want)
		}
	}
}
