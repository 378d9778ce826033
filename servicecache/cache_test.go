package servicecache_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/servicecache"
)

func addr(t testing.TB, i int) hci.Addr {
	t.Helper()
	a, err := hci.ParseAddr(fmt.Sprintf("C0:FF:EE:00:%02X:%02X/random", i>>8, i&0xFF))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// entry returns one whose table has n services, so that it tells which it is.
func entry(n int) *servicecache.Entry {
	p := &gatt.Profile{}
	for i := range n {
		h := att.Handle(10*i + 1)
		p.Services = append(p.Services, gatt.Service{
			UUID: gatt.UUID16(uint16(0x1800 + i)), Handle: h, End: h + 9, Primary: true,
			Includes: []gatt.Include{{Handle: h + 1, UUID: gatt.UUID16(0x180A), Start: 100, End: 110}},
			Characteristics: []gatt.Characteristic{{
				UUID: gatt.UUID16(0x2A19), Handle: h + 2, Value: h + 3, End: h + 5, Properties: gatt.PropRead | gatt.PropNotify,
				Descriptors: []gatt.Descriptor{{UUID: gatt.UUID16(0x2902), Handle: h + 4}},
			}},
		})
	}
	return &servicecache.Entry{
		Profile: p, HasServiceChanged: true, Bonded: true, Subscribed: true, MTU: 247,
		Firmware: fmt.Sprint(n), Discovered: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC),
	}
}

// computed returns the Database Hash of an entry's table.
func computed(t testing.TB, e *servicecache.Entry) servicecache.Hash {
	t.Helper()
	hash, ok := e.Profile.Hash()
	if !ok {
		t.Fatal("the hash of the table cannot be computed")
	}
	return hash
}

func open(t testing.TB, dir string, cfg *servicecache.Config) *servicecache.Cache {
	t.Helper()
	c, err := servicecache.Open(dir, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func put(t testing.TB, c *servicecache.Cache, a hci.Addr, e *servicecache.Entry) {
	t.Helper()
	if err := c.Put(a, e); err != nil {
		t.Fatal(err)
	}
}

func wantEntry(t testing.TB, c *servicecache.Cache, a hci.Addr, want *servicecache.Entry) {
	t.Helper()
	got, ok := c.Get(a)
	if ok != (want != nil) {
		t.Fatalf("get %v: found %v", a, ok)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("get %v (-want +got):\n%s", a, diff)
	}
}

// files returns the files of a cache by folder.
func files(t testing.TB, dir, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, folder))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestCache does the same with both stores.
func TestCache(t *testing.T) {
	for name, dir := range map[string]string{"memory": "", "files": filepath.Join(t.TempDir(), "new", "dir")} {
		t.Run(name, func(t *testing.T) { testCache(t, open(t, dir, nil)) })
	}
}

func testCache(t *testing.T, c *servicecache.Cache) {
	a, b := addr(t, 1), addr(t, 2)
	wantEntry(t, c, a, nil)
	put(t, c, a, entry(2))
	wantEntry(t, c, a, entry(2))
	put(t, c, a, entry(3))
	wantEntry(t, c, a, entry(3))
	wantEntry(t, c, b, nil)
	identity := a
	identity.Kind = hci.AddrRandomIdentity
	wantEntry(t, c, identity, entry(3))

	hashed := entry(3)
	hash := computed(t, hashed)
	hashed.Hash = &hash
	put(t, c, b, hashed)
	wantEntry(t, c, b, hashed)
	got, ok := c.Get(b)
	if !ok {
		t.Fatal("no entry")
	}
	got.Profile.Services[0].Handle = 99
	got.Hash[0] = 99
	wantEntry(t, c, b, hashed) // the caller owns the result

	items, err := c.List()
	if err != nil || len(items) != 2 || items[0].Addr != a || items[1].Addr != b || !cmp.Equal(items[1].Entry, hashed) {
		t.Errorf("list: %+v, %v", items, err)
	}

	// A peer that states a hash for another table changes nothing for others.
	lie := entry(1)
	lie.Hash = &hash
	put(t, c, addr(t, 3), lie)
	wantEntry(t, c, addr(t, 3), lie)
	wantEntry(t, c, b, hashed)

	if ok, err := c.Delete(a); !ok || err != nil {
		t.Errorf("delete: %v, %v", ok, err)
	}
	if ok, err := c.Delete(a); ok || err != nil {
		t.Errorf("delete again: %v, %v", ok, err)
	}
	wantEntry(t, c, a, nil)
	wantEntry(t, c, b, hashed) // its table is shared
	if err := c.Clear(); err != nil {
		t.Error(err)
	}
	wantEntry(t, c, b, nil)
	if items, err := c.List(); err != nil || items != nil {
		t.Errorf("list: %+v, %v", items, err)
	}
}

// TestPutRefuses checks the errors for entries that Put refuses.
func TestPutRefuses(t *testing.T) {
	c := open(t, "", nil)
	resolvable, err := hci.ParseAddr("40:00:00:00:00:01/random")
	if err != nil {
		t.Fatal(err)
	}
	disorder := entry(2)
	disorder.Profile.Services[1].Handle = 1
	outside := entry(1)
	outside.Profile.Services[0].Characteristics[0].Value = 500
	lie := entry(1)
	lie.Hash, lie.Bonded = &servicecache.Hash{1}, false
	incomputable := entry(1)
	incomputable.Profile.Services[0].Characteristics[0].Descriptors[0].UUID = gatt.UUID16(0x2900)
	incomputable.Hash, incomputable.Bonded = &servicecache.Hash{1}, false
	for _, tt := range []struct {
		peer hci.Addr
		e    *servicecache.Entry
		want string
	}{
		{resolvable, entry(1), "private address"},
		{hci.Addr{Kind: hci.AddrAnonymous}, entry(1), "private address"},
		{addr(t, 1), nil, "no table"},
		{addr(t, 1), &servicecache.Entry{}, "no table"},
		{addr(t, 1), &servicecache.Entry{Profile: &gatt.Profile{}}, "no service"},
		{addr(t, 1), disorder, "0x0001"},
		{addr(t, 1), outside, "0x01f4"},
		{addr(t, 1), lie, "not computed from its table"},
		{addr(t, 1), incomputable, "not computed from its table"},
	} {
		if err := c.Put(tt.peer, tt.e); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want %q", err, tt.want)
		}
	}
	// A bonded peer is trusted with the hash of its own table.
	for _, e := range []*servicecache.Entry{lie, incomputable} {
		e.Bonded = true
		put(t, c, addr(t, 1), e)
		wantEntry(t, c, addr(t, 1), e)
	}
}

// TestSharing has equal sensors share one table, and nothing left of them.
func TestSharing(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir, nil)
	e := entry(5)
	hash := computed(t, e)
	e.Hash = &hash
	for i := range 10 {
		put(t, c, addr(t, i), e)
	}
	if got := files(t, dir, "tables"); len(got) != 1 {
		t.Errorf("tables %v, want one", got)
	}
	for i := range 10 {
		wantEntry(t, c, addr(t, i), e)
		if _, err := c.Delete(addr(t, i)); err != nil {
			t.Fatal(err)
		}
	}
	for _, folder := range []string{"peers", "tables", "bad"} {
		if got := files(t, dir, folder); got != nil {
			t.Errorf("%s are left in %s", got, folder)
		}
	}
	fi, err := os.Stat(filepath.Join(dir, "peers"))
	if err != nil || fi.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v", fi.Mode(), err)
	}
}

// TestBounds checks that the peers without use for the longest time are dropped.
func TestBounds(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir, &servicecache.Config{MaxEntries: 3})
	for i := range 3 {
		put(t, c, addr(t, i), entry(i+1))
		age(t, dir, i, time.Duration(10-i)*time.Hour)
	}
	wantEntry(t, c, addr(t, 0), entry(1)) // is used
	put(t, c, addr(t, 3), entry(4))
	for i, want := range []*servicecache.Entry{entry(1), nil, entry(3), entry(4)} {
		wantEntry(t, c, addr(t, i), want)
	}
	if got := files(t, dir, "tables"); len(got) != 3 {
		t.Errorf("tables %v, want 3", got)
	}

	// By age, when the cache is opened.
	age(t, dir, 2, 181*24*time.Hour)
	c = open(t, dir, nil)
	wantEntry(t, c, addr(t, 2), nil)
	wantEntry(t, c, addr(t, 3), entry(4))
	age(t, dir, 3, 1000*24*time.Hour)
	wantEntry(t, open(t, dir, &servicecache.Config{MaxAge: -1}), addr(t, 3), entry(4))

	// By size. What was put last stays, however large.
	small := open(t, dir, &servicecache.Config{MaxBytes: 1, MaxAge: -1})
	put(t, small, addr(t, 9), entry(20))
	wantEntry(t, small, addr(t, 9), entry(20))
	wantEntry(t, small, addr(t, 0), nil)
	if got := files(t, dir, "peers"); len(got) != 1 {
		t.Errorf("peers %v, want 1", got)
	}
}

// age makes a peer's record older.
func age(t *testing.T, dir string, i int, by time.Duration) {
	t.Helper()
	mac := strings.ToLower(strings.ReplaceAll(addr(t, i).MAC.String(), ":", ""))
	path := filepath.Join(dir, "peers", mac+"-random")
	if err := os.Chtimes(path, time.Time{}, time.Now().Add(-by)); err != nil {
		t.Fatal(err)
	}
}

// TestEveryOctet damages each octet of each record. That is a miss: the record is set
// aside, and replaced by the next Put.
func TestEveryOctet(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir, &servicecache.Config{MaxBad: 4})
	a := addr(t, 1)
	want := entry(1)
	put(t, c, a, want)
	for _, folder := range []string{"peers", "tables"} {
		path := filepath.Join(dir, folder, files(t, dir, folder)[0])
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		damage := func(what string, b []byte) {
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, ok := c.Get(a); ok {
				t.Errorf("%s: %s is not noticed", folder, what)
			}
			if _, ok := c.Get(a); ok {
				t.Errorf("%s: %s is not noticed again", folder, what)
			}
		}
		for i := range good {
			b := append([]byte(nil), good...)
			b[i] ^= 0x20
			damage(fmt.Sprintf("octet %d", i), b)
			damage(fmt.Sprintf("an end after %d", i), good[:i])
		}
		damage("an octet more", append(append([]byte(nil), good...), ' '))
		if got := files(t, dir, "bad"); len(got) == 0 || len(got) > 4 || !strings.HasSuffix(got[0], ".bad") {
			t.Errorf("set aside: %v", got)
		}
		if err := os.WriteFile(path, []byte("damaged"), 0o600); err != nil {
			t.Fatal(err)
		}
		put(t, c, a, want)
		wantEntry(t, c, a, want)
	}
}

// TestOtherVersion misses a record of another version, such as the earlier one, and
// leaves it alone.
func TestOtherVersion(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir, nil)
	put(t, c, addr(t, 1), entry(1))
	path := filepath.Join(dir, "peers", files(t, dir, "peers")[0])
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(b), " 3 ", " 2 ", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	wantEntry(t, c, addr(t, 1), nil)
	if got := files(t, dir, "bad"); got != nil {
		t.Errorf("set aside: %v", got)
	}
	put(t, c, addr(t, 1), entry(2))
	wantEntry(t, c, addr(t, 1), entry(2))
}

// TestBrokenDirectory checks that failed writes are reported, and failed reads are
// misses.
func TestBrokenDirectory(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir, nil)
	put(t, c, addr(t, 1), entry(1))
	peers := filepath.Join(dir, "peers")
	if err := os.RemoveAll(peers); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(peers, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wantEntry(t, c, addr(t, 1), nil)
	if err := c.Put(addr(t, 1), entry(1)); err == nil || strings.Count(err.Error(), "servicecache:") != 1 {
		t.Errorf("got %v, want one error of this package", err)
	}
	if _, err := servicecache.Open(dir, nil); err == nil {
		t.Error("opened a directory that is none")
	}
	if _, err := servicecache.Open(filepath.Join(peers, "below"), nil); err == nil {
		t.Error("opened a directory below a file")
	}
}

func TestHashText(t *testing.T) {
	var h servicecache.Hash
	const text = "f1ca2d48ecf58bac8a8830bbb9fba990"
	if err := h.UnmarshalText([]byte(text)); err != nil || h.String() != text {
		t.Errorf("got %v, %v", h, err)
	}
	for _, bad := range []string{"", "f1", text + "00", "zz" + text[2:]} {
		if err := h.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
