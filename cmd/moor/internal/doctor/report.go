package doctor

// Finding is the result of one check.
type Finding struct {
	// Check says what was looked at: "capability", "hci0 rfkill".
	Check string
	// OK is false for what keeps Bluetooth from working, or a part of it.
	OK     bool
	Detail string // what was found
	Remedy string // what to do about it; empty when there is nothing to do
}

// Report is what Run found, in the order in which it looked: from the kernel
// to the adapter.
type Report struct {
	// OK says that a controller could be opened and answered.
	OK       bool
	Findings []Finding
}

func (r *Report) addGood(check, detail string) {
	r.Findings = append(r.Findings, Finding{Check: check, OK: true, Detail: detail})
}

func (r *Report) addBad(check, detail, remedy string) {
	r.Findings = append(r.Findings, Finding{Check: check, Detail: detail, Remedy: remedy})
}
