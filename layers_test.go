package moor_test

import (
	"go/build"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moor-ble/moor/internal/text"
)

const module = "github.com/moor-ble/moor"

// TestPackageNamesAreKnown: text.DropPackages knows the public packages of the library.
func TestPackageNamesAreKnown(t *testing.T) {
	for _, p := range layers {
		name := path.Base(p)
		if strings.Contains(p, "internal/") || strings.HasPrefix(p, "examples/") || strings.HasPrefix(p, "cmd/") || strings.HasPrefix(p, "test/") || p == "packaging" || strings.HasSuffix(name, "test") || name == "sim" {
			continue
		}
		if got := text.DropPackages("failed: " + name + ": x"); got != "failed: x" {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

// layers lists every package of the module, lowest first. A package may import
// only packages of rows above its own, and of those none that forbidden names.
var layers = []string{
	"internal/wire",
	"internal/loop",
	"internal/ring",
	"internal/flood",
	"internal/queue",
	"internal/aescmac",
	"internal/text",
	"internal/ownfile",
	"internal/ownsocket",
	"internal/mdns",
	"internal/ownweb",
	"internal/filetest",
	"internal/yamlfile",
	"uuid",
	"hci",
	"internal/replay",
	"payload",
	"esphome",
	"hci/hcitest",
	"hci/hcisock",
	"controller",
	"l2cap",
	"gatt/att",
	"gatt/att/atttest",
	"gatt",
	"internal/gatttest",
	"smp",
	"host",
	"peripheral",
	"sim",
	"lab",
	"errclass",
	"slots",
	"servicecache",
	"connmgr",
	"remote",
	"proxy",
	"goble",
	"cmd/moor/internal/assigned",
	"cmd/moor/internal/doctor",
	"cmd/moor/internal/demo",
	"cmd/moor/internal/dashboard",
	"cmd/moor/internal/cli",
	"cmd/moor",
	"examples/advlog",
	"examples/battery",
	"examples/beacon",
	"examples/container",
	"examples/goble-port",
	"examples/hold",
	"examples/mqtt",
	"examples/pair",
	"examples/peripheral",
	"examples/prometheus",
	"examples/proxy",
	"examples/simtest",
	"examples/uart",
	"examples/uart/device",
	"packaging",
	"test/bench",
	"test/figures",
	"test/hostile",
	"test/simreport",
	"test/mutations",
	"test/moortest",
	"test/conntest",
	"test/kernel",
	"test/peers",
	"test/examples",
	"test/pictures",
}

// forbidden lists imports that the order of layers would allow. A trailing
// "/..." takes in the packages below; "..." alone is every package of the module,
// and "... but X" every one except X.
var forbidden = []struct{ from, to, reason string }{
	{"internal/wire", "...", "the codec helpers serve every layer and know none"},
	{"internal/loop", "...", "the loop's interfaces serve every layer and know none"},
	{"internal/ring", "...", "the ring buffer serves every layer and knows none"},
	{"internal/flood", "...", "the counter serves every protocol and knows none"},
	{"internal/queue", "... but internal/ring", "the queue is a ring with a lock; it serves every layer and knows none"},
	{"internal/aescmac", "...", "a cipher knows no protocol"},
	{"internal/text", "...", "strings know no protocol"},
	{"internal/ownfile", "...", "files know no protocol"},
	{"internal/ownsocket", "...", "sockets know no protocol"},
	{"internal/ownweb", "...", "web servers know no protocol"},
	{"internal/mdns", "...", "multicast DNS knows nothing of Bluetooth"},
	{"internal/filetest", "...", "files know no protocol"},
	{"internal/yamlfile", "...", "files know no protocol"},
	{"uuid", "...", "a UUID is a value"},
	{"hci", "internal/loop", "the language of HCI holds no state: the loop is the controller's"},
	{"hci/hcisock", "controller", "a transport carries packets and interprets none"},
	{"gatt/att", "l2cap", "att takes its channel as an interface, so that it runs over any bearer"},
	{"gatt/att", "hci/...", "att takes its channel as an interface, so that it runs over any bearer"},
	{"gatt", "hci/...", "gatt sees attributes, not packets; host joins the two"},
	{"gatt/att", "controller", "att takes its channel as an interface, so that it runs over any bearer"},
	{"gatt", "controller", "gatt sees attributes, not packets; host joins the two"},
	{"gatt", "l2cap", "gatt sees attributes, not packets; host joins the two"},
	{"l2cap", "controller", "l2cap takes its link as an interface; host joins the two"},
	{"smp", "controller", "smp takes its link and its resolver as interfaces; host joins them"},
	{"smp", "gatt/...", `"pair, then repeat the read" is the connection manager's decision`},
	{"remote", "proxy", "the two ends of the protocol meet in tests alone"},
	{"slots", "... but internal/ring", "slots counts and queues events; it knows nothing of Bluetooth"},
	{"test/moortest", "...", "the binary is tested from outside, as its users meet it"},
}

// TestLayers checks every import of the module against layers and forbidden. Tests
// may import any package: they join their package with doubles and upper layers.
func TestLayers(t *testing.T) {
	for dir, pkg := range packages(t) {
		row := slices.Index(layers, dir)
		if row < 0 {
			t.Errorf("package %s is missing from layers: add a row below all packages that it imports", dir)
			continue
		}
		for _, imp := range pkg.Imports {
			to, ours := strings.CutPrefix(imp, module+"/")
			if !ours {
				continue
			}
			if i := slices.Index(layers, to); i > row {
				t.Errorf("%s imports %s, which lies above it", dir, to)
			}
			if strings.HasPrefix(dir, "examples/") && strings.Contains(to, "internal/") {
				t.Errorf("%s imports %s, which the copies of an example cannot", dir, to)
			}
			for _, f := range forbidden {
				if f.from == dir && matches(f.to, to) {
					t.Errorf("%s imports %s: %s", dir, to, f.reason)
				}
			}
		}
	}
}

// TestForbiddenRows fails on a row of forbidden that names no layer.
func TestForbiddenRows(t *testing.T) {
	for _, f := range forbidden {
		if !slices.Contains(layers, f.from) {
			t.Errorf("forbidden names %s, which is no layer", f.from)
		}
		to := strings.TrimSuffix(strings.TrimPrefix(f.to, everyBut), "/...")
		if f.to != "..." && !slices.Contains(layers, to) {
			t.Errorf("forbidden names %s, which is no layer", f.to)
		}
	}
}

const everyBut = "... but "

func matches(pattern, dir string) bool {
	if pattern == "..." {
		return true
	}
	if exempt, ok := strings.CutPrefix(pattern, everyBut); ok {
		return dir != exempt
	}
	parent, below := strings.CutSuffix(pattern, "/...")
	return dir == parent || below && strings.HasPrefix(dir, parent+"/")
}

// packages returns the module's packages by directory, with the files of every
// Linux build and of the tests that need a tag.
func packages(t *testing.T) map[string]*build.Package {
	t.Helper()
	ctx := build.Default
	ctx.GOOS, ctx.CgoEnabled = "linux", false
	ctx.BuildTags = []string{"kernel", "peers", "figures"}
	found := map[string]*build.Package{}
	err := filepath.WalkDir(".", func(dir string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() || dir == "." {
			return err
		}
		if name := d.Name(); name[0] == '.' || name[0] == '_' || name == "testdata" || name == "bin" {
			return fs.SkipDir
		}
		if files, err := filepath.Glob(filepath.Join(dir, "*.go")); err != nil || len(files) == 0 {
			return err
		}
		pkg, err := ctx.ImportDir(dir, 0)
		if err != nil {
			return err
		}
		found[filepath.ToSlash(dir)] = pkg
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		t.Fatal("found no package: the test must run in the module's root")
	}
	return found
}

// TestFuzzCorpora fails on a corpus folder without a fuzz target: its inputs would
// never run again.
func TestFuzzCorpora(t *testing.T) {
	corpora, err := filepath.Glob("*/testdata/fuzz/*")
	if err != nil {
		t.Fatal(err)
	}
	deeper, err := filepath.Glob("*/*/testdata/fuzz/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, corpus := range append(corpora, deeper...) {
		dir, target := filepath.Dir(filepath.Dir(filepath.Dir(corpus))), path.Base(filepath.ToSlash(corpus))
		files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		has := slices.ContainsFunc(files, func(file string) bool {
			b, err := os.ReadFile(file)
			return err == nil && strings.Contains(string(b), "func "+target+"(f *testing.F)")
		})
		if !has {
			t.Errorf("%s has no target %s in %s", corpus, target, dir)
		}
	}
}

// TestManagerAloneIsSmall: a program that imports connmgr alone links neither a server of
// HTTP nor YAML, Noise or mDNS.
func TestManagerAloneIsSmall(t *testing.T) {
	all := packages(t)
	seen := map[string]bool{}
	var visit func(dir string)
	visit = func(dir string) {
		if seen[dir] {
			return
		}
		seen[dir] = true
		for _, imp := range all[dir].Imports {
			if imp == "net/http" || strings.Contains(imp, "go-yaml") || strings.Contains(imp, "noise") || strings.Contains(imp, "mdns") {
				t.Errorf("connmgr imports %s by way of %s", imp, dir)
			}
			if to, ours := strings.CutPrefix(imp, module+"/"); ours {
				visit(to)
			}
		}
	}
	visit("connmgr")
	if !seen["hci"] {
		t.Errorf("connmgr imports %v", seen)
	}
}
