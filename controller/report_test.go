package controller

import "testing"

func TestReportName(t *testing.T) {
	short := func(s string) []byte { return append([]byte{byte(len(s) + 1), 8}, s...) }
	full := func(s string) []byte { return append([]byte{byte(len(s) + 1), 9}, s...) }
	for _, c := range []struct {
		data, response []byte
		want           string
		complete       bool
	}{
		{nil, nil, "", false},
		{full("Real"), nil, "Real", true},
		{full("Real"), full(""), "Real", true},
		{short("Re"), full(""), "Re", false},
		{full("Real"), short("Re"), "Real", true},
		{short("Re"), short("Rea"), "Rea", false},
		{full("One"), full("Two"), "Two", true},
		{full("BDM\x00\x00"), nil, "BDM", true},
		{full("\x00"), short("Re"), "Re", false},
	} {
		r := Report{Data: c.data, Response: c.response}
		if name, complete := r.LocalName(); name != c.want || complete != c.complete || r.Name() != name {
			t.Errorf("data %q, response %q: name %q, complete: %v, want %q, %v", c.data, c.response, name, complete, c.want, c.complete)
		}
	}
}
