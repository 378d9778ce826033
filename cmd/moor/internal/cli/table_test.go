package cli

import (
	"slices"
	"testing"
)

func TestTableLines(t *testing.T) {
	var tb table
	tb.row("a", "日本", "end")
	tb.row("long", "b", "")
	tb.row("x")
	want := []string{"a     日本  end", "long  b", "x"}
	if got := tb.lines(0); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	want = []string{"a     …", "long  b", "x"}
	if got := tb.lines(7); !slices.Equal(got, want) {
		t.Errorf("cut to 7: %q, want %q", got, want)
	}
}
