package flood

import "testing"

// admitted returns how many of n requests in a row are admitted.
func admitted(c *Counter, room bool, n int) (count int) {
	for range n {
		if c.Admit(room) {
			count++
		}
	}
	return count
}

func TestAdmit(t *testing.T) {
	var c Counter
	steps := []struct {
		what string
		room bool
		n    int
		want int
	}{
		{"the peer takes every answer", true, 1000, 1000},
		{"the peer stops taking answers", false, 1000, 16},
		{"the peer still takes none", false, 1000, 0},
		{"the peer takes one answer", true, 1, 1},
		{"the peer stops again: the count has started again", false, 15, 15},
		{"one is left of the 16", false, 2, 1},
	}
	for _, s := range steps {
		if n := admitted(&c, s.room, s.n); n != s.want {
			t.Errorf("%s: %d of %d requests are admitted, want %d", s.what, n, s.n, s.want)
		}
	}
}
