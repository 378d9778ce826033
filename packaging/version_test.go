package main

import (
	"testing"
	"time"
)

func TestTaggedVersion(t *testing.T) {
	for _, c := range []struct{ tag, deb, apk string }{
		{"v0.1.0", "0.1.0-1", "0.1.0-r1"},
		{"v1.20.3-rc.2", "1.20.3~rc2-1", "1.20.3_rc2-r1"},
		{"v1.20.3-beta1", "1.20.3~beta1-1", "1.20.3_beta1-r1"},
	} {
		if v, err := taggedVersion(c.tag); err != nil || v.tag != c.tag || v.deb != c.deb || v.apk != c.apk {
			t.Errorf("%s: %+v, %v; want %+v", c.tag, v, err, c)
		}
	}
	for _, tag := range []string{"", "0.1.0", "v1.0", "v1.0.0+x", "v1.0.0-next"} {
		if v, err := taggedVersion(tag); err == nil {
			t.Errorf("%q is taken for %+v", tag, v)
		}
	}
}

func TestUntaggedVersion(t *testing.T) {
	when := time.Date(2026, 11, 30, 12, 5, 6, 0, time.UTC)
	v := untaggedVersion("0123456789abcdef0123456789abcdef01234567", when, true)
	want := version{
		tag: "v0.0.0-untagged.20261130120506.g0123456789ab.changed", revision: "0123456789abcdef0123456789abcdef01234567",
		deb: "0.0.0~untagged.20261130120506.g0123456789ab.changed-1", apk: "0.0.0_git20261130120506-r1",
	}
	if v != want {
		t.Errorf("got %+v, want %+v", v, want)
	}
}

func TestChosen(t *testing.T) {
	if all, err := chosen(""); err != nil || len(all) != 9 {
		t.Errorf("%d targets, %v; want 9", len(all), err)
	}
	if some, err := chosen("386,arm-7"); err != nil || len(some) != 2 || some[0].name != "386" || some[1].arm != "7" {
		t.Errorf("got %+v, %v", some, err)
	}
	if _, err := chosen("vax"); err == nil {
		t.Error("vax is a target")
	}
}
