package hcisock

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/moor-ble/moor/hci"
)

var (
	daemon  = []Holder{{PID: 7, Name: "bluetoothd", Sure: true}}
	program = []Holder{{PID: 42, Name: "scanner", UserChannel: true, Sure: true}}
)

// TestUnclaimed has links on the adapters 8 and 9, if they are up.
func TestUnclaimed(t *testing.T) {
	links := func(index int) ([]KernelLink, error) {
		if index < 8 {
			return nil, errors.New("not asked for")
		}
		return []KernelLink{{MAC: hci.MAC{1}, Kind: LinkLE}, {MAC: hci.MAC{2}, Kind: LinkACL}}, nil
	}
	const stop = "`sudo systemctl stop bluetooth`, or name hci0 to open it anyway, which drops its links"
	for _, c := range []struct {
		name  string
		list  []Adapter
		want  []string // names
		err   string   // without "hcisock: "
		cause Cause
	}{
		{name: "down", list: []Adapter{{Name: "hci0"}}, want: []string{"hci0"}},
		{name: "up for nobody", list: []Adapter{{Name: "hci0", Up: true}}, want: []string{"hci0"}},
		{name: "down, with links of before", list: []Adapter{{Index: 8, Name: "hci8"}}, want: []string{"hci8"}},
		{
			name: "one of three", list: []Adapter{{Name: "hci0", Up: true, UserChannel: true, Holders: program}, {Index: 1, Name: "hci1"}, {Index: 9, Name: "hci9", Up: true}},
			want: []string{"hci1"},
		},
		{
			name: "bluetoothd's", list: []Adapter{{Name: "hci0", Up: true, Holders: daemon}},
			err: "hci0: choose: bluetoothd (pid 7) uses it; " + stop, cause: CauseBusy,
		},
		{
			name: "bluetoothd's, down", list: []Adapter{{Name: "hci0", Holders: daemon}},
			err: "hci0: choose: bluetoothd (pid 7) uses it; " + stop, cause: CauseBusy,
		},
		{
			name: "bluetoothd's, with links", list: []Adapter{{Index: 8, Name: "hci0", Up: true, Holders: daemon}},
			err: "hci0: choose: bluetoothd (pid 7) uses it, with links to 00:00:00:00:00:01 (LE), 00:00:00:00:00:02 (BR/EDR); " + stop, cause: CauseBusy,
		},
		{
			name: "links of nobody that is seen", list: []Adapter{{Index: 8, Name: "hci0", Up: true}},
			err: "hci0: choose: other programs have links on it: 00:00:00:00:00:01 (LE), 00:00:00:00:00:02 (BR/EDR); " +
				"end them (`bluetoothctl disconnect`, `sudo systemctl stop bluetooth`), or name hci0 to open it anyway, which drops its links",
			cause: CauseBusy,
		},
		{
			name: "a program's", list: []Adapter{{Index: 8, Name: "hci0", Up: true, UserChannel: true, Holders: program}},
			err: "hci0: choose: held by scanner (pid 42); stop that process", cause: CauseBusy,
		},
		{
			name: "somebody's", list: []Adapter{{Name: "hci0", Up: true, UserChannel: true}},
			err: "hci0: choose: held by another process; stop that process; run this as root to see its name", cause: CauseBusy,
		},
		{
			name: "off by software, bluetoothd's too", list: []Adapter{{Name: "hci0", RFKill: RFKill{Soft: true}, Holders: daemon}},
			err: "hci0: choose: its radio is switched off by software (rfkill); `rfkill unblock bluetooth`", cause: CauseRFKill,
		},
		{
			name: "off by a switch", list: []Adapter{{Name: "hci0", RFKill: RFKill{Soft: true, Hard: true}}},
			err: "hci0: choose: its radio is switched off by a switch or key of the machine (rfkill); switch it on there", cause: CauseRFKill,
		},
		{
			name: "two", list: []Adapter{{Name: "hci0", Up: true, Holders: daemon}, {Name: "hci1", UserChannel: true, Holders: program}},
			err: "adapters: choose: hci0: bluetoothd (pid 7) uses it; hci1: held by scanner (pid 42); hci0: " + stop + "; hci1: stop that process", cause: CauseBusy,
		},
		{name: "none", err: "adapters: choose: this machine has none; plug one in, or load its driver", cause: CauseNoAdapter},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Unclaimed(c.list, links)
			var names []string
			for _, a := range got {
				names = append(names, a.Name)
			}
			if diff := cmp.Diff(c.want, names); diff != "" {
				t.Errorf("adapters differ (-want +got):\n%s", diff)
			}
			if c.err == "" {
				if err != nil {
					t.Errorf("error %v, want none", err)
				}
				return
			}
			open, ok := errors.AsType[*OpenError](err)
			if !ok || err.Error() != "hcisock: "+c.err || open.Cause != c.cause {
				t.Errorf("got  %v\nwant hcisock: %s, for %v", err, c.err, c.cause)
			}
		})
	}
}
