package connmgr

import (
	"encoding/json"
	"errors"
	"io/fs"
	"slices"
	"sync"
	"time"

	"github.com/moor-ble/moor/hci"
)

const (
	paramsName    = "params.json"
	paramsVersion = 1
	// maxParams bounds the devices with remembered parameters. Those set longest ago go
	// first.
	maxParams = 1024
)

// paramsFile is the content of params.json in a state directory, which only its owner
// may read. The device whose parameters were set last comes first; times are in
// nanoseconds:
//
//	{"version": 1, "devices": [{
//	  "address": "C0:FF:EE:00:00:01/random", "set": "2026-11-28T12:00:00Z",
//	  "interval_min": 100000000, "interval_max": 120000000, "latency": 4, "timeout": 6000000000
//	}]}
type paramsFile struct {
	Version int                `json:"version"`
	Devices []rememberedParams `json:"devices"`
}

// rememberedParams are the connection parameters that a program has set for a device.
type rememberedParams struct {
	Address     hci.Addr      `json:"address"` // its identity
	Set         time.Time     `json:"set"`
	IntervalMin time.Duration `json:"interval_min"`
	IntervalMax time.Duration `json:"interval_max"`
	Latency     uint16        `json:"latency"`
	Timeout     time.Duration `json:"timeout"`
}

func (p *rememberedParams) params() hci.ConnParams {
	return hci.ConnParams{IntervalMin: p.IntervalMin, IntervalMax: p.IntervalMax, Latency: p.Latency, Timeout: p.Timeout}
}

// remembered is the memory of the parameters that programs have set. If dir is set, the
// file there follows, which other processes may change.
type remembered struct {
	dir    string
	writer *stateWriter
	write  *stateWrite

	mu        sync.Mutex
	all       []rememberedParams // guarded by mu, as all below
	unwritten []paramsChange     // not in the file yet, the oldest first
}

// paramsChange returns the parameters of all devices after a change. It may change its
// argument, and must depend on nothing else.
type paramsChange func(all []rememberedParams) []rememberedParams

// loadParams restores the parameters that are kept in a state directory. A file that
// cannot be read counts as none: links then settle to the default.
func loadParams(dir string, w *stateWriter) *remembered {
	ps := &remembered{dir: dir, writer: w}
	ps.write = &stateWrite{failure: "connection parameters of devices not kept", run: ps.writeParams}
	if dir == "" {
		return ps
	}
	b, err := readState(dir, paramsName)
	if err == nil {
		ps.all, err = decodeParams(dir, b)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		w.log.Warn("connection parameters of devices not restored", "error", err)
	}
	return ps
}

// decodeParams decodes the content of params.json; none if it is empty.
func decodeParams(stateDir string, b []byte) ([]rememberedParams, error) {
	if len(b) == 0 {
		return nil, nil
	}
	var f paramsFile
	const loss = "links to the devices settle to the default parameters until the program sets others"
	if err := decodeState(stateDir, paramsName, paramsVersion, b, &f, loss); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(f.Devices, func(p rememberedParams) bool { return p.params().Validate() != nil }), nil
}

// paramsOf returns the parameters that a program has set for t.
func (ps *remembered) paramsOf(t target) (hci.ConnParams, bool) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	for i := range ps.all {
		if t.matches(ps.all[i].Address) {
			return ps.all[i].params(), true
		}
	}
	return hci.ConnParams{}, false
}

// storeParams remembers the parameters of a device. A device with a private address has
// none: another device may have the address later.
func (ps *remembered) storeParams(device hci.Addr, p hci.ConnParams) {
	if device.IsResolvable() || device.IsNonResolvable() {
		return
	}
	set := rememberedParams{device.Identity(), time.Now(), p.IntervalMin, p.IntervalMax, p.Latency, p.Timeout}
	ps.changeParams(func(all []rememberedParams) []rememberedParams {
		all = slices.DeleteFunc(all, func(o rememberedParams) bool { return o.Address == set.Address })
		all = slices.Insert(all, 0, set)
		return all[:min(len(all), maxParams)]
	})
}

// forgetParams forgets the parameters of t, and reports whether there were any.
func (ps *remembered) forgetParams(t target) bool {
	return ps.changeParams(func(all []rememberedParams) []rememberedParams {
		return slices.DeleteFunc(all, func(o rememberedParams) bool { return t.matches(o.Address) })
	})
}

// changeParams makes a change, in memory at once and in the file soon. It reports whether
// there are fewer devices with parameters now.
func (ps *remembered) changeParams(change paramsChange) (fewer bool) {
	ps.mu.Lock()
	n := len(ps.all)
	ps.all = change(slices.Clone(ps.all))
	fewer = len(ps.all) < n
	if ps.dir != "" {
		ps.unwritten = append(ps.unwritten, change)
		ps.unwritten = ps.unwritten[max(0, len(ps.unwritten)-maxUnwritten):]
	}
	ps.mu.Unlock()
	if ps.dir != "" {
		ps.writer.requestWrite(ps.write)
	}
	return fewer
}

// writeParams makes the changes in the file. They wait for the next call if that fails.
func (ps *remembered) writeParams() error {
	ps.mu.Lock()
	changes := ps.unwritten
	ps.unwritten = nil
	ps.mu.Unlock()
	all, err := updateParams(ps.dir, changes)
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if err != nil {
		waiting := append(changes, ps.unwritten...)
		ps.unwritten = waiting[max(0, len(waiting)-maxUnwritten):]
		return err
	}
	for _, change := range ps.unwritten {
		all = change(all)
	}
	ps.all = all
	return nil
}

// updateParams makes changes of the parameters in a state directory and returns the new
// ones. It leaves a file of another version unchanged, and replaces one that is damaged.
func updateParams(dir string, changes []paramsChange) (all []rememberedParams, err error) {
	err = changeState(dir, paramsName, func(b []byte) ([]byte, error) {
		old, err := decodeParams(dir, b)
		damaged := isDamaged(err)
		if err != nil && !damaged {
			return nil, err
		}
		had := len(old) > 0
		all = old
		for _, change := range changes {
			all = change(all)
		}
		if !had && len(all) == 0 && !damaged {
			return nil, nil
		}
		return json.Marshal(paramsFile{paramsVersion, all})
	})
	return all, err
}

// withParams returns options that settle a link to t to the parameters that the program
// has set for t, if the options ask for that.
func (ps *remembered) withParams(t target, o *Options) *Options {
	if !o.RememberParams || o.SettledParams != (hci.ConnParams{}) {
		return o
	}
	p, ok := ps.paramsOf(t)
	if !ok {
		return o
	}
	with := *o
	with.SettledParams = p
	return &with
}

// RememberedParams returns the connection parameters that the program has set for the
// device with an address; see Options.RememberParams. It reports whether there are any.
func (m *Manager) RememberedParams(address string) (hci.ConnParams, bool) {
	t, err := parseTarget(address)
	if err != nil {
		return hci.ConnParams{}, false
	}
	return m.params.paramsOf(t)
}

// ForgetParams forgets the connection parameters that the program has set for the device
// with an address, and reports whether there were any. Links in use keep theirs.
func (m *Manager) ForgetParams(address string) bool {
	t, err := parseTarget(address)
	if err != nil {
		return false
	}
	had := m.params.forgetParams(t)
	m.writer.awaitWrites()
	return had
}
