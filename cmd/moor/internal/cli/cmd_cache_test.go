package cli

import (
	"strings"
	"testing"
)

func TestCache(t *testing.T) {
	dir := t.TempDir()
	cache := func(args ...string) result {
		return moor(t.Context(), append([]string{"--state", dir, "cache"}, args...)...)
	}
	cache("list").want(t, 0, "", "")
	cache("clear").want(t, 0, "0 tables cleared\n", "")
	cache("show", belt).want(t, 1, "", "moor: "+belt+": there is no table of this device\n")
	cache("show").want(t, 2, "", "moor: ADDR is missing: the device whose table is to be shown\n      see moor cache --help\n")
	moor(t.Context(), "cache", "list").want(t, 1, "", "moor: there is no state directory: name one with --state\n")
	for _, addr := range []string{belt, lamp} {
		inAir(t, addr, func(t *testing.T) {
			if r := moor(t.Context(), "-a", "sim:", "--state", dir, "services", addr); r.code != 0 {
				t.Errorf("exit code %d, stderr %q", r.code, r.stderr)
			}
		})
	}
	type item struct {
		Address                   string
		Services, Characteristics int
		Hash                      string
		Table                     []struct{ UUID string }
	}
	all := objects[item](t, cache("list", "--json"))
	if len(all) != 2 || all[0].Address != belt || all[0].Services != 5 || all[0].Characteristics != 12 || len(all[0].Hash) != 32 {
		t.Errorf("%+v", all)
	}
	if r := cache("list"); strings.Count(r.stdout, "\n") != 2 || !strings.Contains(r.stdout, belt+"  5 services  12 characteristics  hash "+all[0].Hash) {
		t.Errorf("list:\n%s", r.stdout)
	}
	one := objects[item](t, cache("show", strings.TrimSuffix(belt, "/random"), "--json"))
	if len(one) != 1 || one[0].Address != belt || len(one[0].Table) != 5 || one[0].Table[4].UUID != "180d" {
		t.Errorf("%+v", one)
	}
	if r := cache("show", belt); !strings.HasPrefix(r.stdout, belt+", read ") || !strings.Contains(r.stdout, "Body Sensor Location  [read]\n") {
		t.Errorf("show:\n%s", r.stdout)
	}
	cache("clear", belt).want(t, 0, "1 table cleared\n", "")
	cache("clear", "--json").want(t, 0, `{"cleared":"`+lamp+`"}`+"\n", "")
	cache("list").want(t, 0, "", "")
}
