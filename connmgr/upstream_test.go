package connmgr

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/errclass"
)

// TestUpstreamRecorded holds the presets against recordings of both versions of
// bleak-retry-connector itself, which test/upstream/record.py makes: for each failure, and
// for sequences of them, the attempts, the waits, the final error and its advice.
func TestUpstreamRecorded(t *testing.T) {
	for _, v := range []struct {
		recording string
		policy    Policy
	}{
		{"testdata/upstream-4.6.3.tsv", Upstream46Policy()},
		{"testdata/upstream-4.7.1.tsv", Upstream47Policy()},
	} {
		text, err := os.ReadFile(v.recording)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		constants := fmt.Sprintf("# attempt %v s, safety %v s, attempts %d, transients %d, decorator %d",
			v.policy.AttemptTimeout.Seconds(), v.policy.SafetyTimeout.Seconds(), v.policy.MaxAttempts, v.policy.MaxTransients, DefaultRetries)
		if lines[0] != constants {
			t.Errorf("%s: constants are %q, here %q", v.recording, lines[0], constants)
		}
		lines = lines[2:]
		if len(lines) < 600 {
			t.Errorf("%s has only %d lines", v.recording, len(lines))
		}
		synctest.Test(t, func(t *testing.T) {
			for n, line := range lines {
				playRecorded(t, v.policy, strings.Split(line, "\t"))
				if t.Failed() {
					t.Fatalf("%s:%d: %s", v.recording, n+3, line)
				}
			}
		})
	}
}

// TestUnknownTreatment: a policy of a version that does not exist opens nothing and
// connects to nothing.
func TestUnknownTreatment(t *testing.T) {
	p := DefaultPolicy()
	p.Treatment = errclass.Upstream47 + 1
	const want = "connmgr: Policy.Treatment is treatment 0x03: use errclass.Default, Upstream46 or Upstream47"
	if _, err := Open(t.Context(), &Config{Policy: &p, Adapters: []string{"hci65000"}}); err == nil || err.Error() != want {
		t.Errorf("Open: got %v, want %s", err, want)
	}
	m := &Manager{}
	if _, err := m.Establish(t.Context(), "AA:BB:CC:DD:EE:FF", &Options{Policy: &p}); err == nil || err.Error() != want {
		t.Errorf("Establish: got %v, want %s", err, want)
	}
}

// playRecorded plays the failures of one line under a preset.
func playRecorded(t *testing.T, p Policy, line []string) {
	t.Helper()
	var errs []error
	for text := range strings.SplitSeq(line[2], " | ") {
		errs = append(errs, recordedError(t, text))
	}
	number := func(s string) float64 {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	seconds := func(s string) time.Duration { return time.Duration(number(s) * float64(time.Second)).Round(ms) }
	p.MaxAttempts = int(number(line[0]))
	e, attempts := testEstablisher(p), 0
	e.try = func(context.Context, int) (*Client, Attempt) {
		err := errs[min(attempts, len(errs)-1)]
		attempts++
		time.Sleep(seconds(line[1]))
		return nil, Attempt{Err: err, Situation: &errclass.Situation{}}
	}
	begin := time.Now()
	_, err := e.makeAttempts(t.Context())
	waited := time.Since(begin) - time.Duration(attempts)*seconds(line[1])
	failed, ok := errors.AsType[*EstablishError](err)
	if !ok {
		t.Fatal(err)
	}
	final, advice := map[error]string{
		ErrNotFound: "not found", ErrOutOfSlots: "out of slots", ErrAborted: "aborted", ErrConnection: "connection",
	}[failed.Category], recordedAdvice(failed.Advice)
	if failed.Attempts[attempts-1].Class.Category == errclass.Fatal {
		final = "raised"
	}
	if attempts != int(number(line[3])) || waited != seconds(line[4]) || final != line[5] || advice != line[6] {
		t.Errorf("%d attempts, %v of waits, final error %q with advice %q", attempts, waited, final, advice)
	}
	if got := p.Backoffs.For(p.Treatment.Of(errs[0]).OpDelay); got != seconds(line[7]) {
		t.Errorf("the decorator waits %v", got)
	}
}

// recordedError returns the error of "Class: text".
func recordedError(t *testing.T, s string) error {
	t.Helper()
	class, text, _ := strings.Cut(s, ": ")
	for k := errclass.KindBleak; k <= errclass.KindOther; k++ {
		if k.String() == class {
			return bleak(k, text)
		}
	}
	t.Fatalf("no kind of error is called %q", class)
	return nil
}

// recordedAdvice returns the name of the advice in a recording.
func recordedAdvice(text string) string {
	switch text {
	case "":
		return "none"
	case errclass.Upstream47.Of(abort).Advice:
		return "abort"
	case errclass.Upstream47.Of(missing).Advice:
		return "missing"
	case errclass.Upstream47.Of(slots4).Advice:
		return "slots"
	case errclass.Upstream47.Of(espCancel).Advice:
		return "rejected"
	case errclass.Upstream47.Classify(espCancel, &errclass.Situation{Elapsed: 8 * time.Second}).Advice:
		return "silent"
	}
	return text
}
