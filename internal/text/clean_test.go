package text

import "testing"

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"":                         "",
		"Küche 1":                  "Küche 1",
		"\x1b[2Jx\nERROR root":     "\uFFFD[2Jx\uFFFDERROR root",
		"a\u009b31m\u202e\u200bb":  "a\uFFFD31m\uFFFD\uFFFDb",
		"日本":                       "日本",
		"right\u202eto":            "right\uFFFDto",
		"bell\a and tab\t":         "bell\uFFFD and tab\uFFFD",
		"broken \xff\xc3 and \x00": "broken \uFFFD\uFFFD and \uFFFD",
	} {
		if got := Clean(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}
