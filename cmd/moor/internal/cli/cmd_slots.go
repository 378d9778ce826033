package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/slots"
)

func newSlots() *command {
	cmd := newCommand(groupHere, "slots", "Show the connections of each adapter, and their limit.", runSlots)
	cmd.detail = "An adapter that is down is opened for a moment. An adapter that the kernel runs, for bluetoothd for example, is left alone even if --adapter names it; the command then shows the kernel's LE connections. The limit of an adapter is unknown until it has refused a connection."
	return cmd
}

// jsonSlots is an adapter in the output of slots --json.
type jsonSlots struct {
	slots.AdapterStatus
	By    string `json:"by"` // moor or kernel
	Error string `json:"error,omitempty"`
}

// settleTime limits the wait of slots for adapters that are being opened.
const settleTime = 5 * time.Second

func runSlots(ctx context.Context, a *app) error {
	all, names, err := a.splitAdapters()
	if err != nil {
		return err
	}
	if len(names) == 0 && a.Snoop != "" {
		return usagef("--snoop: no adapter is opened whose packets could be captured")
	}
	if len(names) > 0 {
		err = a.withManager(ctx, air{adapters: names}, func(m *connmgr.Manager) error {
			awaitAdapters(ctx, m)
			for _, s := range m.Slots().Diagnostics().Adapters {
				all = append(all, jsonSlots{AdapterStatus: s, By: "moor"})
			}
			for _, adapter := range m.Adapters() {
				if state, err := adapter.State(); state != connmgr.AdapterUp && err != nil {
					all = append(all, jsonSlots{AdapterStatus: unknownStatus(adapter.Name()), By: "moor", Error: err.Error()})
				}
			}
			return nil
		})
	}
	var t table
	for _, s := range all {
		if s.Held == nil {
			s.Held = []slots.SlotStatus{}
		}
		if a.JSON {
			a.out.json(s)
			continue
		}
		t.row(slotsRow(&s)...)
	}
	a.out.table(&t)
	return err
}

// splitAdapters parts the adapters into those that the kernel runs, with their links,
// and the names of those to open. To open the former would cut the links that the user
// wants to see.
func (a *app) splitAdapters() (kernel []jsonSlots, names []string, err error) {
	list, err := a.env.listAdapters()
	if err != nil && len(a.Adapters) == 0 {
		return nil, nil, err
	}
	names, err = a.adapterNames()
	names = slices.Clone(names)
	for _, adapter := range list {
		is := func(name string) bool { return isNamed(&adapter, name) }
		if !adapter.Up || adapter.UserChannel || len(a.Adapters) > 0 && !slices.ContainsFunc(a.Adapters, is) {
			continue
		}
		kernel = append(kernel, jsonSlots{AdapterStatus: unknownStatus(adapter.Name), By: "kernel"})
		names = slices.DeleteFunc(names, is)
	}
	if kernel == nil {
		return nil, names, err
	}
	// The kernel's adapters are an answer, even if no other can be opened.
	links, err := connmgr.KernelLinks()
	for _, l := range links {
		if i := slices.IndexFunc(kernel, func(s jsonSlots) bool { return s.Adapter == l.Adapter }); i >= 0 {
			kernel[i].Held = append(kernel[i].Held, slots.SlotStatus{Address: l.Address.String(), Connected: true, Handle: uint16(l.Handle)})
		}
	}
	return kernel, names, err
}

// awaitAdapters waits until no adapter is being opened any more, at most settleTime.
func awaitAdapters(ctx context.Context, m *connmgr.Manager) {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	opening := func() bool {
		for _, adapter := range m.Adapters() {
			if state, _ := adapter.State(); state == connmgr.AdapterOpening {
				return true
			}
		}
		return false
	}
	events := m.Events(ctx)
	if !opening() {
		return
	}
	for range events {
		if !opening() {
			return
		}
	}
}

// unknownStatus returns the status of an adapter whose slots the manager does not
// count.
func unknownStatus(adapter string) slots.AdapterStatus {
	return slots.AdapterStatus{Adapter: adapter, Slots: slots.Unknown, Free: slots.Unknown}
}

func slotsRow(s *jsonSlots) []string {
	if s.Error != "" {
		return []string{s.Adapter, "down: " + s.Error}
	}
	room := "limit not known"
	if s.Slots != slots.Unknown {
		room = fmt.Sprintf("%v of %v free", s.Free, s.Slots)
	}
	if s.By == "kernel" {
		room = "run by the kernel"
	}
	var who []string
	for _, h := range s.Held {
		text := h.Address
		if !h.Connected {
			text += " (connecting)"
		}
		who = append(who, text)
	}
	return []string{s.Adapter, plural(len(s.Held), "connection"), room, strings.Join(who, " ")}
}
