package simreport

import (
	_ "embed"
	"encoding/xml"
	"fmt"
	"io"
	"math"
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

// compare runs the worlds of one scenario with all contenders.
func compare(t *testing.T, s scenario) comparison {
	var outcomes [3][]outcome
	for _, w := range allWays() {
		outcomes[w] = make([]outcome, s.Worlds)
	}
	var wg sync.WaitGroup
	next := make(chan int)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range next {
				for _, w := range allWays() {
					outcomes[w][i] = play(t, &s, uint64(i), w.newContender())
				}
			}
		})
	}
	for i := range s.Worlds {
		next <- i
	}
	close(next)
	wg.Wait()
	r := comparison{scenario: s}
	for _, w := range allWays() {
		r.By[w] = summarize(outcomes[w])
	}
	return r
}

// TestReport writes the report into the directory that MOOR_SIM_REPORT names. For a quick
// look, MOOR_SIM_WORLDS lowers the numbers of worlds, and MOOR_SIM_SCENARIO selects one.
func TestReport(t *testing.T) {
	dir := os.Getenv("MOOR_SIM_REPORT")
	if dir == "" {
		t.Skip("MOOR_SIM_REPORT names no directory to write to; use make sim-report")
	}
	most := math.MaxInt
	if v := os.Getenv("MOOR_SIM_WORLDS"); v != "" {
		var err error
		if most, err = strconv.Atoi(v); err != nil || most < 1 {
			t.Fatalf("MOOR_SIM_WORLDS=%s: %v", v, err)
		}
	}
	only := os.Getenv("MOOR_SIM_SCENARIO")
	var all []comparison
	for _, s := range allScenarios() {
		if only != "" && s.Name != only {
			continue
		}
		s.Worlds = min(s.Worlds, most)
		r := compare(t, s)
		fmt.Printf("%-18s", r.Name)
		for _, c := range allFigures() {
			fmt.Printf("  %s", c.Name)
			for _, w := range allWays() {
				fmt.Printf(" %8s", c.text(r.By[w]))
			}
		}
		fmt.Println()
		all = append(all, r)
	}
	fmt.Print("\n" + describeLosses(all))
	for name, text := range map[string]string{"sim-report.md": markdownReport(introduction, all), "sim-report.svg": plotReport(all)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Error(err)
		}
	}
}

// TestReportIsCurrent wants the report to have the text of the introduction, and a row and
// the description of each scenario.
func TestReportIsCurrent(t *testing.T) {
	b, err := os.ReadFile("../../docs/sim-report.md")
	if err != nil {
		t.Fatal(err)
	}
	report := string(b)
	title, rest, ok := strings.Cut(introduction, lossesMark)
	if !ok {
		t.Errorf("test/simreport/introduction.md lacks the line %q", lossesMark)
	}
	if !strings.HasPrefix(report, title) || !strings.Contains(report, rest) {
		t.Error("docs/sim-report.md does not have the text of test/simreport/introduction.md: run make sim-report")
	}
	for _, s := range allScenarios() {
		if n := strings.Count(report, "\n| "+s.Name+" | "); n != 1 {
			t.Errorf("docs/sim-report.md has %d rows of %s: run make sim-report", n, s.Name)
		}
		if !strings.Contains(report, "\n"+s.describe()+"\n") {
			t.Errorf("docs/sim-report.md does not say %q: run make sim-report", s.describe())
		}
	}
}

// TestWorlds runs two worlds of each scenario. The radio is used, and with one adapter and
// device a seed gives the same again.
func TestWorlds(t *testing.T) {
	for _, s := range allScenarios() {
		t.Run(s.Name, func(t *testing.T) {
			for seed := range uint64(2) {
				for _, w := range allWays() {
					first := play(t, &s, seed, w.newContender())
					if first.Radio <= 0 {
						t.Errorf("seed %d, %s: radio %v", seed, w.name(), first.Radio)
					}
					if w == ours && s.Cause == "" && slices.Contains(first.Ready, 0) {
						t.Errorf("seed %d: not all ready: %v", seed, first.Ready)
					}
					if s.Targets > 1 || s.Adapters > 1 {
						continue // they begin at one instant, in any order
					}
					again := play(t, &s, seed, w.newContender())
					if !slices.Equal(again.Ready, first.Ready) || again.Radio != first.Radio {
						t.Errorf("seed %d, %s: %v, and again %v", seed, w.name(), first, again)
					}
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
	slower := figures{1, 1050 * time.Millisecond, 2101 * time.Millisecond, 20 * time.Millisecond}
	worse := figures{0.5, time.Second, never, never}
	all := []comparison{
		{scenario{Name: "a & b", Text: "x", Worlds: 7}, [3]figures{better, worse, better}},
		{scenario{Name: "c", Text: "y", Cause: "It is so.", Worlds: 8}, [3]figures{worse, better, better}},
		{scenario{Name: "d", Text: "z", Worlds: 9}, [3]figures{slower, better, worse}},
		{scenario{Name: "e", Text: "z", Worlds: 9, Rests: true}, [3]figures{slower, better, worse}},
	}
	text := markdownReport("Title\n\n"+lossesMark+"\nIntroduction\n\n", all)
	for _, want := range []string{
		"Title\n\nmoor loses in 2 of 4 scenarios:\n\n",
		"- *c*: success 50.0 % against 100.0 % of bleak-retry-connector alone, success 50.0 % against 100.0 % of upstream with habluetooth, 99 % never",
		"radio never against 0.01 s of upstream with habluetooth. It is so.\n- *d*: 99 % 2.10 s against 2.00 s of bleak-retry-connector alone. The cause is not known.\n",
		"is below moor's in 3 scenarios: c, d, e.\n\nIntroduction\n\n",
		"| a & b | **100.0 %** | 50.0 % | **100.0 %** | 1.00 s | 1.00 s | 1.00 s | **2.00 s** | never | **2.00 s** | **0.01 s** | never | **0.01 s** |",
		"- c: y; 8 worlds.\n",
		"Of 16 figures moor's is better than that of bleak-retry-connector alone in 3, the same in 7 and worse in 6.\n",
		"Of 16 figures moor's is better than that of upstream with habluetooth in 6, the same in 7 and worse in 3.\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	none := describeLosses(all[:1])
	if want := "moor loses in 0 of 1 scenarios: none of its 7 figures is worse. "; !strings.HasPrefix(none, want) {
		t.Errorf("%q does not begin with %q", none, want)
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
