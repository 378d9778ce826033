package simreport

import (
	_ "embed"
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

//go:embed introduction.md
var introduction string

// defaultWorlds is how many worlds of each scenario the report has.
// MOOR_SIM_WORLDS overrides it.
const defaultWorlds = 1000

// play runs one world with one contender, in simulated time.
func play(t *testing.T, s *scenario, seed uint64, way contender) (o outcome) {
	synctest.Test(t, func(t *testing.T) {
		var err error
		if o, err = s.Run(t.Context(), seed, way); err != nil {
			t.Error(err)
		}
	})
	return o
}

// compare runs the worlds of one scenario with both contenders.
func compare(t *testing.T, s scenario, worlds int) comparison {
	ours, theirs := make([]outcome, worlds), make([]outcome, worlds)
	var wg sync.WaitGroup
	next := make(chan int)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range next {
				ours[i] = play(t, &s, uint64(i), &moorContender{})
				theirs[i] = play(t, &s, uint64(i), &upstreamContender{})
			}
		})
	}
	for i := range worlds {
		next <- i
	}
	close(next)
	wg.Wait()
	return comparison{s, worlds, summarize(ours), summarize(theirs)}
}

// TestReport writes the report into the directory that MOOR_SIM_REPORT names.
func TestReport(t *testing.T) {
	dir := os.Getenv("MOOR_SIM_REPORT")
	if dir == "" {
		t.Skip("MOOR_SIM_REPORT names no directory to write to; use make sim-report")
	}
	worlds := defaultWorlds
	if v := os.Getenv("MOOR_SIM_WORLDS"); v != "" {
		var err error
		if worlds, err = strconv.Atoi(v); err != nil || worlds < 1 {
			t.Fatalf("MOOR_SIM_WORLDS=%s: %v", v, err)
		}
	}
	var all []comparison
	for _, s := range allScenarios() {
		r := compare(t, s, worlds)
		fmt.Printf("%-18s", r.Name)
		for _, c := range allFigures() {
			fmt.Printf("  %s %8s %8s", c.Name, c.text(r.Ours), c.text(r.Upstream))
		}
		fmt.Println()
		all = append(all, r)
	}
	for name, text := range map[string]string{"sim-report.md": introduction + markdownReport(all), "sim-report.svg": plotReport(all)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Error(err)
		}
	}
}

// TestWorlds runs a few worlds of each scenario: the policy brings every
// device to ready, and with one adapter and device a seed gives the same again.
func TestWorlds(t *testing.T) {
	for _, s := range allScenarios() {
		t.Run(s.Name, func(t *testing.T) {
			for seed := range uint64(2) {
				ours := play(t, &s, seed, &moorContender{})
				if slices.Contains(ours.Ready, 0) {
					t.Errorf("seed %d: not all ready: %v", seed, ours.Ready)
				}
				theirs := play(t, &s, seed, &upstreamContender{})
				if ours.Radio <= 0 || theirs.Radio <= 0 {
					t.Errorf("seed %d: radio %v and %v", seed, ours.Radio, theirs.Radio)
				}
				if s.Targets > 1 || s.Adapters > 1 {
					continue // they begin at one instant, in any order
				}
				if again := play(t, &s, seed, &moorContender{}); !slices.Equal(again.Ready, ours.Ready) || again.Radio != ours.Radio {
					t.Errorf("seed %d: %v, and again %v", seed, ours, again)
				}
				if again := play(t, &s, seed, &upstreamContender{}); !slices.Equal(again.Ready, theirs.Ready) || again.Radio != theirs.Radio {
					t.Errorf("seed %d, upstream: %v, and again %v", seed, theirs, again)
				}
			}
		})
	}
}

func TestSummarize(t *testing.T) {
	var all []outcome
	for i := range 100 {
		all = append(all, outcome{Ready: []time.Duration{time.Duration(i) * time.Second}, Radio: time.Second})
	}
	got := summarize(all) // of which the first, with 0, failed
	want := figures{Success: 0.99, Median: 50 * time.Second, P99: 99 * time.Second, Radio: 100 * time.Second / 99}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if none := summarize([]outcome{{Ready: []time.Duration{0}}}); none != (figures{0, never, never, never}) {
		t.Errorf("of nothing: %+v", none)
	}
}

func TestMarkdownAndPlot(t *testing.T) {
	better := figures{1, time.Second, 2 * time.Second, 10 * time.Millisecond}
	worse := figures{0.5, time.Second, never, never}
	all := []comparison{
		{scenario{Name: "a & b", Text: "x"}, 7, better, worse},
		{scenario{Name: "c", Text: "y"}, 7, worse, better},
	}
	text := markdownReport(all)
	for _, want := range []string{
		"| a & b | **100.0 %** | 50.0 % | 1.00 s | 1.00 s | **2.00 s** | never | **0.01 s** | never |",
		"| c | 50.0 % | **100.0 %** |",
		"better in 3, the same in 2 and worse in 3.",
		"Worse:\n\n- c, success: 50.0 % against 100.0 %\n- c, 99 %: never against 2.00 s\n- c, radio",
		"The same:\n\n- a & b, median: 1.00 s against 1.00 s",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	d := xml.NewDecoder(strings.NewReader(plotReport(all)))
	circles := 0
	for {
		tok, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := tok.(xml.StartElement); ok && e.Name.Local == "circle" {
			circles++
		}
	}
	if want := 1 + len(all)*len(allFigures()); circles != want {
		t.Errorf("%d circles, want %d", circles, want)
	}
}
