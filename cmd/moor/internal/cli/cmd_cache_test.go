package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
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
	moor(t.Context(), "cache", "list").want(t, 1, "", "moor: there is no state directory: this user has no home directory\n      name one with --state DIR\n")
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

// What a device could not take is shown with its table, or without one, and goes with it.
func TestCacheShowsTraits(t *testing.T) {
	dir := t.TempDir()
	cache := func(args ...string) result {
		return moor(t.Context(), append([]string{"--state", dir, "cache"}, args...)...)
	}
	write := func() {
		seen := time.Now().Add(-10 * time.Minute).Format(time.RFC3339Nano)
		file := `{"version":1,"devices":[{"address":"` + belt + `","traits":[{"step":"mtu","seen":"` + seen + `","times":1,"why":"it hung up"}]}]}`
		if err := os.WriteFile(filepath.Join(dir, "traits.json"), []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const line = "could not take mtu 10m ago, left out for 50m0s more: it hung up\n"
	write()
	cache("show", belt).want(t, 0, belt+", no table\n"+line, "")
	cache("clear", belt).want(t, 0, "1 table cleared\n", "")
	cache("show", belt).want(t, 1, "", "moor: "+belt+": there is no table of this device\n")
	inAir(t, "with a table", func(t *testing.T) {
		moor(t.Context(), "-a", "sim:", "--state", dir, "services", belt)
		write()
		if r := cache("show", belt); strings.Count(r.stdout, line) != 1 || !strings.Contains(r.stdout, "Body Sensor Location") {
			t.Errorf("show:\n%s", r.stdout)
		}
		type item struct {
			Traits []struct{ Step, Why string }
		}
		one := objects[item](t, cache("show", belt, "--json"))
		if len(one) != 1 || len(one[0].Traits) != 1 || one[0].Traits[0].Step != "mtu" || one[0].Traits[0].Why != "it hung up" {
			t.Errorf("show --json: %+v", one)
		}
		devices := objects[item](t, moor(t.Context(), "-a", "sim:", "--json", "--state", dir, "devices", "--duration", "1s"))
		n := 0
		for _, d := range devices {
			n += len(d.Traits)
		}
		if n != 1 {
			t.Errorf("devices --json: %+v", devices)
		}
		cache("clear").want(t, 0, "1 table cleared\n", "")
		if b, err := os.ReadFile(filepath.Join(dir, "traits.json")); err != nil || strings.Contains(string(b), belt) {
			t.Errorf("traits after clear: %s, %v", b, err)
		}
	})
}
