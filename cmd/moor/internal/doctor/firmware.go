package doctor

import "strings"

// maxFirmwareLines bounds the lines of the log that are shown: drivers try several
// file names, each with a line.
const maxFirmwareLines = 4

const linuxFirmware = "install the firmware (Debian: firmware-realtek, firmware-iwlwifi, firmware-brcm80211; " +
	"others: linux-firmware), then plug the adapter in again or reboot"

func checkFirmware(env *Env, r *Report) {
	const check = "firmware"
	lines, err := env.KernelLog()
	if err != nil {
		r.addGood(check, "unknown: the kernel log can be read by root only")
		return
	}
	var missing []string
	for _, l := range lines {
		if firmwareMissing(l) && len(missing) < maxFirmwareLines {
			missing = append(missing, strings.TrimSpace(l))
		}
	}
	if len(missing) == 0 {
		r.addGood(check, "the kernel log reports none missing")
		return
	}
	r.addBad(check, strings.Join(missing, "; "), linuxFirmware)
}

// firmwareMissing reports whether a line of the kernel log says that a Bluetooth
// driver did not find its firmware. Each driver (btrtl, btintel, btbcm, btqca, btmtk)
// and the firmware loader have words of their own.
func firmwareMissing(line string) bool {
	l := strings.ToLower(line)
	if !strings.Contains(l, "bluetooth") && !strings.Contains(l, "btusb") {
		return false
	}
	for _, words := range []string{
		"direct firmware load for",      // the loader: "... failed with error -2"
		"failed to load intel firmware", // btintel
		"firmware file",                 // btrtl: "RTL: firmware file ... not found"
		"patch file not found",          // btbcm
		"patch not found",               // btbcm, older
		"failed to load firmware file",  // btmtk
		"failed to request file",        // btqca: "QCA Failed to request file: ... (-2)"
		"failed to open firmware file",  // btmtk
		"failed to load rampatch",       // btusb, QCA
		"don't have required rampatch",  // btusb, QCA
	} {
		if strings.Contains(l, words) && saysFailure(l) {
			return true
		}
	}
	return false
}

// saysFailure reports whether l reports a failure, not a success in the same words,
// such as btintel's "Found device firmware: ...".
func saysFailure(l string) bool {
	for _, word := range []string{"fail", "not found", "don't have", "error"} {
		if strings.Contains(l, word) {
			return true
		}
	}
	return false
}
