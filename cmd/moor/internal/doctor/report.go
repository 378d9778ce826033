package doctor

// Finding is the result of one check.
type Finding struct {
	// Check names the check: "capability", "hci0 rfkill".
	Check string
	// OK is false if this keeps Bluetooth, or a part of it, from working.
	OK     bool
	Detail string // the result
	Remedy string // empty if there is nothing to do
}

// Report is the result of Run. Its findings are in the order of the checks: from the
// kernel to the adapter.
type Report struct {
	// OK reports whether an adapter could be opened and answered. An adapter that was
	// named and has links of other programs counts, although it is not opened.
	OK       bool
	Findings []Finding
}

func (r *Report) addGood(check, detail string) {
	r.Findings = append(r.Findings, Finding{Check: check, OK: true, Detail: detail})
}

func (r *Report) addBad(check, detail, remedy string) {
	r.Findings = append(r.Findings, Finding{Check: check, Detail: detail, Remedy: remedy})
}
